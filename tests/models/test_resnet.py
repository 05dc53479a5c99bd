"""The normaliser-free ResNet: shapes, parameters, variances, and gradients against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from slow_ottt import (
    gradients_of,
    largest_difference,
    loss_of,
    plain,
    soft_spike,
    spikes_and_targets,
    spread_parameters,
)
from torch.nn import functional as F

from onchip.models.architectures.resnet import ResidualBlock
from onchip.models.architectures.table import build_model
from onchip.models.config import TrainingConfig
from onchip.models.data.dataset import FrameDataset
from onchip.models.training.feedback import make_feedback
from onchip.models.training.training import train
from onchip.models.training.updates import bptt, ottt_a

ALPHA = 0.05
SMALL = {
    "input_shape": (2, 8, 8),
    "classes": 4,
    "time_steps": 4,
    "blocks": (1, 2),
    "widths": (3, 4),
    "stem_kernel": 3,
    "stem_stride": 1,
}


def small(**options):
    model = build_model("resnet34", **{**SMALL, **options}).double()
    spread_parameters(model)
    return model


def test_resnet34_has_the_parameters_and_maps_of_resnet34():
    model = build_model("resnet34", input_shape=(3, 224, 224), classes=1000)
    kernels = 3 * 64 * 49 + 6 * 64 * 64 * 9
    kernels += 64 * 128 * (9 + 1) + 7 * 128 * 128 * 9
    kernels += 128 * 256 * (9 + 1) + 11 * 256 * 256 * 9
    kernels += 256 * 512 * (9 + 1) + 5 * 512 * 512 * 9
    channels = 64 + 6 * 64 + 9 * 128 + 13 * 256 + 7 * 512
    found = sum(p.numel() for p in model.parameters())
    assert found == kernels + 2 * channels + 512 * 1000 + 1000
    assert abs(found - 21.8e6) < 0.1e6
    with torch.no_grad():
        outputs, _ = model.step(torch.rand(1, 3, 224, 224), model.initial_state())
    stages = [tuple(outputs[i].shape[1:]) for i in (0, 3, 7, 13, 16, 17, 18)]
    maps = [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    assert stages == [*maps, (512,), (1000,)]


def test_the_divisors_follow_the_variance_that_the_blocks_add():
    model = build_model("resnet34", input_shape=(3, 64, 64), classes=5)
    blocks = [layer for layer in model.layers if isinstance(layer, ResidualBlock)]
    squares = [1, 1.04, 1.08, 1.12, 1.04, 1.08, 1.12, 1.16]
    assert [block.beta for block in blocks[:8]] == pytest.approx([math.sqrt(x) for x in squares])
    assert model.layers[-2].beta == pytest.approx(math.sqrt(1.12))
    assert [block.skip is not None for block in blocks].count(True) == 3


class Plain:
    """The network in plain tensors; connections note their input, with zeros added to currents."""

    def __init__(self, model, through_time=False):
        self.model, self.through_time = model, through_time
        self.past = {}

    def current(self, connection, x):
        weight = plain(connection)
        self.inputs[connection] = x
        if weight.ndim == 2:
            y = x @ weight.T + connection.bias
        else:
            y = F.conv2d(x, weight, connection.bias, connection.stride, connection.padding)
        self.probes[connection] = torch.zeros_like(y, requires_grad=True)
        return y + self.probes[connection]

    def neurons(self, key, current, spiking=True):
        u, s = self.past.get(key, (torch.zeros(()), torch.zeros(())))
        before = u - s.detach() if spiking else u
        u = 0.5 * (before if self.through_time else before.detach()) + current
        s = soft_spike(u) if spiking else torch.zeros(())
        self.past[key] = (u, s)
        return 2.74 * s if spiking else u

    def step(self, x):
        self.inputs, self.probes = {}, {}
        stem, *blocks, features, readout = self.model.layers
        x = F.avg_pool2d(self.current(stem.connection, x), 2)
        for block in blocks:
            sent = self.neurons((block, 1), x / block.beta)
            if block.skip is not None:
                shrunk = F.avg_pool2d(sent, 2) if block.stride == 2 else sent
                x = self.current(block.skip, shrunk)
            inner = self.neurons((block, 2), self.current(block.first, sent))
            x = x + 0.2 * self.current(block.second, inner)
        x = self.neurons(features, x / features.beta).mean((2, 3))
        return self.neurons(readout, self.current(readout.connection, x), spiking=False)


def test_gradients_equal_those_of_a_plain_loop_with_traces():
    model = small()
    frames, targets = spikes_and_targets(model)
    found = {p: torch.zeros_like(p) for p in model.parameters()}
    network, traces, c = Plain(model), {}, 0.0
    for n in range(model.time_steps):
        output = network.step(frames[:, n].double())
        loss = loss_of(output, targets, model.time_steps, ALPHA)
        connections = list(network.probes)
        factors = torch.autograd.grad(loss, [network.probes[k] for k in connections])
        c = 0.5 * c + 1
        for connection, factor in zip(connections, factors, strict=True):
            own = network.inputs[connection].detach()
            traces[connection] = 0.5 * traces.get(connection, 0.0) + own
            probe = Plain(model)
            probe.inputs, probe.probes = {}, {}
            current = probe.current(connection, traces[connection])
            names = [p for p in (connection.weight, connection.gain) if p is not None]
            for p, g in zip(
                names, torch.autograd.grad((factor * current).sum(), names), strict=True
            ):
                found[p] += g
            found[connection.bias] += c * factor.sum([0, *range(2, factor.ndim)])
    expected = list(found.values())
    assert all(g.abs().max() > 1e-6 for g in expected)
    assert largest_difference(gradients_of(ottt_a, model, frames, targets, ALPHA), expected) < 1e-12


def test_the_readouts_gradient_is_that_of_bptt():
    model = small()
    frames, targets = spikes_and_targets(model)
    network, total = Plain(model, through_time=True), 0.0
    for n in range(model.time_steps):
        output = network.step(frames[:, n].double())
        total = total + loss_of(output, targets, model.time_steps, ALPHA)
    expected = torch.autograd.grad(total, list(model.parameters()))
    found = gradients_of(ottt_a, model, frames, targets, ALPHA)
    assert largest_difference(found[-2:], expected[-2:]) < 1e-12
    everywhere = gradients_of(bptt, model, frames, targets, ALPHA)
    assert largest_difference(everywhere, expected) < 1e-12


def test_paper_code_leaves_the_stem_and_the_biases_without_trace():
    model = small(paper_code=True)
    connections = [m for m in model.modules() if hasattr(m, "trace_decay")]
    assert [c.trace_decay for c in connections] == [0.0] + [0.5] * (len(connections) - 1)
    assert {c.bias_trace_decay for c in connections} == {0.0}
    with pytest.raises(ValueError, match="paper_code has a linear readout"):
        small(paper_code=True, readout="lif")


def test_resnet34_learns_noisy_patterns():
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((4, 3, 32, 32)).astype(np.float32)

    def pictures(samples):
        labels = np.arange(samples) % 4
        noise = rng.standard_normal((samples, 3, 32, 32)).astype(np.float32)
        frames = np.repeat((patterns[labels] + noise / 2)[:, None], 3, axis=1)
        return FrameDataset("noisy patterns", "", frames, labels, classes=4)

    model = build_model("resnet34", input_shape=(3, 32, 32), classes=4, time_steps=3)
    config = TrainingConfig(epochs=3, batch_size=16, learning_rate=1e-3)
    history = train(model, pictures(64), pictures(32), config).history
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert history[-1]["test_accuracy"] > 0.6  # chance: 0.25


def test_what_is_for_chains_of_layers_is_refused_by_name():
    model = small()
    with pytest.raises(ValueError, match="layer 'block1': feedback 'direct' is for chains"):
        make_feedback(model, "direct")
    with pytest.raises(ValueError, match=r"input_shape \(2, 10, 10\) must be"):
        small(input_shape=(2, 10, 10))
