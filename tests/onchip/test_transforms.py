"""Transforms keep their word: a current has the shape that they say, in NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.local import LocalConvolution
from onchip.network.transforms import TRANSFORMS, Bias, Dense, OneToOne

CASES = {
    "dense": Dense(np.ones((3, 4))),
    "one_to_one": OneToOne(np.ones((2, 3, 4))),
    "bias": Bias(np.ones(2), (2, 3, 4)),
    "convolution": Convolution(np.ones((2, 1, 2, 3)), (1, 5, 4), (2, 1), (1, 0)),
    "enlarging_convolution": EnlargingConvolution(np.ones((2, 1, 2, 3)), (1, 5, 4), enlarge=2),
    "local_convolution": LocalConvolution(np.ones((2, 4, 2, 1, 2, 3)), (1, 5, 4), (2, 1), (0, 1)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_current_has_the_shape_of_the_population(name):
    transform = CASES[name]
    found = transform.transmit(np.ones((5, transform.inputs)), transform.weight)
    assert found.shape == (5, *transform.output_shape)


def test_a_bias_is_the_same_at_every_place_of_its_channel(rng):
    bias = Bias(rng.normal(size=3), (3, 2, 4))
    expected = np.broadcast_to(bias.weight[None, :, None, None], (5, 3, 2, 4))
    np.testing.assert_array_equal(bias.transmit(np.ones((5, 1)), bias.weight), expected)
    found = bias.transmit(torch.ones(5, 1, dtype=torch.float64), torch.tensor(bias.weight))
    np.testing.assert_array_equal(found, expected)
