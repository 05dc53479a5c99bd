"""Linear steps put together give what torch gives in turn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onchip.network.composition import composed, dilated, grouped, pool
from onchip.network.convolution import Convolution
from onchip.network.currents import Currents
from onchip.network.transforms import Dense, OneToOne

SHAPE = (2, 7, 6)


def as_step(module: nn.Module, shape: tuple[int, ...]):
    """(transform, bias) of a module of torch, in float64."""
    if isinstance(module, nn.AvgPool2d):
        sides = (module.kernel_size, module.stride, module.padding)
        return pool(shape, *((s, s) for s in sides), average=True), None
    weight = module.weight.detach().numpy()
    bias = None if module.bias is None else module.bias.detach().numpy()
    if isinstance(module, nn.Linear):
        return Dense(weight), bias
    kernels = dilated(grouped(weight, module.groups), module.dilation)
    return Convolution(kernels, shape, module.stride, module.padding), bias


@st.composite
def steps(draw: st.DrawFn) -> list[nn.Module]:
    """One to four convolutions and pools that fit on each other, then perhaps a dense layer."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    found, shape = [], SHAPE
    for _ in range(draw(st.integers(1, 4))):
        kernel, stride, padding = (draw(st.integers(low, 3)) for low in (1, 1, 0))
        if min(shape[1:]) + 2 * padding < kernel:
            continue
        if draw(st.booleans()):
            module = nn.AvgPool2d(kernel, stride, min(padding, kernel // 2))
        else:
            channels = draw(st.sampled_from((2, 4)))
            groups = draw(st.sampled_from((1, 2)))
            bias = draw(st.booleans())
            module = nn.Conv2d(
                shape[0], channels, kernel, stride, padding, groups=groups, bias=bias
            )
        shape = tuple(module.double()(torch.zeros(1, *shape).double()).shape[1:])
        found.append(module)
    if draw(st.booleans()):
        found.append(nn.Linear(int(np.prod(shape)), 3).double())
    return found


@settings(max_examples=60, deadline=None)
@given(modules=steps())
def test_steps_in_turn_are_one_transform_and_one_offset(modules):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3, *SHAPE)))
    currents, expected = Currents.of_spikes("x", SHAPE), x
    for module in modules:
        flat = isinstance(module, nn.Linear)
        expected = module(expected.flatten(1) if flat else expected)
        currents = currents.through(*as_step(module, currents.shape))
    transform = currents.transform_of("x")
    found = transform.transmit(x.numpy(), transform.weight).reshape(3, *currents.shape)
    if currents.offset is not None:
        found = found + currents.offset
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-10)


def test_a_pool_behind_a_padded_convolution_keeps_being_one():
    first = Convolution(np.ones((2, 2, 3, 3)), (2, 8, 8), (1, 1), (1, 1))
    assert isinstance(composed(first, pool((2, 8, 8), (2, 2), (2, 2), (0, 0), True)), Convolution)


def test_padding_that_would_meet_a_part_of_the_map_makes_dense_weights():
    first = Convolution(np.ones((2, 2, 3, 3)), (2, 6, 6), (1, 1), (0, 0))
    second = Convolution(np.ones((2, 2, 3, 3)), (2, 4, 4), (1, 1), (1, 1))
    assert isinstance(composed(first, second), Dense)


def test_too_many_dense_weights_are_refused():
    first = Convolution(np.ones((8, 8, 3, 3)), (8, 64, 64), (1, 1), (0, 0))
    second = Convolution(np.ones((8, 8, 3, 3)), (8, 62, 62), (1, 1), (1, 1))
    with pytest.raises(ValueError, match="dense weights are more than"):
        composed(first, second)


def test_sums_of_sources_add_up():
    one, two = Currents.of_spikes("a", (4,)), Currents.of_spikes("b", (4,))
    total = one.plus(two).through(Dense(np.arange(8.0).reshape(2, 4)), np.ones(2)).plus(one.through(
        Dense(np.ones((2, 4)))
    ))  # fmt: skip
    np.testing.assert_array_equal(total.sent["a"].weight, np.arange(8.0).reshape(2, 4) + 1)
    np.testing.assert_array_equal(total.sent["b"].weight, np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(total.offset, np.ones(2))


def test_factors_of_channels_stay_in_a_kernel_and_others_make_it_dense():
    kernel = Convolution(np.ones((2, 1, 2, 2)), (1, 3, 3))
    currents = Currents.of_spikes("x", (1, 3, 3)).through(kernel)
    by_channel = np.broadcast_to(np.array([2.0, 3.0]).reshape(2, 1, 1), (2, 2, 2))
    np.testing.assert_array_equal(
        currents.scaled(by_channel).sent["x"].weight, kernel.weight * by_channel[:, :1, :1, None]
    )
    assert isinstance(currents.scaled(np.arange(8.0).reshape(2, 2, 2)).sent["x"], Dense)
    assert currents.scaled(np.ones((2, 2, 2))) is currents


def test_spikes_as_they_are_become_one_to_one():
    assert Currents.of_spikes("x", (2, 3)).transform_of("x") == OneToOne(np.ones((2, 3)))


def test_an_offset_that_differs_within_a_channel_is_no_bias():
    padded = Convolution(np.ones((1, 1, 3, 3)), (1, 4, 4), (1, 1), (1, 1))
    currents = Currents.of_spikes("x", (1, 4, 4)).through(OneToOne(np.ones((1, 4, 4))), np.ones(1))
    with pytest.raises(ValueError, match="differs between the positions of a channel"):
        currents.through(padded).bias()
