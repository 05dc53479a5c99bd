"""A watched sample shows what the schedule and the equations say, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from parity_cases import TIME_STEPS, random_events, two_hidden_layers, weight_error

from onchip import Engine
from onchip.lava.network import LavaNetwork
from onchip.lava.watching import watch_sample
from onchip.network.learning import with_learning

INPUTS = (2, 5, 5)


@pytest.fixture
def spec(rng):
    return with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.1)


def test_a_watched_sample_shows_membranes_and_traces_in_their_phases(rng, spec):
    frames, labels = random_events(rng, 2, INPUTS)
    engine, membranes = Engine(spec), []
    engine.reset()
    targets = np.eye(10)[labels[:1]]
    for n in range(TIME_STEPS):
        engine.step(frames[:1, n], targets)
        membranes.append({name: u[0] for name, u in engine.potentials().items()})
    engine.finish()
    with LavaNetwork(spec) as network:
        period = network.schedule.period
        seen = watch_sample(network, frames[0], int(labels[0]))
        assert len(seen["fc1.u"]) == network.steps_per_sample == TIME_STEPS * period
        assert weight_error(network.snapshot(), engine.snapshot()) < 1e-9
        network.learn(frames[1:], labels[1:])  # goes on as usual
        engine.learn(frames[1:], labels[1:])
        assert weight_error(network.snapshot(), engine.snapshot()) < 1e-9
    for offset, name in ((1, "fc1"), (2, "fc2"), (3, "readout")):
        expected = [u[name] for u in membranes]
        found = seen[f"{name}.u"]
        np.testing.assert_allclose(found[offset::period], expected, rtol=1e-9, atol=1e-12)
        changed = np.flatnonzero((np.diff(found, axis=0) != 0).any(1)) + 1
        assert set(changed % period) == {offset}
    trace = np.zeros(50)
    for n in range(TIME_STEPS - 1):
        trace = 0.5 * trace + frames[0, n].reshape(-1)
        ends = seen["fc1.synapses.x1"][(n + 1) * period - 1]
        np.testing.assert_allclose(ends[:50], trace, rtol=1e-9)
    assert not seen["fc1.synapses.x1"][-1].any()
    weights = np.flatnonzero((np.diff(seen["fc1.synapses.weights"], axis=0) != 0).any((1, 2))) + 1
    assert set(weights % period) == {period - 1}


def test_a_sample_watched_without_a_label_changes_no_weight(rng, spec):
    frames, _ = random_events(rng, 1, INPUTS)
    with LavaNetwork(spec) as network:
        seen = watch_sample(network, frames[0])
        assert (seen["fc2.synapses.weights"] == seen["fc2.synapses.weights"][0]).all()
        assert weight_error(network.snapshot(), spec) == 0
        with pytest.raises(ValueError, match="frames"):
            watch_sample(network, frames[0, :3])
