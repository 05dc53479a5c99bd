from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from onchip.network.convolution import conv2d


def torch_conv2d(x, weight, bias, stride, padding) -> np.ndarray:
    tensors = [None if a is None else torch.from_numpy(a) for a in (x, weight, bias)]
    return functional.conv2d(*tensors, stride=stride, padding=padding).numpy()


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    kernel=pairs,
    stride=pairs,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    size=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    channels=pairs,
    batch=st.integers(1, 3),
    with_bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_conv2d_equals_torch(kernel, stride, padding, size, channels, batch, with_bias, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, channels[0], *size))
    weight = rng.normal(size=(channels[1], channels[0], *kernel))
    bias = rng.normal(size=channels[1]) if with_bias else None
    out = conv2d(x, weight, bias, stride, padding)
    expected = torch_conv2d(x, weight, bias, stride, padding)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)


def test_it_is_a_cross_correlation_worked_by_hand():
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    weight = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    out = conv2d(x, weight, np.array([0.5]), (1, 1), (0, 0))
    np.testing.assert_array_equal(out, [[[[27.5, 37.5], [57.5, 67.5]]]])


def test_vertical_comes_before_horizontal_in_stride_and_padding(rng):
    x, weight = rng.normal(size=(2, 3, 9, 7)), rng.normal(size=(4, 3, 3, 2))
    out = conv2d(x, weight, None, (3, 1), (2, 0))
    np.testing.assert_allclose(out, torch_conv2d(x, weight, None, (3, 1), (2, 0)), atol=1e-12)
    assert out.shape == (2, 4, 4, 6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_is_kept_and_the_arguments_are_left_alone(dtype, rng):
    x = rng.normal(size=(1, 2, 5, 5)).astype(dtype)
    weight = rng.normal(size=(3, 2, 3, 3)).astype(dtype)
    bias = rng.normal(size=3).astype(dtype)
    before = [array.copy() for array in (x, weight, bias)]
    assert conv2d(x, weight, bias, (1, 1), (1, 1)).dtype == np.dtype(dtype)
    for array, copy in zip((x, weight, bias), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_average_pooling_folds_into_a_larger_strided_kernel(rng):
    x, weight = rng.normal(size=(2, 3, 8, 8)), rng.normal(size=(4, 3, 3, 3))
    pooled = functional.avg_pool2d(torch.from_numpy(x), 2).numpy()
    folded = weight.repeat(2, axis=2).repeat(2, axis=3) / 4
    np.testing.assert_allclose(
        conv2d(x, folded, None, (2, 2), (2, 2)),
        torch_conv2d(pooled, weight, None, (1, 1), (1, 1)),
        atol=1e-12,
    )
