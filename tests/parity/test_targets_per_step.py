"""Targets for every step, and samples without any, wherever a label goes."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import largest_difference, residual, weights_of
from lava.proc.io.source import RingBuffer as Source
from parity_cases import TOLERANCE, dense, weight_error

from onchip import LIF, Engine, LeakyIntegrator, NetworkSpec
from onchip.deploy.backends.table import BACKENDS, build
from onchip.lava.component import NetworkComponent
from onchip.lava.graphs import running
from onchip.network.learning import with_learning

STEPS, SAMPLES, CLASSES = 10, 4, 3
SIMULATED = [name for name, backend in BACKENDS.items() if not backend.chip]


def chain(rng, **options) -> NetworkSpec:
    layers = (dense(rng, "hidden", 8, 6, LIF()), dense(rng, "out", CLASSES, 8, LeakyIntegrator()))
    return with_learning(NetworkSpec(layers, (6,), STEPS), learning_rate=0.2, **options)


def given(rng):
    """Spikes, and one-hot targets whose class changes within a sample."""
    frames = (rng.random((SAMPLES, STEPS, 6)) < 0.5).astype(np.uint8)
    return frames, np.eye(CLASSES)[rng.integers(0, CLASSES, (SAMPLES, STEPS))]


def engine_reference(network, frames, targets):
    engine = Engine(network)
    outputs = [engine.learn(frames[[i]], targets[[i]])[0] for i in range(SAMPLES)]
    return np.array(outputs), engine.snapshot()


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("backend", SIMULATED)
def test_every_backend_learns_from_a_target_for_each_step(rng, backend, mode):
    network = chain(rng, mode=mode)
    frames, targets = given(rng)
    expected, learned = engine_reference(network, frames, targets)
    with build(network, backend) as execution:
        outputs, after = execution.learn(frames, targets).outputs, execution.snapshot()
    np.testing.assert_allclose(outputs, expected, atol=TOLERANCE)
    assert weight_error(after, learned) < TOLERANCE
    labels = targets[:, 0].argmax(axis=-1)
    assert weight_error(engine_reference(network, frames, labels)[1], learned) > 1e-3


@pytest.mark.parametrize("backend", SIMULATED)
def test_every_backend_learns_a_graph_from_a_target_for_each_step(rng, backend):
    network = with_learning(residual(rng, STEPS), learning_rate=0.1, feedback="symmetric")
    frames, targets = given(rng)
    expected, learned = engine_reference(network, frames, targets)
    with build(network, backend) as execution:
        outputs, after = execution.learn(frames, targets).outputs, execution.snapshot()
    np.testing.assert_allclose(outputs, expected, atol=TOLERANCE)
    assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE


@pytest.mark.parametrize("schedule", ["sequenced", "pipelined"])
@pytest.mark.parametrize("form", ["fused", "layered"])
def test_a_component_takes_a_target_with_the_spikes_of_its_step(rng, form, schedule):
    options = {"plastic": ["out"], "update_delay": 1} if schedule == "pipelined" else {}
    network = chain(rng, **options)
    frames, targets = given(rng)
    part = NetworkComponent(network, schedule, form)
    length = part.steps_per_sample * SAMPLES
    spikes, teacher = np.zeros((6, length)), np.zeros((CLASSES + 1, length))
    for number, (frame, target) in enumerate(zip(frames, targets, strict=True)):
        first = number * part.steps_per_sample
        taken = slice(first, first + STEPS * part.period, part.period)
        spikes[:, taken], teacher[:-1, taken], teacher[-1, taken] = frame.T, target.T, 1
    events, labels = Source(data=spikes), Source(data=teacher)
    events.s_out.connect(part.s_in)
    labels.s_out.connect(part.target_in)
    with running(part.process, part.run_config()) as running_network:
        running_network.run(length)
        learned = part.snapshot()
    assert weight_error(learned, engine_reference(network, frames, targets)[1]) < TOLERANCE


def test_targets_of_another_shape_are_refused_in_one_line(rng):
    network = with_learning(residual(rng, STEPS), learning_rate=0.1, feedback="symmetric")
    frames, targets = given(rng)
    with build(network, "numpy") as execution:
        with pytest.raises(ValueError, match=r"targets have shape \(4, 9, 3\); they must be"):
            execution.learn(frames, targets[:, :9])
        with pytest.raises(ValueError, match="hold what is not a finite number"):
            execution.learn(frames, np.full_like(targets, np.nan))
