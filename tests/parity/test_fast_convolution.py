"""The fast models of `Conv` send what the stock ones send; where those are wrong, a plain loop."""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import in_process, step

from onchip.lava.runtime.supervisor import (
    Supervisor,  # settles Lava's start method, so it comes first
)

# isort: split
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.models import PyConvModelFixed, PyConvModelFloat
from lava.proc.conv.process import Conv
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

from onchip.lava.fast.convolution import from_lava_kernel, to_lava_kernel
from onchip.lava.processes.fast_conv import FastConvModelFixed, FastConvModelFloat
from onchip.network.convolution import conv2d

MODELS: dict[str, tuple[Any, Any]] = {
    "floating_pt": (PyConvModelFloat, FastConvModelFloat),
    "fixed_pt": (PyConvModelFixed, FastConvModelFixed),
}
PRECISIONS = pytest.mark.parametrize("precision", MODELS)


def loop_convolution(x, weight, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """The sum of Lava's convolution in Python's own integers, output by output and tap by tap."""
    outputs, kx, ky, inputs = weight.shape
    span = [d * (k - 1) + 1 for d, k in zip(dilation, (kx, ky), strict=True)]
    size = [(x.shape[n] + 2 * padding[n] - span[n]) // stride[n] + 1 for n in range(2)]
    out = np.zeros((*size, outputs), object)
    taps = [*itertools.product(range(kx), range(ky), range(inputs))]
    for i, j, o in np.ndindex(out.shape):
        first = o // (outputs // groups) * inputs
        for p, q, c in taps:
            row = i * stride[0] + (kx - 1 - p) * dilation[0] - padding[0]
            column = j * stride[1] + (ky - 1 - q) * dilation[1] - padding[1]
            if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
                out[i, j, o] += int(weight[o, p, q, c]) * int(x[row, column, first + c])
    return out


def wrapped(sums):
    """Modulo 2^24, with the sign."""
    return ((sums + 2**23) % 2**24 - 2**23).astype(np.int32)


def spikes_of(rng, shape, graded, rate=0.3):
    """Spikes, or messages of 8 bits and a sign."""
    messages = rng.integers(-255, 256, shape) if graded else 1
    return (rng.random(shape) < rate) * messages


def both(process, precision):
    """The stock and the fast model of a process."""
    return [in_process(process, model) for model in MODELS[precision]]


def assert_same(process, precision, frames):
    """Both models send the same for each of `frames` [T, x, y, in] (nothing in the first step)."""
    stock, fast = both(process, precision)
    reach = np.abs(np.asarray(process.weight.init)).sum() * max(1, np.abs(frames).max())
    for frame in [*frames, np.zeros_like(frames[0])]:
        expected, found = step(stock, frame), step(fast, frame)
        assert found.dtype == expected.dtype
        if precision == "fixed_pt":
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15 * reach)
    assert np.any(expected)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@PRECISIONS
@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    kernel=pairs,
    stride=st.one_of(st.integers(1, 3), pairs),
    padding=st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 2))),
    dilation=pairs,
    channels=pairs,
    groups=st.integers(1, 3),
    message_bits=st.sampled_from([0, 8]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_geometry_equals_stock(
    precision, kernel, stride, padding, dilation, channels, groups, message_bits, seed
):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-256, 256, (channels[1] * groups, *kernel, channels[0]))
    weight[weight == 0] = 1
    process = Conv(
        weight=weight if precision == "fixed_pt" else weight / 7,
        input_shape=(8, 7, channels[0] * groups),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        num_message_bits=message_bits,
    )
    frames = np.array([spikes_of(rng, process.input_shape, message_bits) for _ in range(3)])
    frames[-1] = 3  # so that something comes out in the end
    assert_same(process, precision, frames)


@PRECISIONS
def test_a_layer_of_vgg_equals_stock(precision, rng):
    weight = rng.integers(-256, 256, (8, 3, 3, 16))
    process = Conv(weight=weight, input_shape=(12, 12, 16), padding=1)
    assert_same(process, precision, np.array([spikes_of(rng, (12, 12, 16), False, 0.1)]))


@pytest.mark.parametrize("largest", [2**15 - 1, 2**23 - 1])
def test_integer_sums_are_exact_beyond_the_mantissa_of_32_bits(largest, rng):
    weight = rng.integers(200, 256, (2, 3, 3, 2)) | 1
    process = Conv(weight=weight, input_shape=(5, 5, 2), num_message_bits=24)
    frames = rng.integers(largest // 3, largest // 2, (3, 5, 5, 2)) | 1
    sums = np.abs(loop_convolution(frames[0], weight)).max()
    assert 2**24 < sums < 2**63
    fast = in_process(process, FastConvModelFixed)
    for frame, before in zip(frames[1:], frames[:-1], strict=True):
        step(fast, before)
        expected = wrapped(loop_convolution(before, weight))
        np.testing.assert_array_equal(step(fast, frame), expected)
    if sums < 2**31:
        assert_same(process, "fixed_pt", frames)


def test_weights_beyond_8_bits_are_neither_clipped_nor_truncated(rng):
    weight = rng.integers(-(10**6), 10**6, (2, 2, 2, 1))
    process = Conv(weight=weight, input_shape=(4, 4, 1), num_weight_bits=4)
    assert_same(process, "fixed_pt", np.array([spikes_of(rng, (4, 4, 1), False, 0.7)]))


def test_sums_of_32_bits_wrap_where_the_stock_model_sends_zero():
    weight = np.full((1, 1, 1, 2), 255)
    process = Conv(weight=weight, input_shape=(1, 1, 2), num_message_bits=24)
    frame = np.full((1, 1, 2), 2**23 - 1)
    stock, fast = both(process, "fixed_pt")
    total = 2 * 255 * (2**23 - 1)
    assert total > 2**31
    with np.errstate(invalid="ignore"):  # its cast of what 32 bits do not hold
        step(stock, frame)
        assert step(stock, frame).item() == 0
    step(fast, frame)
    assert step(fast, frame).item() == (total + 2**23) % 2**24 - 2**23 != 0


def test_sums_beyond_64_bit_floating_point_are_still_exact():
    weight = np.array([2**31 - 1, 2**31 - 3, 7]).reshape(1, 1, 1, 3)
    process = Conv(weight=weight, input_shape=(1, 1, 3), num_message_bits=24)
    frame = np.array([2**31 - 1, 2**30 + 1, 5]).reshape(1, 1, 3)
    fast = in_process(process, FastConvModelFixed)
    step(fast, frame)
    np.testing.assert_array_equal(step(fast, frame), wrapped(loop_convolution(frame, weight)))


def test_more_groups_than_8_bits_count(rng):
    weight = rng.integers(-256, 256, (130, 2, 2, 1))
    process = Conv(weight=weight, input_shape=(3, 3, 130), groups=130)
    fast = in_process(process, FastConvModelFixed)
    frame = spikes_of(rng, (3, 3, 130), False)
    step(fast, frame)
    expected = loop_convolution(frame, weight, groups=130)
    np.testing.assert_array_equal(step(fast, frame), expected.astype(int))


def test_a_dilation_beyond_127_pixels(rng):
    weight = rng.integers(-256, 256, (1, 3, 1, 1))
    process = Conv(weight=weight, input_shape=(140, 1, 1), dilation=(64, 1))
    fast = in_process(process, FastConvModelFixed)
    frame = spikes_of(rng, (140, 1, 1), False, 0.9)
    step(fast, frame)
    expected = loop_convolution(frame, weight, dilation=(64, 1))
    np.testing.assert_array_equal(step(fast, frame), expected.astype(int))


def test_a_weight_exponent_is_refused_since_the_stock_model_ignores_it():
    process = Conv(weight=np.ones((1, 1, 1, 1)), input_shape=(2, 2, 1), weight_exp=3)
    with pytest.raises(ValueError, match=r"weight_exp is 3.*multiply the weights by 2\^3"):
        in_process(process, FastConvModelFixed)


def test_a_weight_with_too_many_channels_is_refused():
    process = Conv(weight=np.ones((2, 1, 1, 2)), input_shape=(2, 2, 2), groups=2)
    with pytest.raises(ValueError, match="reads 1 channels in each group"):
        in_process(process, FastConvModelFloat)


@PRECISIONS
@pytest.mark.parametrize("in_place", [True, False])
def test_weights_that_the_host_or_a_process_writes_are_used_at_once(precision, in_place, rng):
    weight = rng.integers(-256, 256, (2, 2, 2, 1))
    fast = in_process(Conv(weight=weight, input_shape=(3, 3, 1)), MODELS[precision][1])
    frame = np.ones((3, 3, 1))
    step(fast, frame)
    if in_place:  # as Var.set does
        fast.weight[...] = 3 * weight
        fast.on_var_update()
    else:  # as a RefPort does
        fast.weight = 3 * fast.weight
    step(fast, frame)
    np.testing.assert_array_equal(step(fast, frame), 3 * loop_convolution(frame, weight))


def test_kernels_of_torch_and_the_engine_in_lavas_layout(rng):
    weight, x = rng.normal(size=(4, 2, 3, 2)), rng.random((2, 6, 7)).round()
    process = Conv(weight=to_lava_kernel(weight), input_shape=(7, 6, 2), padding=(2, 1))
    fast = in_process(process, FastConvModelFloat)
    step(fast, x.T)
    expected = conv2d(x[np.newaxis], weight, None, (1, 1), (1, 2))[0]
    np.testing.assert_allclose(step(fast, x.T).T, expected, atol=1e-12)
    np.testing.assert_array_equal(from_lava_kernel(to_lava_kernel(weight)), weight)


@PRECISIONS
def test_in_a_lava_network_it_takes_the_place_of_the_stock_model(precision, rng):
    weight = rng.integers(-256, 256, (2, 3, 3, 2))
    frames = np.moveaxis(rng.random((4, 5, 4, 2)) < 0.4, 0, -1)
    source, sink = Source(data=frames.astype(int)), Sink(shape=(5, 4, 2), buffer=4)
    conv = Conv(weight=weight, input_shape=(5, 4, 2), padding=1)
    source.s_out.connect(conv.s_in)
    conv.a_out.connect(sink.a_in)
    chosen = {Conv: MODELS[precision][1]}
    config = Loihi2SimCfg(select_tag=precision, exception_proc_model_map=chosen)
    with closing(Supervisor(conv, config)) as supervisor:
        supervisor.start()
        supervisor.run(4)
        found = sink.data.get()
    np.testing.assert_array_equal(found[..., 0], 0)
    for n in range(3):
        expected = loop_convolution(frames[..., n], weight, padding=(1, 1))
        np.testing.assert_array_equal(found[..., n + 1], expected.astype(float))
