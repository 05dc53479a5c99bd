"""The neurons and rules of the packages in every execution, beside a loop over the equations."""

from __future__ import annotations

import numpy as np
import pytest
from every_execution import assert_all_equal, in_lava, one_by_one
from graph_cases import CLASSES, dense, largest_difference, lif, readout, weights_of
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from own_parts import Loops
from parity_cases import TOLERANCE

from onchip import (
    ALIF,
    LIF,
    Connection,
    CuBa,
    Engine,
    Network,
    Population,
    Surrogate,
    with_learning,
)
from onchip.lava.fused import FusedLavaNetwork, fused_process
from onchip.lava.network import LavaNetwork
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.transforms import Bias
from onchip.objectives.spike_trains import SpikeTrains

STEPS, SAMPLES = 50, 4
"""200 steps of learning."""

TRIANGLE = Surrogate("triangle")
SHARP = LIF(0.875, surrogate=Surrogate("fast_sigmoid"))
NEURONS = {
    "cuba": CuBa(0.8, 0.5, surrogate=TRIANGLE),
    "slow current": CuBa(0.5, 0.9, 1.5, surrogate=TRIANGLE),
    "hard reset": CuBa(0.75, 0.5, reset="hard", surrogate=TRIANGLE),
    "adaptive": ALIF(0.8, 0.9, 0.3, surrogate=TRIANGLE),
    "adaptive, hard reset": ALIF(0.8, 0.9, 0.1, 0.7, "hard", surrogate=TRIANGLE),
    "perfect integrator": CuBa(1.0, 0.5, 2.0, surrogate=TRIANGLE),
}


def network(rng, neuron, last=None, second=None) -> Network:
    """Two hidden populations, the first with a recurrence and a bias."""
    return Network(
        (
            Population("one", (8,), neuron),
            Population("two", (8,), second) if second else lif("two"),
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


def trains(rng) -> np.ndarray:
    return (rng.random((SAMPLES, STEPS, CLASSES)) < 0.2).astype(float)


def rewards(rng) -> np.ndarray:
    """One now and then: [samples, T, 1]."""
    return rng.normal(size=(SAMPLES, STEPS, 1)) * (rng.random((SAMPLES, STEPS, 1)) < 0.1)


def learned_by_loops(spec, frames, targets):
    loops = Loops(spec)
    loops.stream(zip(frames, targets, strict=True), SAMPLES)
    return loops.weights


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
    expected = learned_by_loops(spec, frames, labels)
    monkeypatch.setattr(CuBa, "traces", property(lambda self: ((1.0, self.decay),)))
    _, learned = one_by_one(Engine(spec), frames, labels)
    assert largest_difference(weights_of(learned), expected) > 1e-3


# -- spike trains ---------------------------------------------------------------------------------


def superspike(rng, feedback, hidden=None, delay=0) -> Network:
    found = network(rng, hidden or SHARP, SHARP, SHARP)
    return with_learning(
        found, learning_rate=1.0, rule="superspike", feedback=feedback, update_delay=delay
    )


@pytest.mark.parametrize("feedback", ["symmetric", "random", "direct"])
def test_superspike_is_the_same_everywhere(rng, feedback):
    assert_all_equal(superspike(rng, feedback), events(rng), trains(rng))


def test_superspike_of_current_based_neurons_is_the_same_everywhere(rng):
    hidden = CuBa(0.9, 0.75, surrogate=SHARP.surrogate)
    assert_all_equal(superspike(rng, "symmetric", hidden), events(rng), trains(rng))


def test_superspike_in_a_readout_learns_on_the_pipelined_schedule(rng):
    spec = network(rng, SHARP, SHARP, SHARP)
    spec = with_learning(
        spec, learning_rate=1.0, rule="superspike", plastic=["out"], update_delay=1
    )
    frames, targets = events(rng), trains(rng)
    outputs, learned = one_by_one(Engine(spec), frames, targets)
    found, after = in_lava(lambda: LavaNetwork(spec, "pipelined"), frames, targets)
    np.testing.assert_allclose(found, outputs, atol=TOLERANCE)
    assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE
    assert largest_difference(weights_of(spec), weights_of(learned)) > 0.01


def test_the_difference_of_a_single_step_is_not_the_distance_of_two_trains(rng, monkeypatch):
    spec, frames, targets = superspike(rng, "symmetric"), events(rng), trains(rng)
    expected = learned_by_loops(spec, frames, targets)

    def forgetful(self, output, target, memory, time_steps):
        return (output - target) / (output.shape[-1] * time_steps), None

    monkeypatch.setattr(SpikeTrains, "step", forgetful)
    _, learned = one_by_one(Engine(spec), frames, targets)
    assert largest_difference(weights_of(learned), expected) > 1e-3


def test_a_sample_that_is_only_run_leaves_nothing_of_its_trains_behind(rng):
    spec, frames, targets = superspike(rng, "symmetric"), events(rng), trains(rng)
    engine, graph = Engine(spec), FusedLavaNetwork(spec)
    with graph:
        taught = graph.learn(frames[:1], targets[:1]).outputs
        graph.run(frames[1:2])
        graph.learn(frames[2:3], targets[2:3])
        learned = graph.snapshot()
    np.testing.assert_allclose(engine.learn(frames[:1], targets[:1]), taught, atol=TOLERANCE)
    engine.run(frames[1:2])
    engine.learn(frames[2:3], targets[2:3])
    assert largest_difference(weights_of(learned), weights_of(engine.snapshot())) < TOLERANCE


def test_the_ports_of_a_fused_network_tell_the_filtered_error(rng):
    spec, frames, targets = superspike(rng, "symmetric"), events(rng)[:2], trains(rng)[:2]
    length, wanted = 2 * STEPS, targets.reshape(-1, CLASSES)
    process, tag = fused_process(spec, hosted=False)
    spikes = Source(data=frames.reshape(length, -1).T)
    taught = Source(data=np.vstack((wanted.T, np.ones(length))))
    outputs, errors = (Sink(shape=(CLASSES,), buffer=length) for _ in range(2))
    spikes.s_out.connect(process.s_in)
    taught.s_out.connect(process.target_in)
    process.o_out.connect(outputs.a_in)
    process.error_out.connect(errors.a_in)
    process.run(RunSteps(length), Loihi2SimCfg(select_tag=tag))
    found, error = outputs.data.get().T, errors.data.get().T
    process.stop()
    difference = (found - wanted).reshape(2, STEPS, CLASSES)
    kernel = 0.875 ** np.abs(np.subtract.outer(np.arange(STEPS), np.arange(STEPS)))
    expected = np.tril(kernel) @ difference / (CLASSES * STEPS)
    np.testing.assert_allclose(error, expected.reshape(length, CLASSES), atol=1e-12)
    assert np.abs(difference).sum() > 10


# -- rewards --------------------------------------------------------------------------------------


@pytest.mark.parametrize("neuron", ["lif", "cuba"])
def test_reward_modulated_learning_is_the_same_everywhere(rng, neuron):
    chosen = NEURONS.get(neuron, lif("one").neuron)
    spec = with_learning(network(rng, chosen), learning_rate=0.01, rule="reward-modulated")
    assert_all_equal(spec, events(rng), rewards(rng))


# -- refusals -------------------------------------------------------------------------------------


def test_rules_are_refused_with_what_they_are_not_defined_with(rng):
    soft, sharp = network(rng, NEURONS["cuba"], SHARP), network(rng, SHARP)
    with pytest.raises(ValueError, match="'one': its surrogate is 'triangle', but the rule is def"):
        with_learning(soft, learning_rate=0.1, rule="superspike")
    with pytest.raises(ValueError, match="'out': LeakyIntegrator does not spike, but objective Sp"):
        with_learning(sharp, learning_rate=0.1, plastic=["one"], rule="superspike")
    with pytest.raises(ValueError, match="'superspike' has an objective of its own"):
        with_learning(soft, learning_rate=0.1, rule="superspike", objective=SpikeTrains(0.5))
    with pytest.raises(ValueError, match="'reward-modulated' has a feedback of its own"):
        with_learning(soft, learning_rate=0.1, rule="reward-modulated", feedback="exact")


def test_lava_refuses_filters_in_accumulated_updates(rng):
    spec = network(rng, SHARP, SHARP, SHARP)
    spec = with_learning(spec, learning_rate=0.1, rule="superspike", mode="accumulate")
    with pytest.raises(ValueError, match="takes the synapses' tag, and so does"):
        LavaNetwork(spec)
