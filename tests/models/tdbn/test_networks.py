"""Networks against the same equations step by step; ResNet-19's shapes and sizes."""

from __future__ import annotations

import numpy as np
import pytest
import slow_tdbn
import torch
from torch.nn import functional as F

from onchip.models.tdbn.layers import SkipBlock
from onchip.models.tdbn.networks import (
    ARCHITECTURES,
    TdBNConfig,
    TdBNNetwork,
    architecture,
    build_network,
)
from onchip.models.tdbn.recording import firing_rates, layer_spikes
from onchip.models.tdbn.training import learn_batch, parameter_total
from onchip.models.training.memory import training_peak_bytes

KINDS = [{"skip": skip, "normalization": n} for skip in (True, False) for n in ("tdbn", "bias")]


@pytest.mark.parametrize("options", [*KINDS, {"hidden": ()}, {"stem_stride": 2}])
def test_inference_equals_the_equations_step_by_step(make_network, make_frames, options):
    network = make_network(**options)
    frames = make_frames(network)
    expected, spikes = slow_tdbn.outputs(network.state_dict(), network.config, frames)
    np.testing.assert_allclose(network(frames), expected.detach(), atol=1e-12)
    seen = layer_spikes(network, frames)
    assert list(seen) == list(spikes)
    for name, theirs in spikes.items():
        assert torch.equal(seen[name], torch.stack(theirs)), name
        assert 0.005 < seen[name].mean() < 0.95, name


@pytest.mark.parametrize("options", [*KINDS, {"hidden": (7, 5)}])
def test_gradients_equal_those_of_the_equations_step_by_step(make_network, make_frames, options):
    """Every parameter, with statistics of the batch, the mean over the steps and cross entropy."""
    network = make_network(**options)
    frames, labels = make_frames(network, 4), torch.tensor([0, 3, 1, 2])
    state = {k: v.clone().requires_grad_() for k, v in network.state_dict().items()}
    outputs, _ = slow_tdbn.outputs(state, network.config, frames, learning=True)
    F.cross_entropy(outputs.mean(1), labels).backward()
    ours = network.learning_outputs(frames)
    np.testing.assert_allclose(ours.detach(), outputs.detach(), atol=1e-12)
    F.cross_entropy(ours.mean(1), labels).backward()
    for name, parameter in network.named_parameters():
        scale = float(state[name].grad.abs().max())
        assert scale > 1e-9, name
        np.testing.assert_allclose(parameter.grad, state[name].grad, atol=1e-11 * scale)


def test_inference_changes_nothing_and_makes_no_graph_whatever_the_mode(make_network, make_frames):
    network = make_network()
    frames = make_frames(network)
    kept = {k: v.clone() for k, v in network.state_dict().items()}
    outputs = [network.train(mode)(frames) for mode in (True, False)]
    assert torch.equal(*outputs)
    assert not outputs[0].requires_grad
    assert all(torch.equal(kept[k], v) for k, v in network.state_dict().items())


def test_learning_moves_the_running_statistics(make_network, make_frames):
    network = make_network()
    before = network.features[0].currents.normalization.running_mean.clone()
    network.learning_outputs(make_frames(network))
    assert not torch.equal(network.features[0].currents.normalization.running_mean, before)


# -- ResNet-19 ------------------------------------------------------------------------------------

MAPS = [(64, 32)] + 3 * [(128, 32)] + 3 * [(256, 16)] + 2 * [(512, 8)]
"""(channels, side) behind the stem and each block for pictures of 32 x 32."""


def parameters_by_hand(classes):
    """Kernel by kernel: convolutions, gamma and beta of each, dense layers."""
    convolutions = [(3, 64, 3)]
    pre = 64
    for width, count in ((128, 3), (256, 3), (512, 2)):
        for index in range(count):
            convolutions += [(pre, width, 3), (width, width, 3)]
            if index == 0:
                convolutions.append((pre, width, 1))
            pre = width
    total = sum(a * b * k * k + 2 * b for a, b, k in convolutions)
    return total + (512 * 256 + 256) + (256 * classes + classes)


def test_resnet19_has_the_published_shape_and_size():
    with torch.device("meta"):
        network = TdBNNetwork(architecture("resnet19", input_shape=(3, 32, 32)))
    assert parameter_total(network) == parameters_by_hand(10) == 12_630_858
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    deep = [m for m in convolutions if m.kernel_size == (3, 3)]
    assert len(deep) + len(network.dense) + 1 == 19
    assert all(m.bias is None for m in convolutions)
    shortcuts = [layer.shortcut is not None for layer in network.features[1:]]
    assert shortcuts == [True, False, False, True, False, False, True, False]


def test_resnet19_makes_the_published_maps():
    network = build_network(architecture("resnet19", input_shape=(3, 32, 32), time_steps=1))
    seen = layer_spikes(network, torch.rand(1, 1, 3, 32, 32))
    maps = [tuple(seen[layer.name].shape[2:]) for layer in network.features]
    assert maps == [(channels, side, side) for channels, side in MAPS]
    assert seen["fc1"].shape == (1, 1, 256)
    alphas = {
        round(block.first.normalization.alpha, 6)
        for block in network.features
        if isinstance(block, SkipBlock)
    }
    assert alphas == {1.0}
    for block in network.features[1:]:
        assert block.second.normalization.alpha == pytest.approx(2**-0.5)
        if block.shortcut is not None:
            assert block.shortcut.normalization.alpha == pytest.approx(2**-0.5)


def test_resnet19_starts_with_firing_layers():
    """What normalization is for: no layer is silent at the start, however deep."""
    network = build_network(architecture("resnet19", input_shape=(3, 16, 16), time_steps=2))
    frames = torch.randn(4, 2, 3, 16, 16)
    with torch.no_grad():
        for _ in range(30):
            network.learning_outputs(frames)
    rates = firing_rates(network, frames)
    maps = {name: rate for name, rate in rates.items() if name != "fc1"}
    assert all(0.05 < rate < 0.7 for rate in maps.values()), rates


def test_a_training_step_of_resnet19_fits_the_memory():
    """Two pictures over two steps within 1 GiB of tensors, and every weight moves."""
    network = build_network(architecture("resnet19", input_shape=(3, 32, 32), time_steps=2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    frames, targets = torch.randn(2, 2, 3, 32, 32), torch.eye(10)[[3, 7]]
    before = [p.detach().clone() for p in network.parameters()]
    peak = training_peak_bytes(lambda x, y: learn_batch(network, optimizer, x, y), frames, targets)
    assert peak < 2**30
    moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
    assert all(moved)


# -- configurations -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_seed_decides_the_weights_and_nothing_else_is_drawn(name):
    small = {"widths": (2, 3, 4), "stem_width": 2, "blocks": (1, 1, 1)}
    config = architecture(name, **{"input_shape": (2, 8, 8), **small})
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (build_network(config, seed) for seed in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.readout.connection.weight, other.readout.connection.weight)


def test_kernels_start_with_the_variance_of_their_fan_out():
    network = build_network(architecture("resnet19", input_shape=(3, 32, 32)))
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4:
            post, _, kernel, _ = parameter.shape
            expected = (2 / (post * kernel**2)) ** 0.5
            assert float(parameter.detach().std()) == pytest.approx(expected, rel=0.06), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": (2, 32)}, r"input_shape is \(2, 32\); it must be \(channels, height, wid"),
        ({"blocks": (1, 1)}, r"blocks \(1, 1\) and widths \(16, 32, 64\) must have one entry each"),
        ({"blocks": (), "widths": ()}, r"blocks \(\) and widths \(\) must have one entry each"),
        ({"widths": (0, 1, 2)}, "widths is .0, 1, 2.; it must be a list of integers >= 1"),
        ({"classes": 1}, "classes is 1; it must lie in"),
        ({"time_steps": 0}, "time_steps is 0; it must lie in"),
        ({"decay": 0.0}, "decay is 0.0; it must lie in"),
        ({"v_threshold": 0.0}, "v_threshold is 0.0; it must lie in"),
        ({"half_width": -1.0}, "half_width is -1.0; it must lie in"),
        ({"normalization": "layer"}, "'layer' is unknown; choose one of tdbn, bias, none"),
        ({"stem_stride": 0}, "stem is .16, 0.; it must be a list of integers >= 1"),
    ],
)
def test_settings_that_make_no_network_are_refused(options, message):
    with pytest.raises(ValueError, match=message) as raised:
        TdBNConfig(**{"input_shape": (2, 32, 32), **options})
    assert "\n" not in str(raised.value)


def test_an_unknown_architecture_lists_the_known_ones():
    with pytest.raises(ValueError, match="'vgg' is unknown; choose one of resnet, plain, resnet19"):
        architecture("vgg", input_shape=(2, 8, 8))
