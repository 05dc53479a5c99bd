"""One-to-one synapses of integers learn as those on a diagonal, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.draws import LearningDraws
from onchip.engine.loihi_synapses import initial_state, synapse_step
from onchip.program.synapses import IntegerPlasticity

SIZE, EPOCHS = 9, 200
GRADIENT = (Product(3, -1, ("x1", "y1", "y3")), Product(-3, -1, ("x1", "y2", "y3")))
RULES = {
    "online": {"dw": GRADIENT},
    "tag": {
        "dw": (Product(1, -3, ("t", "y3")),),
        "dt": (
            Product(3, -2, ("x1", "y1")),
            Product(-3, -2, ("x1", "y2")),
            Product(-1, -1, ("t", "y3")),
        ),
    },
    "pipelined": {"dw": (*GRADIENT, Product(-2, -1, ("y1", "y3"), "x0"))},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("epoch", [1, 5])
def test_one_to_one_synapses_are_a_diagonal(rng, rule, epoch):
    synapses = IntegerPlasticity(**RULES[rule], impulse=40, tau=epoch * 1.7, epoch=epoch, seed=7)
    weights = rng.integers(-120, 120, SIZE)
    states = [initial_state(weights), initial_state(np.diag(weights))]
    draws = [LearningDraws(synapses), LearningDraws(synapses)]
    before = states[0].weights.copy()
    for _ in range(epoch * EPOCHS):
        spikes, factors = rng.random(SIZE) < 0.3, rng.integers(0, 90, (3, SIZE))
        pairs = zip(states, draws, strict=True)
        states = [synapse_step(s, spikes, factors, synapses, draw) for s, draw in pairs]
        np.testing.assert_array_equal(states[0].weights, np.diag(states[1].weights))
        np.testing.assert_array_equal(states[0].tag, np.diag(states[1].tag))
        np.testing.assert_array_equal(states[0].x1, states[1].x1)
    assert (states[0].weights != before).any()
