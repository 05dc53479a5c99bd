"""A network as a part of a user's Lava network, under both runtimes, is the engine."""

from __future__ import annotations

import numpy as np
import pytest
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.monitor.process import Monitor
from parity_cases import dense, weight_error

from onchip import LIF, LeakyIntegrator, NetworkSpec
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.engine.engine import Engine
from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.component import NetworkComponent
from onchip.lava.graphs import running
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.network.learning import with_learning
from onchip.objectives.classification import instantaneous_error

SAMPLES, STEPS = 3, 5
SCHEDULES = {"sequenced": {}, "pipelined": {"plastic": ["readout"], "update_delay": 1}}


def small(rng, schedule: str, precision: str):
    layers = (
        dense(rng, "fc1", 12, 18, LIF()),
        dense(rng, "fc2", 8, 12, LIF(decay=0.7)),
        dense(rng, "readout", 4, 8, LeakyIntegrator()),
    )
    options = {"learning_rate": 0.1, "feedback": "symmetric", **SCHEDULES[schedule]}
    spec = with_learning(NetworkSpec(layers, (18,), STEPS), **options)
    return spec if precision == "float" else quantize(spec, Quantization(schedule))


def streams(part: NetworkComponent, frames: np.ndarray, labels: np.ndarray):
    """Lava's ring buffers of spikes and targets, by Lava step."""
    length = part.steps_per_sample * len(frames)
    spikes, targets = np.zeros((18, length)), np.zeros((5, length))
    for number, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        first = number * part.steps_per_sample
        spikes[:, first : first + STEPS * part.period : part.period] = frame.T
        targets[[label, 4], first : first + part.steps_per_sample] = 1
    return Source(data=spikes), Source(data=targets), length


@pytest.mark.parametrize("runtime", [ONE_PROCESS, PROCESSES])
@pytest.mark.parametrize("precision", ["float", "integers"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("form", ["fused", "layered"])
def test_it_learns_as_the_engine_and_a_monitor_sees_it(rng, form, schedule, precision, runtime):
    spec = small(rng, schedule, precision)
    frames = (rng.random((SAMPLES, STEPS, 18)) < 0.4).astype(np.uint8)
    labels = rng.integers(0, 4, SAMPLES)
    part = NetworkComponent(spec, schedule, form)
    spikes, targets, length = streams(part, frames, labels)
    outputs, errors, monitor = (*(Sink(shape=(4,), buffer=length) for _ in range(2)), Monitor())
    spikes.s_out.connect(part.s_in)
    targets.s_out.connect(part.target_in)
    part.o_out.connect(outputs.a_in)
    part.error_out.connect(errors.a_in)
    membranes = part.process.u if form == "fused" else part.layers[0].neurons.u
    monitor.probe(membranes, length)
    with running(part.process, part.run_config(), runtime) as network:
        network.run(length)
        found, error = outputs.data.get().T, errors.data.get().T
        learned = part.snapshot()
        seen = monitor.get_data()[membranes.process.name][membranes.name]
    engine, expected, potentials = Engine(spec), [], []
    for number in range(SAMPLES):
        steps = []
        one_hot = np.eye(4, dtype=int)[labels[number : number + 1]]
        engine.reset(1)
        for n in range(STEPS):
            frame = frames[number : number + 1, n]
            steps.append(engine.step(frame, one_hot)[0])
            potentials.append(engine.potentials())
        engine.finish()
        expected.append(steps)
    taken = np.concatenate(
        [np.arange(STEPS) * part.period + k * part.steps_per_sample for k in range(SAMPLES)]
    )
    np.testing.assert_allclose(
        found[taken + part.delay], np.concatenate(expected), rtol=1e-9, atol=1e-12
    )
    if form == "fused":
        membrane = [np.concatenate([u[0] for u in step.values()]) for step in potentials]
        np.testing.assert_allclose(seen[taken], membrane, rtol=1e-9, atol=1e-12)
    else:
        membrane = [step["fc1"][0] for step in potentials]
        np.testing.assert_allclose(seen[taken + 1], membrane, rtol=1e-9, atol=1e-12)
    assert error.any()
    if precision == "float":
        one_hot = np.repeat(np.eye(4)[labels], STEPS, axis=0)
        wanted = instantaneous_error(np.concatenate(expected), one_hot, STEPS, 0.05)
        np.testing.assert_allclose(error[taken + part.delay], wanted, rtol=1e-9, atol=1e-12)
        assert weight_error(learned, engine.snapshot()) < 1e-9
    else:
        assert learned == engine.snapshot()
    assert not np.array_equal(learned.layers[-1].weight, spec.layers[-1].weight)


def test_spikes_at_a_step_that_takes_none_are_refused_with_the_right_one(rng):
    part = NetworkComponent(small(rng, "sequenced", "float"), form="layered")
    spikes, targets = Source(data=np.ones((18, 7))), Source(data=np.zeros((5, 7)))
    spikes.s_out.connect(part.s_in)
    targets.s_out.connect(part.target_in)
    with (
        pytest.raises(LavaExecutionError, match=r"spikes came in Lava step 2.*first of every 6"),
        running(part.process, part.run_config()) as network,
    ):
        network.run(7)


def test_an_unknown_form_names_the_known_ones(rng):
    with pytest.raises(ValueError, match=r"form.*fused.*layered"):
        NetworkComponent(small(rng, "sequenced", "float"), form="flat")
