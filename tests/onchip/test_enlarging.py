"""A convolution to a larger map: against torch's own layers, in every execution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from onchip import Engine
from onchip.deploy import build
from onchip.deploy.checks.network import check
from onchip.deploy.quantization.network import quantize
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(("side", "stride", "padding"), [(3, (1, 1), (1, 1)), (2, (2, 1), (0, 2))])
def test_it_is_torchs_convolution_and_nearest_interpolation(rng, first, side, stride, padding):
    weight, x = rng.normal(size=(4, 3, 3, 2)), rng.normal(size=(5, 3, 4, 6))
    transform = EnlargingConvolution(weight, (3, 4, 6), stride, padding, side, first)

    def up(maps: torch.Tensor) -> torch.Tensor:
        return F.interpolate(maps, scale_factor=float(side))

    def convolved(maps: torch.Tensor) -> torch.Tensor:
        return F.conv2d(maps, torch.tensor(weight), None, stride, padding)

    given = torch.tensor(x)
    expected = convolved(up(given)) if first else up(convolved(given))
    assert transform.output_shape == tuple(expected.shape[1:])
    np.testing.assert_allclose(transform.transmit(x, weight), expected, atol=1e-12)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(("side", "stride", "padding"), [(3, (1, 1), (1, 1)), (2, (2, 1), (0, 2))])
def test_what_comes_back_and_the_gradient_are_those_of_autograd(rng, first, side, stride, padding):
    weight, x = rng.normal(size=(4, 3, 3, 2)), rng.normal(size=(5, 3, 4, 6))
    transform = EnlargingConvolution(weight, (3, 4, 6), stride, padding, side, first)
    factor = rng.normal(size=(5, *transform.output_shape))
    spikes, kernels = (torch.tensor(a, requires_grad=True) for a in (x, weight))
    current = transform.transmit_with(F.conv2d, spikes, kernels)
    current.backward(torch.tensor(factor))
    back = transform.send_back(factor, weight)
    np.testing.assert_allclose(back, spikes.grad.flatten(1), atol=1e-12)
    gradient = transform.correlate(x.reshape(5, -1), factor).sum(0)
    np.testing.assert_allclose(gradient, kernels.grad, atol=1e-12)


def test_a_side_of_one_is_the_plain_convolution(rng):
    weight, x = rng.normal(size=(2, 1, 3, 3)), rng.normal(size=(2, 1, 5, 5))
    plain = Convolution(weight, (1, 5, 5))
    for first in (False, True):
        same = EnlargingConvolution(weight, (1, 5, 5), enlarge=1, enlarge_first=first)
        assert same.output_shape == plain.output_shape
        np.testing.assert_array_equal(same.transmit(x, weight), plain.transmit(x, weight))


def test_a_kernel_may_be_larger_than_the_map_that_is_enlarged_first(rng):
    weight = rng.normal(size=(1, 1, 5, 5))
    found = EnlargingConvolution(weight, (1, 3, 3), enlarge=2, enlarge_first=True)
    assert found.output_shape == (1, 2, 2)
    with pytest.raises(ValueError, match=r"kernel \(5, 5\).* do not fit input_shape \(1, 3, 3\)"):
        EnlargingConvolution(weight, (1, 3, 3), enlarge=2)


@pytest.mark.parametrize("side", [0, 1.5, True])
def test_a_side_that_is_not_a_positive_integer_is_refused(side):
    with pytest.raises(ValueError, match=f"convolution: enlarge.* {side}"):
        EnlargingConvolution(np.ones((1, 1, 1, 1)), (1, 2, 2), enlarge=side)


def network(rng: np.random.Generator, first: bool) -> Network:
    """Two convolutions, and the second one's small map back to the first's large one."""
    low = Convolution(rng.normal(0, 0.8, size=(3, 2, 3, 3)), (2, 6, 6), padding=(1, 1))
    high = Convolution(rng.normal(0, 0.5, size=(4, 3, 2, 2)), (3, 6, 6), stride=(2, 2))
    kernels = rng.normal(0, 0.4, size=(3, 4, 3, 3))
    back = EnlargingConvolution(kernels, (4, 3, 3), (1, 1), (1, 1), 2, first)
    return Network(
        (
            Population("low", low.output_shape, LIF()),
            Population("high", high.output_shape, LIF()),
            Population("out", (3,), LeakyIntegrator()),
        ),
        (
            Connection(INPUT, "low", low),
            Connection("low", "high", high),
            Connection("high", "low", back, delay=1),
            Connection("high", "out", Dense(rng.normal(size=(3, 36)))),
        ),
        (2, 6, 6),
        7,
    )


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("backend", ["torch", "lava", "lava-fast", "lava-fused"])
def test_executions_agree_in_floats_and_integers(rng, first, backend):
    graph = network(rng, first)
    frames = (rng.random((3, 7, 2, 6, 6)) < 0.4).astype(np.uint8)
    expected = Engine(graph).run(frames)
    with build(graph, backend) as execution:
        np.testing.assert_allclose(execution.run(frames).outputs, expected, atol=1e-9)
    if backend != "torch":
        integers = quantize(graph)
        with build(integers, backend) as execution:
            np.testing.assert_array_equal(
                execution.run(frames).outputs, Engine(integers).run(frames)
            )


@pytest.mark.parametrize("first", [False, True])
def test_the_connection_matters_and_its_integers_are_near_it(rng, first):
    graph = network(rng, first)
    frames = (rng.random((3, 7, 2, 6, 6)) < 0.4).astype(np.uint8)
    expected = Engine(graph).run(frames)
    undelayed = tuple(c for c in graph.connections if not c.delay)
    assert np.abs(Engine(replace(graph, connections=undelayed)).run(frames) - expected).max() > 0.1
    integers = quantize(graph)
    found = Engine(integers).run(frames) * integers.populations[-1].membrane_unit
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("first", [False, True])
def test_a_check_counts_its_synapses_as_if_no_weight_were_shared(rng, first):
    graph = network(rng, first)
    found = next(c for c in graph.connections if c.delay)
    without = replace(graph, connections=tuple(c for c in graph.connections if c is not found))
    counts = []
    for net in (graph, without):
        rows = [
            f for f in check(net).findings if "unrolled" in f.object and f.quantity == "synapses"
        ]
        counts.append(rows[0].value)
    transform, one = found.transform, np.eye(36).reshape(36, 4, 3, 3)
    taps = transform.transmit(one, np.ones(transform.weight.shape)).sum()
    assert counts[0] - counts[1] == taps
