"""What spiking inputs send is the sum of their weights, however it is added up."""

from __future__ import annotations

import numpy as np
import pytest

from onchip.lava.fast.input_sums import summed_inputs


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("outputs", [1, 3, 10, 127, 128, 300])
@pytest.mark.parametrize("inputs", [0, 1, 7, 52, 53, 400])
def test_the_sum_is_that_of_the_inputs_columns_and_does_not_overflow(rng, inputs, outputs, order):
    limit = np.iinfo(np.int32).max
    weights = np.array(rng.integers(-limit, limit, (outputs, 500)), np.int32, order=order)
    active = rng.choice(500, inputs, replace=False)
    expected = [sum(int(weights[post, pre]) for pre in active) for post in range(outputs)]
    assert summed_inputs(weights, active).tolist() == expected


def test_floats_are_added_in_the_order_of_the_inputs(rng):
    weights = np.asfortranarray(rng.normal(size=(10, 500)))
    active = np.arange(0, 500, 3)
    assert np.array_equal(summed_inputs(weights, active), weights.T[active].sum(axis=0))
