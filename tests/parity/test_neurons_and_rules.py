"""The neurons and rules of the packages in every execution, beside a loop over the equations."""

from __future__ import annotations

import numpy as np
import pytest
from every_execution import assert_all_equal, in_lava, one_by_one
from graph_cases import CLASSES, dense, largest_difference, lif, readout, weights_of
from own_parts import Loops
from parity_cases import TOLERANCE

from onchip import Connection, CuBa, Engine, Network, Population, Surrogate, with_learning
from onchip.deploy.quantization.network import quantize
from onchip.lava.network import LavaNetwork
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.transforms import Bias

STEPS, SAMPLES = 50, 4
"""200 steps of learning."""

TRIANGLE = Surrogate("triangle")
NEURONS = {
    "cuba": CuBa(0.8, 0.5, surrogate=TRIANGLE),
    "slow current": CuBa(0.5, 0.9, 1.5, surrogate=TRIANGLE),
    "hard reset": CuBa(0.75, 0.5, reset="hard", surrogate=TRIANGLE),
    "perfect integrator": CuBa(1.0, 0.5, 2.0, surrogate=TRIANGLE),
}


def network(rng, neuron, last=None) -> Network:
    """Two hidden populations, the first with a recurrence and a bias."""
    return Network(
        (
            Population("one", (8,), neuron),
            lif("two"),
            Population("out", (CLASSES,), last) if last else readout(),
        ),
        (
            Connection(INPUT, "one", dense(rng, 8, 6)),
            Connection("one", "one", dense(rng, 8, 8, 0.4), 1),
            Connection(ALWAYS_ON, "one", Bias(rng.normal(0, 0.1, 8), (8,))),
            Connection("one", "two", dense(rng, 8, 8)),
            Connection("two", "out", dense(rng, CLASSES, 8)),
        ),
        (6,),
        STEPS,
    )


def events(rng) -> np.ndarray:
    return (rng.random((SAMPLES, STEPS, 6)) < 0.3).astype(float)


@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
def test_a_neuron_learns_the_same_everywhere(rng, neuron):
    spec = with_learning(network(rng, neuron), learning_rate=0.1, feedback="symmetric")
    assert_all_equal(spec, events(rng), rng.integers(0, CLASSES, SAMPLES))


def test_a_filtered_eligibility_holds_a_double_exponential_trace(rng):
    spec = network(rng, NEURONS["cuba"])
    spec = with_learning(spec, learning_rate=0.05, rule="e-prop", feedback="symmetric")
    assert_all_equal(spec, events(rng), rng.integers(0, CLASSES, SAMPLES))


def test_a_current_based_readout_learns_on_the_pipelined_schedule(rng):
    spec = network(rng, lif("one").neuron, NEURONS["cuba"])
    spec = with_learning(spec, learning_rate=0.1, plastic=["out"], update_delay=1)
    frames, labels = events(rng), rng.integers(0, CLASSES, SAMPLES)
    outputs, learned = one_by_one(Engine(spec), frames, labels)
    found, after = in_lava(lambda: LavaNetwork(spec, "pipelined"), frames, labels)
    np.testing.assert_allclose(found, outputs, atol=TOLERANCE)
    assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE
    assert largest_difference(weights_of(spec), weights_of(learned)) > 0.01


def test_one_exponential_is_not_the_trace_of_a_current_based_neuron(rng, monkeypatch):
    spec = network(rng, NEURONS["cuba"])
    spec = with_learning(spec, learning_rate=0.1, feedback="symmetric")
    frames, labels = events(rng), rng.integers(0, CLASSES, SAMPLES)
    loops = Loops(spec)
    loops.stream(zip(frames, labels, strict=True), SAMPLES)
    monkeypatch.setattr(CuBa, "traces", property(lambda self: ((1.0, self.decay),)))
    _, learned = one_by_one(Engine(spec), frames, labels)
    assert largest_difference(weights_of(learned), loops.weights) > 1e-3


def test_neurons_without_an_integer_form_are_refused_by_name(rng):
    with pytest.raises(ValueError, match="population 'one': CuBa neurons have no integer form"):
        quantize(network(rng, NEURONS["cuba"]))
