"""The fused network is the engine in a Lava process, and the layered stock network in result."""

from __future__ import annotations

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from parity_cases import (
    LONG,
    dense,
    engine_reference,
    random_events,
    two_hidden_layers,
    weight_error,
)

from onchip import LIF, ConvSpec, Engine, LeakyIntegrator, LinearReadout, NetworkSpec
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.lava.fused import FusedLavaNetwork, fused_process
from onchip.lava.network import LavaNetwork
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.lava.runtime.supervisor import Supervisor
from onchip.network.learning import with_learning, without_learning
from onchip.objectives.classification import instantaneous_error
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

INPUTS = (2, 5, 5)
TOLERANCE = 1e-12
SAMPLES = 100
"""Of ten steps each: a thousand steps."""


def small(rng, recurrent: bool) -> NetworkSpec:
    layers = (
        dense(rng, "fc1", 12, 18, LIF()),
        dense(rng, "fc2", 8, 12, LIF(decay=0.7), recurrent),
        dense(rng, "readout", 4, 8, LeakyIntegrator()),
    )
    return NetworkSpec(layers, (2, 3, 3), 10)


def events(rng, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    frames = (rng.random((samples, 10, 2, 3, 3)) < 0.3).astype(np.uint8)
    return frames, rng.integers(0, 4, samples)


SCHEDULES = {
    "sequenced": {},
    "pipelined": {"plastic": ["readout"], "update_delay": 1},
}
RUNS = [
    pytest.param("pipelined", SAMPLES, marks=pytest.mark.timeout(600)),
    pytest.param("sequenced", 20),
    pytest.param("sequenced", SAMPLES, marks=LONG),
]
"""(schedule, samples): a step of the sequenced schedule takes six of stock Lava's."""


@pytest.mark.parametrize("precision", ["float", "integers"])
@pytest.mark.parametrize(("schedule", "samples"), RUNS)
def test_learning_equals_the_stock_network(rng, schedule, precision, samples):
    """Two hidden layers, one of them recurrent; accumulated updates are in test_fixed_network."""
    options = {"learning_rate": 0.05, "feedback": "symmetric", **SCHEDULES[schedule]}
    spec = with_learning(small(rng, recurrent=True), **options)
    if precision == "integers":
        spec = quantize(spec, Quantization(schedule))
    frames, labels = events(rng, samples)
    with LavaNetwork(spec, schedule, record=True) as stock:
        expected, learned = stock.learn(frames, labels), stock.snapshot()
    with FusedLavaNetwork(spec, schedule, record=True) as fused:
        found, ours = fused.learn(frames, labels), fused.snapshot()
    assert expected.spikes.keys() == found.spikes.keys()
    for name, spikes in expected.spikes.items():
        assert spikes.any() and np.array_equal(found.spikes[name], spikes)
    if precision == "integers":
        assert np.array_equal(found.outputs, expected.outputs) and ours == learned
    else:
        scale = np.abs(expected.outputs).max()
        assert np.abs(found.outputs - expected.outputs).max() < TOLERANCE * scale
        assert weight_error(learned, ours) < TOLERANCE
    assert not np.array_equal(ours.layers[-1].weight, spec.layers[-1].weight)


@pytest.mark.parametrize("precision", ["float", "integers"])
def test_a_thousand_steps_of_learning_are_the_engines(rng, precision):
    """And the engine is held to stock networks as deep (test_lava_equals_engine)."""
    spec = with_learning(small(rng, recurrent=True), learning_rate=0.05, feedback="symmetric")
    spec = spec if precision == "float" else quantize(spec)
    frames, labels = events(rng)
    engine = Engine(spec)
    expected = [engine.learn(frames[i : i + 1], labels[i : i + 1])[0] for i in range(SAMPLES)]
    with FusedLavaNetwork(spec) as fused:
        assert np.array_equal(fused.learn(frames, labels).outputs, expected)
        learned = fused.snapshot()
    assert learned == engine.snapshot()
    for before, after in zip(spec.layers, learned.layers, strict=True):
        assert not np.array_equal(before.weight, after.weight)


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_it_is_the_engine_in_floating_point(rng, feedback, mode):
    spec = two_hidden_layers(rng, INPUTS, recurrent=True)
    spec = with_learning(spec, learning_rate=0.3, feedback=feedback, mode=mode)
    frames, labels = random_events(rng, 4, INPUTS)
    expected, learned = engine_reference(spec, frames, labels)
    with FusedLavaNetwork(spec, record=True) as network:
        result = network.learn(frames, labels)
        assert network.snapshot() == learned
    assert np.array_equal(result.outputs, expected.outputs)
    for name, spikes in result.spikes.items():
        assert np.array_equal(spikes, expected.spikes[name])


@pytest.mark.parametrize("readout", [LinearReadout(0.4), LIF(0.5)], ids=["linear", "lif"])
def test_other_readouts_and_convolutions_run_in_the_process(rng, readout):
    kernels = rng.normal(0, 0.5, (3, 2, 3, 3))
    layers = (
        ConvSpec("conv", kernels, LIF(), INPUTS, rng.normal(0, 0.1, 3), padding=(1, 1)),
        dense(rng, "fc1", 12, 75, LIF()),
        dense(rng, "readout", 10, 12, readout),
    )
    spec = with_learning(NetworkSpec(layers, INPUTS, 10), learning_rate=0.3)
    frames, labels = random_events(rng, 3, INPUTS)
    for network_spec in (spec, quantize(spec)):
        engine = Engine(network_spec)
        expected = [engine.learn(frames[i : i + 1], labels[i : i + 1])[0] for i in range(3)]
        with FusedLavaNetwork(network_spec, record=True) as network:
            result = network.learn(frames, labels)
            assert network.snapshot() == engine.snapshot()
        assert np.array_equal(result.outputs, expected)
        assert result.spikes["conv"].shape == (3, 10, 75) and result.spikes["conv"].any()
        assert ("readout" in result.spikes) == isinstance(readout, LIF)


def test_inference_without_learning(rng):
    spec = without_learning(two_hidden_layers(rng, INPUTS))
    frames, _ = random_events(rng, 4, INPUTS)
    with FusedLavaNetwork(spec) as network:
        np.testing.assert_allclose(
            network.run(frames).outputs, Engine(spec).run(frames), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("precision", ["float", "integers"])
def test_a_restored_network_goes_on_as_if_it_had_never_stopped(rng, precision):
    """Also the random numbers that round integer weights."""
    spec = with_learning(small(rng, recurrent=True), learning_rate=0.1, feedback="symmetric")
    spec = spec if precision == "float" else quantize(spec)
    frames, labels = events(rng, 6)
    with FusedLavaNetwork(spec) as network:
        network.learn(frames[:3], labels[:3])
        state = network.state()
        expected, learned = network.learn(frames[3:], labels[3:]), network.snapshot()
        network.restore(state)
        again = network.learn(frames[3:], labels[3:])
        assert np.array_equal(again.outputs, expected.outputs) and network.snapshot() == learned
    engine = Engine(spec)
    engine.restore(state)
    for i in range(3, 6):
        engine.learn(frames[i : i + 1], labels[i : i + 1])
    assert engine.snapshot() == learned


def test_a_spec_that_does_not_fit_the_schedule_is_refused(rng):
    spec = with_learning(small(rng, recurrent=False), learning_rate=0.1)
    with pytest.raises(ValueError, match="only the last layer can learn"):
        FusedLavaNetwork(spec, "pipelined")


@pytest.mark.parametrize("precision", ["float", "integers"])
def test_its_ports_connect_to_other_lava_processes(rng, precision):
    """Spikes and labels come from Lava's ring buffers; output and error go to others."""
    spec = with_learning(small(rng, recurrent=False), learning_rate=0.1, feedback="symmetric")
    spec = spec if precision == "float" else quantize(spec)
    frames, labels = events(rng, 3)
    steps = 30
    targets = np.zeros((5, steps))
    targets[np.repeat(labels, 10), np.arange(steps)] = targets[4] = 1
    process, tag = fused_process(spec, hosted=False)
    spikes = Source(data=frames.reshape(steps, -1).T.astype(float))
    labelled = Source(data=targets)
    outputs, errors = (Sink(shape=(4,), buffer=steps) for _ in range(2))
    spikes.s_out.connect(process.s_in)
    labelled.s_out.connect(process.target_in)
    process.o_out.connect(outputs.a_in)
    process.error_out.connect(errors.a_in)
    process.run(RunSteps(steps), Loihi2SimCfg(select_tag=tag))
    found, error = outputs.data.get().T, errors.data.get().T
    process.stop()
    engine = Engine(spec)
    expected = np.concatenate(
        [engine.learn(frames[i : i + 1], labels[i : i + 1])[0] for i in range(3)]
    )
    assert np.array_equal(found, expected)
    assert error.any()
    if precision == "float":
        one_hot = targets[:4].T
        np.testing.assert_allclose(error, instantaneous_error(expected, one_hot, 10, 0.05))


@pytest.mark.parametrize("precision", ["float", "integers"])
def test_a_lava_time_step_is_a_sample_or_one_step_of_it(rng, precision):
    spec = with_learning(small(rng, recurrent=True), learning_rate=0.1, feedback="symmetric")
    spec = spec if precision == "float" else quantize(spec)
    frames, labels = events(rng, 3)
    found = {}
    for whole_samples, steps in ((True, 1), (False, 10)):
        with FusedLavaNetwork(spec, record=True, whole_samples=whole_samples) as network:
            assert network.steps_per_sample == steps
            result = network.learn(frames, labels)
            found[whole_samples] = (result.outputs, *result.spikes.values()), network.snapshot()
    (values, learned), (expected, reference) = found[True], found[False]
    assert learned == reference != spec
    assert all(np.array_equal(a, b) for a, b in zip(values, expected, strict=True))


def test_whole_samples_come_from_the_host_and_go_back_to_it(rng):
    spec = with_learning(small(rng, recurrent=False), learning_rate=0.1)
    with pytest.raises(ValueError, match="network: whole_samples is for samples from the host"):
        fused_process(spec, hosted=False, whole_samples=True)
    process, _ = fused_process(spec, whole_samples=True)
    process.o_out.connect(Sink(shape=(4,), buffer=1).a_in)
    supervisor = Supervisor(process, Loihi2SimCfg(select_tag="floating_pt"))
    supervisor.start()
    with pytest.raises(LavaExecutionError, match="o_out and error_out speak once"):
        supervisor.run(1)
