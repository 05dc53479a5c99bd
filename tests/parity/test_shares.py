"""Shares of the rate, of neurons and of synapses: the same in every execution, and refused by name.

The oracles are loops over the equations, in floating point here, in integers `IntegerLoops`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from every_execution import executions
from graph_cases import CLASSES, NEURON, dense, largest_difference, weights_of
from integer_cases import assert_the_loops
from parity_cases import TOLERANCE

from onchip import Engine, LeakyIntegrator, add_classes
from onchip.deploy import build, load_spec, save_spec
from onchip.deploy.checks.network import check
from onchip.deploy.costs.memory import memory_of
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.deploy.quantization.graph_learning import chip_at_rate
from onchip.deploy.quantization.network import quantize
from onchip.lava.network import LavaNetwork
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.partition import split_trunk
from onchip.network.shares import with_shares
from onchip.network.transforms import Bias
from onchip.neurons.lif import LIF

INPUTS, HIDDEN, STEPS, SAMPLES, RATE = 6, 7, 8, 4, 0.5


def network(rng, rate=RATE, **learning) -> Network:
    """A hidden population with a bias, and a readout."""
    found = Network(
        (Population("hidden", (HIDDEN,), NEURON), Population("out", (CLASSES,), LeakyIntegrator(0.8))),
        (
            Connection(INPUT, "hidden", dense(rng, HIDDEN, INPUTS)),
            Connection(ALWAYS_ON, "hidden", Bias(rng.normal(0, 0.1, HIDDEN), (HIDDEN,))),
            Connection("hidden", "out", dense(rng, CLASSES, HIDDEN, 0.5)),
        ),
        (INPUTS,),
        STEPS,
    )
    options = {"feedback": "symmetric", "mse_weight": 0.0, **learning}
    return with_learning(found, learning_rate=rate, **options)


def events(rng):
    frames = (rng.random((SAMPLES, STEPS, INPUTS)) < 0.5).astype(float)
    return frames, np.arange(SAMPLES) % CLASSES


SHARES = {
    "neurons": lambda rng: {"out": np.array([1.0, 0.25, 0.0]), "hidden": rng.random(HIDDEN) / 2 + 0.5},
    "synapses": lambda rng: {
        "hidden.synapses": rng.random((HIDDEN, INPUTS)),
        "hidden.bias": rng.random(HIDDEN),
        "out.synapses": rng.random((CLASSES, HIDDEN)) * (rng.random((CLASSES, HIDDEN)) < 0.7),
    },
    "both": lambda rng: {
        "hidden.bias": rng.random(HIDDEN),
        "hidden": rng.random(HIDDEN),
        "out": np.array([0.5, 1.0, 0.1]),
    },
}


def by_loops(spec: Network, frames, labels) -> list[np.ndarray]:
    """The weights after online learning, every product of the rule times its share."""
    shares, rate = spec.learning.shares, RATE
    hidden, bias, out = (np.array(c.transform.weight) for c in spec.connections)
    backward = out.T.copy()
    r_hidden, r_out = shares.get("hidden", np.ones(HIDDEN)), shares.get("out", np.ones(CLASSES))
    m_hidden = shares.get("hidden.synapses", np.ones(hidden.shape))
    m_bias, m_out = shares.get("hidden.bias", np.ones(HIDDEN)), shares.get("out.synapses", 1.0)
    for sample, label in zip(frames, labels, strict=True):
        u, s, o = np.zeros(HIDDEN), np.zeros(HIDDEN), np.zeros(CLASSES)
        a_in, c, a_out = np.zeros(INPUTS), 0.0, np.zeros(HIDDEN)
        for x in sample:
            a_in, c = 0.7 * a_in + x, 0.7 * c + 1
            u = 0.7 * (u - s) + hidden @ x + bias
            s = (u >= 1).astype(float)
            a_out, o = 0.8 * a_out + s, 0.8 * o + out @ s
            chances = np.exp(o - o.max()) / np.exp(o - o.max()).sum()
            error = (chances - np.eye(CLASSES)[label]) / STEPS
            g = NEURON.surrogate.derivative(u, 1.0) * (backward @ error)
            out -= rate * (r_out[:, None] * m_out) * np.outer(error, a_out)
            hidden -= rate * (r_hidden[:, None] * m_hidden) * np.outer(g, a_in)
            bias -= rate * r_hidden * m_bias * g * c
    return [hidden, bias, out]


@pytest.mark.parametrize("kind", SHARES)
def test_every_execution_learns_as_the_equations_with_shares(rng, kind):
    spec = network(rng)
    frames, labels = events(rng)
    spec = with_shares(spec, SHARES[kind](rng))
    expected = by_loops(spec, frames, labels)
    assert largest_difference(weights_of(spec), expected) > 0.02
    for name, (_, learned) in executions(spec, frames, labels).items():
        assert largest_difference(weights_of(learned), expected) < TOLERANCE, name
        assert learned.learning == spec.learning, name


@pytest.mark.parametrize("kind", ["neurons", "both"])
def test_integers_with_shares_are_equal_bit_for_bit_to_slow_loops_and_in_lava(rng, kind):
    spec = network(rng, 2.0)
    frames, labels = events(rng)
    chip = quantize(with_shares(spec, SHARES[kind](rng)))
    assert_the_loops(chip, frames.astype(np.uint8), labels)
