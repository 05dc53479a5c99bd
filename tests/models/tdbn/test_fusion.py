"""tdBN moves into the convolutions without changing a spike."""

from __future__ import annotations

import copy

import pytest
import torch

from onchip.models.tdbn.fusion import fuse, fused_weights
from onchip.models.tdbn.normalization import TdBN
from onchip.models.tdbn.recording import layer_spikes

WIDE = {"input_shape": (2, 24, 24), "blocks": (1, 1, 1), "widths": (16, 24, 32), "stem_width": 16}


def differing(network, fused, frames):
    """(spikes compared, spikes that differ)."""
    ours, theirs = layer_spikes(network, frames), layer_spikes(fused, frames)
    assert list(ours) == list(theirs)
    changed = sum(int((ours[name] != theirs[name]).sum()) for name in ours)
    return sum(spikes.numel() for spikes in ours.values()), changed


@pytest.mark.parametrize("skip", [True, False])
def test_every_spike_of_the_fused_network_is_the_same(make_network, make_frames, skip):
    network = make_network(**WIDE, skip=skip)
    frames = make_frames(network, 18)
    fused = fuse(network)
    compared, changed = differing(network, fused, frames)
    assert compared > 2_400_000
    assert changed == 0
    rates = {name: float(s.mean()) for name, s in layer_spikes(fused, frames).items()}
    assert all(0.01 < rate < 0.9 for rate in rates.values()), rates
    torch.testing.assert_close(fused(frames), network(frames), rtol=0, atol=1e-12)


@pytest.mark.parametrize("skip", [True, False])
def test_nothing_of_tdbn_is_left_and_the_given_network_stays(make_network, make_frames, skip):
    network = make_network(skip=skip)
    kept = copy.deepcopy(network.state_dict())
    fused = fuse(network)
    assert not any(isinstance(module, TdBN) for module in fused.modules())
    assert not list(fused.buffers())
    convolutions = [m for m in fused.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(m.bias is not None for m in convolutions)
    assert {m.kernel_size for m in convolutions} == ({(1, 1), (3, 3)} if skip else {(3, 3)})
    with torch.no_grad():
        for parameter in fused.parameters():
            parameter.zero_()
    assert all(torch.equal(kept[k], v) for k, v in network.state_dict().items())


def test_a_shortcut_that_is_left_out_shows(make_network, make_frames):
    """The wrong fusion: of the 3 x 3 convolutions alone."""
    network = make_network(**WIDE)
    frames = make_frames(network, 2)
    fused = fuse(network)
    block = next(b for b in fused.features[1:] if b.shortcut is not None)
    theirs = next(b for b in network.features[1:] if b.shortcut is not None)
    with torch.no_grad():
        block.shortcut.convolution.weight.copy_(theirs.shortcut.convolution.weight)
        block.shortcut.convolution.bias.zero_()
    assert differing(network, fused, frames)[1] > 1000


def test_weights_and_biases_are_those_of_the_equation(make_network):
    """Channel by channel, with a bias of the convolution's own as well."""
    layer = make_network(v_threshold=0.4).features[1].second
    bias = torch.randn(6, dtype=torch.float64)
    layer.convolution.bias = torch.nn.Parameter(bias)
    norm, found = layer.normalization, fused_weights(layer)
    for c in range(6):
        scale = float(norm.weight[c].detach()) * 0.4 * 2**-0.5
        scale /= (float(norm.running_var[c]) + 1e-5) ** 0.5
        shift = scale * (float(bias[c]) - float(norm.running_mean[c]))
        torch.testing.assert_close(found.weight[c], scale * layer.convolution.weight[c].detach())
        assert float(found.bias[c]) == pytest.approx(shift + float(norm.bias[c].detach()))


@pytest.mark.parametrize("normalization", ["bias", "none"])
def test_a_control_is_fused_to_itself(make_network, make_frames, normalization):
    network = make_network(normalization=normalization)
    frames = make_frames(network)
    fused = fuse(network)
    assert differing(network, fused, frames)[1] == 0
    assert fused.config.normalization == "bias"


def test_a_network_in_single_precision_stays_in_it(make_network):
    fused = fuse(make_network().float())
    assert {p.dtype for p in fused.parameters()} == {torch.float32}
