"""Convolutions as Lava processes of their own: every spike, output and weight is the engine's."""

from __future__ import annotations

import numpy as np
import pytest
from convolution_cases import SHAPE, events, learned_by_loops, network
from graph_cases import CLASSES, NEURON, dense, largest_difference, readout, weights_of
from parity_cases import TOLERANCE

from onchip.arithmetic.accumulator import Product
from onchip.deploy.backends.table import build
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias, OneToOne
from onchip.neurons.cuba import CuBa
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.neurons.surrogates import Surrogate
from onchip.program import real_lowering
from onchip.program.synapses import Plasticity
from onchip.program.timetable import trace_time_constant
from onchip.rules.feedback import FEEDBACKS

LAYERED = ("lava", "lava-fast")


def assert_as_the_engine(spec: Network, frames, labels, schedule="sequenced", moved=1e-3) -> None:
    """Spikes are equal, outputs and weights to rounding; the weights have moved, neurons spike."""
    results = {}
    for backend in ("numpy", *LAYERED):
        with build(spec, backend, schedule, record=True) as execution:
            results[backend] = execution.learn(frames, labels), weights_of(execution.snapshot())
    expected, weights = results["numpy"]
    assert largest_difference(weights_of(spec), weights) > moved
    for backend in LAYERED:
        found, learned = results[backend]
        assert largest_difference(learned, weights) < TOLERANCE, backend
        np.testing.assert_allclose(found.outputs, expected.outputs, atol=TOLERANCE)
        for name, spikes in found.spikes.items():
            np.testing.assert_array_equal(spikes.ravel(), expected.spikes[name].ravel(), name)
            assert 0 < spikes.mean() < 1, name


def long_events(rng, samples=25, shape=SHAPE, steps=8):
    frames = (rng.random((samples, steps, *shape)) < 0.4).astype(float)
    return frames, rng.integers(0, CLASSES, samples)


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_two_hundred_steps_of_learning_are_the_engines(rng, feedback, mode):
    plastic = ("conv1", "conv2", "out")
    options = {"feedback": feedback, "mode": mode, "plastic": plastic}
    spec = with_learning(network(rng), learning_rate=0.03, **options)
    assert_as_the_engine(spec, *long_events(rng))


def test_neurons_with_a_current_learn_by_both_traces(rng):
    spec = network(rng)
    neuron = CuBa(0.8, 0.5, surrogate=Surrogate("triangle"))
    current_based = [Population(p.name, p.shape, neuron) for p in spec.populations[:-1]]
    spec = Network((*current_based, readout()), spec.connections, SHAPE, spec.time_steps)
    plastic = ("conv1", "conv2", "out")
    spec = with_learning(spec, learning_rate=0.05, feedback="symmetric", plastic=plastic)
    assert_as_the_engine(spec, *long_events(rng, 5))


def convolutional_readout(rng, steps=8) -> Network:
    """Two convolutions; the second one sees the whole map and is the readout."""
    first = Convolution(rng.normal(0, 0.6, (3, 2, 3, 3)), SHAPE, (1, 1), (1, 1))
    second = Convolution(rng.normal(0, 0.2, (CLASSES, 3, 6, 5)), (3, 6, 5))
    return Network(
        (Population("conv1", (3, 6, 5), NEURON), Population("out", (CLASSES,), LeakyIntegrator())),
        (
            Connection(INPUT, "conv1", first),
            Connection(ALWAYS_ON, "conv1", Bias(rng.normal(0, 0.1, 3), (3, 6, 5))),
            Connection("conv1", "out", second),
        ),
        SHAPE,
        steps,
    )


@pytest.mark.parametrize("mode", ["online", "accumulate"])
def test_a_convolution_as_readout_learns_on_the_pipelined_schedule(rng, mode):
    options = {"mode": mode, "plastic": ["out"], "update_delay": int(mode == "online")}
    spec = with_learning(convolutional_readout(rng), learning_rate=0.1, **options)
    assert_as_the_engine(spec, *long_events(rng, 5), "pipelined")


def test_a_dense_readout_learns_pipelined_above_frozen_convolutions(rng):
    spec = with_learning(network(rng), learning_rate=0.1, plastic=["out"], update_delay=1)
    assert_as_the_engine(spec, *long_events(rng, 5), "pipelined")


def naive_rule(schedule, mode, traces, arrival, rule):
    """Without what makes up for the delay of a synapse: g[n] meets a later trace than a[n]."""
    tau = trace_time_constant(traces[0][1], schedule.period)
    return Plasticity((Product(1, 0, ("x1", "y1")),), (), 1.0, tau, schedule.period)


@pytest.mark.parametrize("schedule", ["sequenced", "pipelined"])
def test_the_naive_pairing_of_factor_and_trace_fails(rng, monkeypatch, schedule):
    piped = schedule == "pipelined"
    plastic = ["out"] if piped else ["conv1", "out"]
    options = {"learning_rate": 0.1, "plastic": plastic, "update_delay": int(piped)}
    spec = with_learning(convolutional_readout(rng), **options)
    frames, labels = long_events(rng, 3)
    found = {}
    for name in ("right", "naive"):
        if name == "naive":
            monkeypatch.setattr(real_lowering, "plasticity", naive_rule)
        with build(spec, "lava-fast", schedule) as execution:
            execution.learn(frames, labels)
            found[name] = weights_of(execution.snapshot())
    with build(spec, "numpy") as execution:
        execution.learn(frames, labels)
        expected = weights_of(execution.snapshot())
    assert largest_difference(found["right"], expected) < TOLERANCE
    assert largest_difference(found["naive"], expected) > 1e-3


def joined(rng) -> Network:
    """A residual sum of a convolution and gains, a recurrent convolution, an enlarged map."""
    maps, small = (2, 4, 4), (3, 2, 2)
    convolutions = {
        (INPUT, "stem"): Convolution(rng.normal(0.1, 0.7, (2, 1, 3, 3)), (1, 4, 4), (1, 1), (1, 1)),
        ("stem", "sum"): Convolution(rng.normal(0.1, 0.5, (2, 2, 3, 3)), maps, (1, 1), (1, 1)),
        ("sum", "low"): Convolution(rng.normal(0.2, 0.6, (3, 2, 2, 2)), maps, (2, 2)),
        ("low", "high"): EnlargingConvolution(rng.normal(0.3, 0.9, (2, 3, 1, 1)), small, enlarge=2),
    }
    found = [Connection(*ends, transform) for ends, transform in convolutions.items()]
    own = Convolution(rng.normal(0, 0.2, (3, 3, 1, 1)), small)
    found += [
        Connection("stem", "sum", OneToOne(rng.uniform(0.2, 0.8, maps)), 1),
        Connection("low", "low", own, 1),
        Connection(ALWAYS_ON, "low", Bias(rng.normal(0, 0.1, 3), small)),
        Connection("high", "out", dense(rng, CLASSES, 32, 0.7)),
    ]
    shapes = {"stem": maps, "sum": maps, "low": small, "high": maps}
    populations = [Population(name, shape, NEURON) for name, shape in shapes.items()]
    return Network((*populations, readout()), tuple(found), (1, 4, 4), 8)


@pytest.mark.parametrize("feedback", ["exact", "symmetric", "direct"])
def test_sums_recurrence_and_enlarged_maps_learn_too(rng, feedback):
    plastic = ("stem", "sum", "low", "high", "out")
    spec = with_learning(joined(rng), learning_rate=0.05, feedback=feedback, plastic=plastic)
    assert_as_the_engine(spec, *long_events(rng, 6, (1, 4, 4)))


def test_a_convolution_that_learns_may_read_currents(rng):
    """Frames that are no spikes count by their value, in the current and in the trace."""
    plastic = ("conv1", "conv2", "out")
    spec = with_learning(network(rng), learning_rate=0.05, feedback="symmetric", plastic=plastic)
    frames, labels = events(rng)
    frames = frames * rng.uniform(-1, 2, frames.shape)
    assert_as_the_engine(spec, frames, labels)
    with build(spec, "lava-fast") as execution:
        execution.learn(frames, labels)
        learned = weights_of(execution.snapshot())
    assert largest_difference(learned, learned_by_loops(spec, frames, labels)) < TOLERANCE


def test_dense_synapses_refuse_currents(rng):
    spec = Network((readout(),), (Connection(INPUT, "out", dense(rng, CLASSES, 4)),), (4,), 2)
    with build(spec, "lava") as execution, pytest.raises(ValueError, match="binary spikes"):
        execution.run(np.full((1, 2, 4), 0.5))


@pytest.mark.parametrize("backend", LAYERED)
def test_a_saved_state_is_restored_with_its_kernels(rng, backend):
    plastic = ("conv1", "conv2", "out")
    spec = with_learning(network(rng), learning_rate=0.1, mode="accumulate", plastic=plastic)
    frames, labels = events(rng)
    with build(spec, backend) as execution:
        execution.learn(frames[:1], labels[:1])
        state = execution.state()
        execution.learn(frames[1:], labels[1:])
        expected = weights_of(execution.snapshot())
    with build(spec, backend) as execution:
        execution.restore(state)
        execution.learn(frames[1:], labels[1:])
        assert largest_difference(weights_of(execution.snapshot()), expected) == 0


def test_a_filtered_eligibility_of_shared_weights_is_refused_by_name(rng):
    spec = Network(
        (Population("conv1", (3, 6, 5), LIF(surrogate=Surrogate("triangle"))), readout()),
        (
            Connection(
                INPUT, "conv1", Convolution(rng.normal(size=(3, 2, 3, 3)), SHAPE, (1, 1), (1, 1))
            ),
            Connection("conv1", "out", dense(rng, CLASSES, 90, 0.7)),
        ),
        SHAPE,
        4,
    )
    options = {"rule": "e-prop", "learning_rate": 0.1, "plastic": ["conv1", "out"]}
    with pytest.raises(ValueError, match="weights are shared between positions"):
        build(with_learning(spec, **options), "lava")
