"""Plain modules of torch as networks: every spike is that of the modules, run step by step."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from onchip import ALIF, LIF, CuBa, Engine, LeakyIntegrator, LinearReadout, Network, NetworkSpec
from onchip.models import from_torch
from onchip.models.tdbn.neurons import LIFLayer
from onchip.program.graphs import as_graph

SHAPE, STEPS = (2, 8, 8), 7


def by_hand(module, neurons, x):
    """Outputs and spikes of the modules in turn; `neurons` by name, each with its own loop."""
    module = copy.deepcopy(module).double().eval()
    membranes, last, outputs = {}, {}, []
    spikes = {name: [] for name in neurons}
    with torch.no_grad():
        for n in range(x.shape[1]):
            now = x[:, n].double()
            for name, part in module.named_children():
                if name not in neurons:
                    now = part(now)
                    continue
                neuron = neurons[name]
                u, s = membranes.get(name, torch.zeros_like(now)), last.get(name, 0.0)
                past = u * (1 - s) if neuron.reset == "hard" else u - neuron.v_threshold * s
                membranes[name] = neuron.decay * past + now
                now = last[name] = (membranes[name] >= neuron.v_threshold).double()
                spikes[name].append(now.flatten(1))
            outputs.append(now.flatten(1))
    found = {name: torch.stack(values, 1).numpy() for name, values in spikes.items()}
    return torch.stack(outputs, 1).numpy(), found


def frames(samples=3, seed=0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (samples, STEPS, *shape)).astype(np.uint8)


def with_statistics(module):
    """Running statistics and factors that are not 1 and 0."""
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.running_mean.uniform_(-0.3, 0.3)
            part.running_var.uniform_(0.3, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.2, 0.4)
    return module


def convolutional():
    torch.manual_seed(3)
    return with_statistics(
        nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(2, 4, 3, padding=1, bias=False),
                norm1=nn.BatchNorm2d(4),
                lif1=nn.Identity(),
                pool1=nn.AvgPool2d(2),
                conv2=nn.Conv2d(4, 6, 3, padding="same", groups=2),
                norm2=nn.BatchNorm2d(6),
                drop=nn.Dropout(0.3),
                pool2=nn.AvgPool2d(2),
                lif2=nn.Identity(),
                mean=nn.AdaptiveAvgPool2d(1),
                flat=nn.Flatten(),
                fc=nn.Linear(6, 5),
                norm3=nn.BatchNorm1d(5),
                lif3=nn.Identity(),
                out=nn.Linear(5, 3),
            )
        )
    )


NEURONS = {"lif1": LIF(0.5, 0.6), "lif2": LIF(0.75, 0.4, "hard"), "lif3": LIF(0.9, 0.3)}


def test_convolutions_normalizations_and_pools_become_weights():
    module = convolutional()
    spec = from_torch(module, input_shape=SHAPE, time_steps=STEPS, neurons=NEURONS)
    assert isinstance(spec, NetworkSpec)
    assert [la.name for la in spec.layers] == ["conv1", "conv2", "fc", "out"]
    assert spec.layers[-1].neuron == LinearReadout()
    x = frames()
    expected, expected_spikes = by_hand(module, NEURONS, torch.from_numpy(x))
    found: dict[str, list] = {}
    outputs = Engine(spec).run(x, lambda name, s: found.setdefault(name, []).append(s * 1.0))
    np.testing.assert_allclose(outputs, expected, atol=1e-10)
    for layer, name in {"conv1": "lif1", "conv2": "lif2", "fc": "lif3"}.items():
        got = np.array(found[layer]).swapaxes(0, 1).reshape(expected_spikes[name].shape)
        np.testing.assert_array_equal(got, expected_spikes[name])
        assert 0 < got.mean() < 1
    assert module.training  # the module itself stays as it is


def test_numbered_modules_and_neurons_of_the_package_say_themselves():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Flatten(),
        nn.Linear(128, 9),
        LIFLayer(LIF(0.5, 0.3)),
        nn.Linear(9, 3),
        LIFLayer(LIF(0.8)),
    )
    spec = from_torch(module, input_shape=SHAPE, time_steps=STEPS)
    assert [(la.name, la.neuron) for la in spec.layers] == [
        ("layer1", LIF(0.5, 0.3)), ("layer3", LIF(0.8))
    ]  # fmt: skip


class Fires(nn.Module):
    """A neuron that is not torch's."""


def test_one_neuron_stands_for_all_modules_that_are_not_torchs():
    inner = nn.Sequential(nn.Linear(4, 4), Fires())
    module = nn.Sequential(OrderedDict(a=nn.Linear(6, 4), b=Fires(), c=inner, out=nn.Linear(4, 2)))
    spec = from_torch(
        module, input_shape=(6,), time_steps=3, neurons=LIF(0.7), readout=LeakyIntegrator(0.9)
    )
    assert [la.name for la in spec.layers] == ["a", "c.0", "out"]
    assert [la.neuron for la in spec.layers] == [LIF(0.7), LIF(0.7), LeakyIntegrator(0.9)]


@pytest.mark.parametrize("neuron", [CuBa(0.7, 0.4), ALIF(0.5)])
def test_neurons_that_chains_have_not_make_a_graph(neuron):
    module = nn.Sequential(nn.Linear(6, 4), Fires(), nn.Linear(4, 2))
    network = from_torch(module, input_shape=(6,), time_steps=3, neurons={"1": neuron})
    assert isinstance(network, Network)
    assert network.populations[0].neuron == neuron


def test_padding_that_only_dense_weights_can_do_is_done_by_those():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 3, padding=1, bias=False), Fires(), nn.Flatten(),
        nn.Linear(72, 3),
    )  # fmt: skip
    module[0].bias.data.zero_()
    neurons = {"2": LIF(0.5, 0.2)}
    spec = from_torch(module, input_shape=SHAPE, time_steps=STEPS, neurons=neurons)
    expected, _ = by_hand(module, neurons, torch.from_numpy(frames()))
    np.testing.assert_allclose(Engine(as_graph(spec)).run(frames()), expected, atol=1e-10)


def test_weights_come_from_a_state_by_name(tmp_path):
    trained, fresh = convolutional(), convolutional()
    for parameter in fresh.parameters():
        nn.init.zeros_(parameter)
    options = {"input_shape": SHAPE, "time_steps": STEPS, "neurons": NEURONS}
    expected = from_torch(trained, **options)
    torch.save(trained.state_dict(), tmp_path / "plain.pt")
    torch.save({"state_dict": trained.state_dict(), "epoch": 3}, tmp_path / "inner.pt")
    for state in (trained.state_dict(), tmp_path / "plain.pt", str(tmp_path / "inner.pt")):
        assert from_torch(fresh, state=state, **options) == expected
    assert not fresh.conv1.weight.any()


def line(text, **options):
    module = options.pop("module", nn.Sequential(nn.Linear(6, 4), Fires(), nn.Linear(4, 2)))
    given = {"input_shape": (6,), "time_steps": 3, "neurons": LIF(), **options}
    with pytest.raises(ValueError, match=re.escape(text)) as error:
        from_torch(module, **given)
    assert "\n" not in str(error.value)


def test_a_state_that_does_not_fit_is_one_line_that_lists_the_names(tmp_path):
    state = nn.Sequential(nn.Linear(5, 4), Fires(), nn.Linear(4, 2)).state_dict()
    line("state_dict differs in 0.weight ((4, 5), not (4, 6))", state=state)
    line("lacks 0.bias; it has more: fc.bias", state={
        ("fc.bias" if k == "0.bias" else k): v
        for k, v in nn.Sequential(nn.Linear(6, 4), Fires(), nn.Linear(4, 2)).state_dict().items()
    })  # fmt: skip
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 nothing")
    line("broken.pt: it cannot be read as weights alone", state=tmp_path / "broken.pt")
    torch.save(torch.zeros(3), tmp_path / "one.pt")
    line("one.pt: it holds a Tensor", state=tmp_path / "one.pt")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        from_torch(nn.Sequential(), input_shape=(1,), time_steps=1, state=tmp_path / "none.pt")


def conv(*more):
    return nn.Sequential(nn.Conv2d(2, 3, 3), *more, Fires(), nn.Flatten(), nn.LazyLinear(2))


SMALL = {"input_shape": (2, 7, 7)}


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (conv(nn.MaxPool2d(2)), "'1' (MaxPool2d): a maximum of spikes is no sum"),
        (conv(nn.ReLU()), "'1' (ReLU): an activation is no neuron"),
        (conv(nn.GroupNorm(1, 3)), "'1' (GroupNorm): it normalizes each sample by itself"),
        (conv(nn.AvgPool2d(2, ceil_mode=True)), "'1' (AvgPool2d): ceil_mode"),
        (conv(nn.AvgPool2d(2, padding=1, count_include_pad=False)), "count_include_pad=False"),
        (conv(nn.AdaptiveAvgPool2d(3)), "does not divide the map (5, 5)"),
        (conv(nn.BatchNorm2d(3, track_running_stats=False)), "keeps no running statistics"),
        (conv(nn.BatchNorm2d(4)), "has 4 channels"),
        (conv(nn.Flatten(2)), "use nn.Flatten()"),
        (conv(nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")), "padding_mode 'circular'"),
        (conv(nn.Conv2d(3, 3, 2, padding="same")), "padding 'same' of an even kernel"),
        (conv(nn.Conv2d(3, 3, 3, padding=1)), "differs between the positions of a channel"),
        (conv(nn.LSTM(3, 3)), "(LSTM): its gates are no spiking neurons"),
        (conv(nn.Conv2d(4, 3, 3)), "'1' (Conv2d)"),
    ],
)
def test_what_no_network_computes_is_refused_by_name(module, text):
    line(text, module=module, **SMALL)


def test_places_of_neurons_and_readouts_are_checked():
    line("are no modules of it", neurons={"1": LIF(), "lif9": LIF()})
    line("'1' (Fires): it is not known here", neurons=None)
    line("readout is given", module=nn.Sequential(nn.Linear(6, 2), Fires()), readout=LIF())
    line("has no weights", module=nn.Sequential(nn.Flatten()))
    line("no nn.Sequential", module=nn.Linear(6, 2))
    line("a pool or normalization follows", module=nn.Sequential(
        nn.Linear(6, 2), Fires(), nn.BatchNorm1d(2)
    ))  # fmt: skip


def test_a_network_of_the_package_has_its_own_way():
    from onchip.models import build_model

    model = build_model("mlp", input_shape=(6,), classes=2)
    line("onchip.models.describe_model", module=model)


def test_a_neuron_of_another_framework_is_told_the_way_through_nir():
    kind = type("Leaky", (nn.Module,), {"__module__": "snntorch._neurons.leaky"})
    module = nn.Sequential(nn.Linear(6, 4), kind(), nn.Linear(4, 2))
    line("snntorch.export_nir.export_to_nir and read it with onchip.deploy.from_nir",
         module=module, neurons=None)  # fmt: skip
