from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, LinearReadout


def dense(**changes) -> DenseSpec:
    fields = {
        "name": "fc",
        "weight": np.arange(6.0).reshape(2, 3),
        "neuron": LIF(),
        "bias": np.ones(2),
        "recurrent_weight": np.eye(2),
    }
    return DenseSpec(**{**fields, **changes})


def conv(**changes) -> ConvSpec:
    fields = {
        "name": "cv",
        "weight": np.arange(54.0).reshape(3, 2, 3, 3),
        "neuron": LIF(),
        "input_shape": (2, 6, 5),
        "bias": np.ones(3),
    }
    return ConvSpec(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"weight": None}, r"layer 'fc': weight has shape \(\); it needs 2 dimensions"),
        ({"weight": np.zeros(3)}, r"layer 'fc': weight has shape \(3,\); it needs 2"),
        ({"weight": np.zeros((2, 0))}, r"layer 'fc': weight has shape \(2, 0\)"),
        ({"weight": np.full((2, 3), np.nan)}, "layer 'fc': weight has 6 values .* retrain"),
        ({"bias": np.ones(3)}, r"layer 'fc': bias has shape \(3,\); the weight needs \(2,\)"),
        ({"bias": [1.0, np.inf]}, "layer 'fc': bias has 1 values that are NaN"),
        ({"recurrent_weight": np.eye(3)}, r"recurrent_weight has shape \(3, 3\); .* \(2, 2\)"),
        ({"neuron": LeakyIntegrator()}, "recurrent_weight has LeakyIntegrator .* needs LIF"),
        ({"neuron": "lif"}, "layer 'fc' has str neurons; it needs LIF or LeakyIntegrator or"),
    ],
)
def test_a_dense_layer_that_does_not_fit_itself_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dense(**changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"weight": np.zeros((3, 2))}, r"layer 'cv': weight has shape \(3, 2\); it needs 4"),
        ({"bias": np.ones(2)}, r"layer 'cv': bias has shape \(2,\); the weight needs \(3,\)"),
        ({"input_shape": (4, 6, 5)}, r"layer 'cv': weight .* reads 2 channels, .* \(4, 6, 5\)"),
        ({"input_shape": (2, 30)}, r"layer 'cv': input_shape is \(2, 30\); .* 3 integers"),
        ({"stride": 2}, "layer 'cv': stride is 2; it must be 2 integers"),
        ({"padding": (0.5, 0)}, r"layer 'cv': padding is \(0.5, 0\); it must be 2 integers"),
        ({"stride": (0, 1)}, r"layer 'cv': kernel \(3, 3\), stride \(0, 1\) .* do not fit"),
        ({"padding": (0, -1)}, r"padding \(0, -1\) do not fit input_shape \(2, 6, 5\)"),
        ({"input_shape": (2, 2, 5)}, r"do not fit input_shape \(2, 2, 5\)"),
        ({"neuron": LeakyIntegrator()}, "layer 'cv' has LeakyIntegrator neurons; it needs LIF"),
    ],
)
def test_a_convolution_that_does_not_fit_itself_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        conv(**changes)


@pytest.mark.parametrize("make, names", [(dense, 3), (conv, 2)])
def test_arrays_are_read_only_copies(make, names):
    weight = np.ones_like(make().weight)
    layer = make(weight=weight)
    weight[:] = 5
    arrays = [x for x in vars(layer).values() if isinstance(x, np.ndarray)]
    assert layer.weight.max() == 1 and len(arrays) == names
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(FrozenInstanceError):
        layer.name = "other"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"weight": np.zeros((2, 3))},
        {"weight": np.zeros((2, 4))},
        {"bias": None},
        {"bias": np.zeros(2)},
        {"recurrent_weight": None},
        {"neuron": LIF(0.6)},
        {"plastic": True},
    ],
)
def test_a_difference_in_any_field_makes_dense_layers_unequal(changes):
    assert dense() == dense()
    assert dense() != dense(**changes)


def test_equal_decays_do_not_make_different_neurons_equal():
    assert replace(dense(recurrent_weight=None), neuron=LinearReadout()) != replace(
        dense(recurrent_weight=None), neuron=LeakyIntegrator()
    )


def test_convolutions_compare_by_value_and_never_to_dense_layers():
    assert conv() == conv(stride=[1, 1], padding=np.zeros(2, int), input_shape=[2, 6, 5])
    assert conv() != conv(padding=(0, 1))
    assert conv() != dense()
    assert dense() != "fc"


def test_layers_are_unhashable_because_they_compare_by_value():
    for layer in (dense(), conv()):
        with pytest.raises(TypeError, match="unhashable"):
            hash(layer)


def test_sizes_of_a_dense_layer_are_those_of_its_weight():
    assert (dense().input_size, dense().output_shape) == (3, (2,))


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(kernel=pairs, stride=pairs, padding=pairs, size=pairs)
def test_the_output_shape_of_a_convolution_is_that_of_torch(kernel, stride, padding, size):
    shape = (2, size[0] + 3, size[1] + 3)
    weight = np.ones((4, 2, *kernel))
    layer = ConvSpec("cv", weight, LIF(), shape, None, stride, padding)
    expected = functional.conv2d(
        torch.ones(1, *shape).double(), torch.tensor(weight), None, stride, padding
    )
    assert layer.output_shape == tuple(expected.shape[1:])
    assert layer.input_size == shape[0] * shape[1] * shape[2]
