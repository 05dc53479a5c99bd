"""Networks that other frameworks export: here they fire the same spikes as there."""

from __future__ import annotations

from pathlib import Path

import nir
import nirtorch
import norse.torch as norse
import numpy as np
import pytest
import sinabs.layers as sl
import snntorch as snn
import torch
from norse.torch.functional.lif_box import LIFBoxParameters
from norse.torch.functional.reset import reset_subtract, reset_value
from norse.torch.utils.export_nir import to_nir as norse_to_nir
from sinabs.activation import MembraneReset, MembraneSubtract, MultiSpike, SingleSpike
from sinabs.nir import to_nir as sinabs_to_nir
from snntorch.export_nir import export_to_nir as snntorch_to_nir
from snntorch.import_nir import import_from_nir as snntorch_from_nir
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir as jelly_to_nir
from spikingjelly.activation_based.nir_exchange import import_from_nir as jelly_from_nir
from torch import nn

from onchip import LIF, DenseSpec, Engine, NetworkSpec
from onchip.deploy import read_nir, write_nir

STEPS, INPUTS, HIDDEN, OUT = 20, 12, 16, 4


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(7)


@pytest.fixture
def frames():
    return (torch.rand(5, STEPS, INPUTS) < 0.5).float()


def linear(pre: int, post: int, bias: bool = True, gain: float = 2.0) -> nn.Linear:
    made = nn.Linear(pre, post, bias)
    nn.init.normal_(made.weight, 0.15 * gain / 2, gain / pre**0.5)
    return made


def assert_same_spikes(path: Path, frames, expected, **options) -> None:
    network = read_nir(path, time_steps=STEPS, **options)
    found = Engine(network).run(frames.numpy().astype(np.uint8))
    np.testing.assert_array_equal(found, expected.detach().numpy().reshape(found.shape))
    assert 0.05 < found.mean() < 0.95


def saved(graph, tmp_path: Path) -> Path:
    """Without compression, which nir cannot give to the single numbers that sinabs writes."""
    nir.write(tmp_path / "net.nir", graph, compression=None)
    return tmp_path / "net.nir"


# -- snnTorch -----------------------------------------------------------------------------------


def by_snntorch(net: nn.Sequential, frames) -> torch.Tensor:
    for module in net:
        for name in ("reset_mem", "reset_spk"):
            getattr(module, name, lambda: None)()
    steps = (net(frames[:, n]) for n in range(frames.shape[1]))
    return torch.stack([s[0] if isinstance(s, tuple) else s for s in steps], 1)


def leaky(size: int, **options) -> snn.Leaky:
    """One decay and threshold for each neuron: a graph of numbers fails nir's check of types."""
    return snn.Leaky(
        torch.full((size,), 0.8), threshold=torch.ones(size), init_hidden=True, **options
    )


@pytest.mark.parametrize("delay", [True, False])
def test_snntorch_with_reset_to_zero(frames, tmp_path, delay):
    options = {"reset_mechanism": "zero", "reset_delay": delay}
    net = nn.Sequential(
        linear(INPUTS, HIDDEN), leaky(HIDDEN, **options), linear(HIDDEN, OUT), leaky(OUT, **options)
    )
    path = saved(snntorch_to_nir(net, torch.zeros(1, INPUTS), ignore_dims=[0]), tmp_path)
    expected = by_snntorch(net, frames)
    assert_same_spikes(path, frames, expected, written_by="snntorch", reset="zero")


def test_snntorch_with_reset_by_subtraction_at_once(frames, tmp_path):
    """Membranes stay below two thresholds: above, snnTorch subtracts a step early or adds back."""
    options = {"reset_mechanism": "subtract", "reset_delay": False}
    net = nn.Sequential(linear(INPUTS, OUT, gain=0.5), leaky(OUT, **options))
    path = saved(snntorch_to_nir(net, torch.zeros(1, INPUTS), ignore_dims=[0]), tmp_path)
    expected = by_snntorch(net, frames)
    assert_same_spikes(path, frames, expected, written_by="snntorch", reset="subtract")


def test_snntorchs_delayed_subtraction_is_refused_by_name(frames, tmp_path):
    """Its default: the threshold comes off after the decay. Read as if at once, spikes differ."""
    net = nn.Sequential(linear(INPUTS, OUT, gain=0.5), leaky(OUT, reset_mechanism="subtract"))
    path = saved(snntorch_to_nir(net, torch.zeros(1, INPUTS), ignore_dims=[0]), tmp_path)
    options = {"written_by": "snntorch", "time_steps": STEPS}
    with pytest.raises(ValueError, match="train with reset_delay=False"):
        read_nir(path, reset="subtract-delayed", **options)
    found = Engine(read_nir(path, reset="subtract", **options)).run(frames.numpy())
    assert (found != by_snntorch(net, frames).detach().numpy()).any()


def test_snntorch_with_currents(frames, tmp_path):
    def synaptic(size):
        return snn.Synaptic(
            alpha=torch.full((size,), 0.5), beta=torch.full((size,), 0.8),
            threshold=torch.ones(size), init_hidden=True, reset_mechanism="zero", reset_delay=False,
        )  # fmt: skip

    net = nn.Sequential(
        linear(INPUTS, HIDDEN, gain=0.7), synaptic(HIDDEN), linear(HIDDEN, OUT), synaptic(OUT)
    )
    path = saved(snntorch_to_nir(net, torch.zeros(1, INPUTS), ignore_dims=[0]), tmp_path)
    expected = by_snntorch(net, frames)
    assert_same_spikes(path, frames, expected, written_by="snntorch", reset="zero")


def rleaky(delay: bool) -> nn.Sequential:
    neurons = snn.RLeaky(
        beta=0.8,
        linear_features=HIDDEN,
        init_hidden=True,
        reset_mechanism="zero",
        reset_delay=delay,
    )
    out = leaky(OUT, reset_mechanism="zero")
    return nn.Sequential(linear(INPUTS, HIDDEN), neurons, linear(HIDDEN, OUT), out)


def test_snntorch_with_recurrence(frames, tmp_path):
    """RLeaky's neurons read themselves a step later, by a graph within the graph."""
    net = rleaky(False)
    path = saved(snntorch_to_nir(net, torch.zeros(1, INPUTS), ignore_dims=[0]), tmp_path)
    network = read_nir(path, written_by="snntorch", reset="zero", time_steps=STEPS)
    assert [c.delay for c in network.connections if c.source == c.target] == [1]
    expected = by_snntorch(net, frames)
    assert_same_spikes(path, frames, expected, written_by="snntorch", reset="zero")


def test_snntorchs_delayed_reset_to_zero_is_refused_by_name(frames, tmp_path):
    """RLeaky's and Synaptic's default loses the input of the step after a spike."""
    net = rleaky(True)
    path = saved(snntorch_to_nir(net, torch.zeros(1, INPUTS), ignore_dims=[0]), tmp_path)
    options = {"written_by": "snntorch", "time_steps": STEPS}
    with pytest.raises(ValueError, match="train with reset_delay=False"):
        read_nir(path, reset="zero-delayed", **options)
    found = Engine(read_nir(path, reset="zero", **options)).run(frames.numpy())
    assert (found != by_snntorch(net, frames).detach().numpy()).any()


def test_snntorch_reads_what_is_written_here(frames, tmp_path):
    rng = np.random.default_rng(0)
    spec = NetworkSpec(
        (
            DenseSpec("one", rng.normal(0.1, 0.6, (HIDDEN, INPUTS)), LIF(0.8, 1.0, "hard")),
            DenseSpec("out", rng.normal(0.1, 0.5, (OUT, HIDDEN)), LIF(0.8, 1.0, "hard")),
        ),
        (INPUTS,),
        STEPS,
    )
    write_nir(tmp_path / "net.nir", spec, dt=1e-4)
    net, state, outputs = snntorch_from_nir(nir.read(tmp_path / "net.nir")), None, []
    for n in range(STEPS):
        spikes, state = net(frames[:, n], state)
        outputs.append(spikes[0] if isinstance(spikes, tuple) else spikes)
    expected = Engine(spec).run(frames.numpy().astype(np.uint8))
    np.testing.assert_array_equal(torch.stack(outputs, 1).detach().numpy(), expected)


# -- SpikingJelly -------------------------------------------------------------------------------


JELLY = {
    "LIFNode": lambda: neuron.LIFNode(tau=2.0, decay_input=False),
    "LIFNode, input divided": lambda: neuron.LIFNode(tau=2.0, v_threshold=0.5),
    "LIFNode, other potentials": lambda: neuron.LIFNode(tau=4.0, v_reset=-0.5, v_threshold=0.25),
    "IFNode": lambda: neuron.IFNode(),
    "CUBALIFNode": lambda: neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75),
}


def by_jelly(net: nn.Module, frames) -> torch.Tensor:
    functional.reset_net(net)
    return torch.stack([net(frames[:, n]) for n in range(frames.shape[1])], 1)


@pytest.mark.parametrize("kind", JELLY)
def test_spikingjelly(kind, frames, tmp_path):
    make = JELLY[kind]
    net = nn.Sequential(
        layer.Linear(INPUTS, HIDDEN), make(), layer.Linear(HIDDEN, OUT, bias=False), make()
    )
    for module in (net[0], net[2]):
        nn.init.normal_(module.weight, 0.15, 0.8)
    path = saved(jelly_to_nir(net, torch.zeros(1, INPUTS)), tmp_path)
    assert_same_spikes(path, frames, by_jelly(net, frames), written_by="spikingjelly")


def test_spikingjelly_with_convolutions_and_pools(tmp_path):
    net = nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=1), neuron.LIFNode(decay_input=False), layer.AvgPool2d(2),
        layer.Conv2d(4, 4, 3, stride=2, bias=False), neuron.IFNode(), layer.Flatten(),
        layer.Linear(36, OUT), neuron.LIFNode(decay_input=False),
    )  # fmt: skip
    for module in net:
        if hasattr(module, "weight"):
            nn.init.normal_(module.weight, 0.05, 0.4)
    frames = (torch.rand(3, STEPS, 2, 16, 16) < 0.4).float()
    path = saved(jelly_to_nir(net, torch.zeros(1, 2, 16, 16)), tmp_path)
    assert_same_spikes(path, frames, by_jelly(net, frames), written_by="spikingjelly")


def test_spikingjelly_reads_what_is_written_here(frames, tmp_path):
    rng = np.random.default_rng(0)
    neurons = LIF(0.5, 1.0, "hard")
    spec = NetworkSpec(
        (
            DenseSpec(
                "one", rng.normal(0.1, 0.6, (HIDDEN, INPUTS)), neurons, rng.normal(size=HIDDEN)
            ),
            DenseSpec("out", rng.normal(0.1, 0.5, (OUT, HIDDEN)), neurons),
        ),
        (INPUTS,),
        STEPS,
    )
    write_nir(tmp_path / "net.nir", spec, dt=1e-4)
    net, state, outputs = jelly_from_nir(tmp_path / "net.nir", dtype=torch.float64), None, []
    for n in range(STEPS):
        spikes, state = net(frames[:, n].double(), state)
        outputs.append(spikes)
    expected = Engine(spec).run(frames.numpy().astype(np.uint8))
    np.testing.assert_array_equal(torch.stack(outputs, 1).detach().numpy(), expected)


# -- Norse --------------------------------------------------------------------------------------


def box(size: int, reset, leak: float = 0.0) -> norse.LIFBoxCell:
    full = {k: torch.full((size,), v) for k, v in dict(v_leak=leak, v_reset=leak).items()}
    return norse.LIFBoxCell(
        p=LIFBoxParameters(
            tau_mem_inv=torch.full((size,), 500.0), v_th=torch.full((size,), 0.5),
            reset_method=reset, **full,
        )
    )  # fmt: skip


def norse_cell(size: int) -> norse.LIFCell:
    rates = {"tau_mem_inv": torch.full((size,), 500.0), "tau_syn_inv": torch.full((size,), 250.0)}
    zeros = {"v_leak": torch.zeros(size), "v_reset": torch.zeros(size)}
    return norse.LIFCell(p=norse.LIFParameters(v_th=torch.full((size,), 0.5), **rates, **zeros))


def iaf(size: int) -> norse.IAFCell:
    from norse.torch.functional.iaf import IAFParameters

    return norse.IAFCell(p=IAFParameters(v_th=torch.full((size,), 2.0), v_reset=torch.zeros(size)))


NORSE = {
    "LIFBox": (lambda size: box(size, reset_value), "zero", 2.5),
    "LIFBox, subtraction": (lambda size: box(size, reset_subtract), "subtract", 1.2),
    "LIF with currents": (norse_cell, "zero", 1.0),
    "IAF": (iaf, "zero", 2.0),
}


@pytest.mark.parametrize("kind", NORSE)
def test_norse(kind, frames, tmp_path):
    make, reset, gain = NORSE[kind]
    net = norse.SequentialState(
        linear(INPUTS, HIDDEN, gain=gain), make(HIDDEN), linear(HIDDEN, OUT, gain=gain), make(OUT)
    )
    path = saved(norse_to_nir(net, torch.zeros(1, INPUTS)), tmp_path)
    state, outputs = None, []
    for n in range(STEPS):
        spikes, state = net(frames[:, n], state)
        outputs.append(spikes)
    expected = torch.stack(outputs, 1)
    assert_same_spikes(path, frames, expected, written_by="norse", reset=reset)


# -- sinabs -------------------------------------------------------------------------------------


def by_sinabs(net: nn.Module, frames) -> torch.Tensor:
    for module in net:
        getattr(module, "reset_states", lambda: None)()
    return net(frames)


def sinabs_lif(reset, **options) -> sl.LIF:
    return sl.LIF(tau_mem=3.0, spike_fn=SingleSpike, reset_fn=reset, **options)


@pytest.mark.parametrize(
    ("make", "reset"),
    [
        (lambda: sinabs_lif(MembraneSubtract()), "subtract"),
        (lambda: sinabs_lif(MembraneReset()), "zero"),
        (lambda: sl.IAF(spike_fn=SingleSpike, spike_threshold=torch.tensor(2.0)), "subtract"),
    ],
)
def test_sinabs(make, reset, frames, tmp_path):
    net = nn.Sequential(
        linear(INPUTS, HIDDEN, gain=2.4), make(), linear(HIDDEN, OUT, gain=2.4), make()
    )
    expected = by_sinabs(net, frames)
    path = saved(sinabs_to_nir(net, torch.zeros(1, 1, INPUTS)), tmp_path)
    options = {"written_by": "sinabs", "reset": reset, "input_shape": (INPUTS,)}
    assert_same_spikes(path, frames, expected, **options)


def test_sinabs_neurons_that_fire_twice_in_a_step_have_other_spikes(frames, tmp_path):
    """MultiSpike, its default, counts; neurons here fire once, and the page says so."""
    net = nn.Sequential(linear(INPUTS, OUT, gain=30.0), sl.LIF(tau_mem=3.0, spike_fn=MultiSpike))
    expected = by_sinabs(net, frames)
    assert expected.max() > 1
    path = saved(sinabs_to_nir(net, torch.zeros(1, 1, INPUTS)), tmp_path)
    network = read_nir(
        path, written_by="sinabs", reset="subtract", input_shape=(INPUTS,), time_steps=STEPS
    )
    found = Engine(network).run(frames.numpy().astype(np.uint8))
    assert (found != expected.detach().numpy()).any()
    assert set(np.unique(found)) <= {0, 1}


# -- nirtorch -----------------------------------------------------------------------------------


class Neurons(nn.Module):
    """Neurons of a user's own: u <- 0.75 u + I, a spike above 1, u <- 0."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.u = size, 0.0

    def forward(self, current):
        u = 0.75 * self.u + current
        spikes = (u > 1).float()
        self.u = u * (1 - spikes)
        return spikes


def test_a_graph_by_nirtorchs_own_tracer(frames, tmp_path):
    net = nn.Sequential(linear(INPUTS, HIDDEN), Neurons(HIDDEN), linear(HIDDEN, OUT), Neurons(OUT))

    def as_lif(module):
        full = {k: np.full(module.size, v) for k, v in dict(v_leak=0.0, v_threshold=1.0).items()}
        return nir.LIF(tau=np.full(module.size, 4e-3), r=np.full(module.size, 4.0), **full)

    def as_affine(module):
        return nir.Affine(module.weight.detach().numpy(), module.bias.detach().numpy())

    graph = nirtorch.torch_to_nir(net, {Neurons: as_lif, nn.Linear: as_affine}, type_check=False)
    for name, node in graph.nodes.items():  # the tracer leaves these open
        if isinstance(node, nir.Input):
            graph.nodes[name] = nir.Input(np.array([INPUTS]))
        if isinstance(node, nir.Output):
            graph.nodes[name] = nir.Output(np.array([OUT]))
    path = saved(graph, tmp_path)
    expected = torch.stack([net(frames[:, n]) for n in range(STEPS)], 1)
    assert_same_spikes(path, frames, expected, dt=1e-3, reset="zero")
