"""A rule, a neuron, a transform and a backend of one's own in files, checks and the parity report.

Each is a row in a table; no file of the packages knows them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from graph_cases import CLASSES, dense, readout
from own_parts import REWARD_MODULATED, CurrentBased, Gains, Loops, gains_in_lava

from onchip import Engine
from onchip.deploy import build, check, compare, load_spec, quantize, save_spec
from onchip.deploy.backends.table import BACKENDS, FLOAT, Backend
from onchip.deploy.cli.parity_command import choose_executions
from onchip.lava.synapses import SYNAPSES
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import TRANSFORMS
from onchip.neurons.table import NEURONS
from onchip.rules.presets import RULES

STEPS, SAMPLES = 20, 4


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    loops = Backend(lambda spec, schedule, record: Loops(spec), "loops", precisions=(FLOAT,))
    monkeypatch.setitem(RULES, "own", REWARD_MODULATED)
    monkeypatch.setitem(NEURONS, "current_based", CurrentBased)
    monkeypatch.setitem(TRANSFORMS, "gains", Gains)
    monkeypatch.setitem(SYNAPSES, Gains, gains_in_lava)
    monkeypatch.setitem(BACKENDS, "loops", loops)


@pytest.fixture
def network(rng) -> Network:
    """Two populations of own neurons joined by own synapses, rewarded for what they do."""
    found = Network(
        (
            Population("one", (8,), CurrentBased()),
            Population("two", (8,), CurrentBased(0.7, 0.4)),
            readout(),
        ),
        (
            Connection(INPUT, "one", dense(rng, 8, 6)),
            Connection("one", "two", Gains(rng.uniform(0.5, 2, 8))),
            Connection("two", "out", dense(rng, CLASSES, 8)),
            Connection("two", "one", dense(rng, 8, 8, 0.3), 1),
        ),
        (6,),
        STEPS,
    )
    return with_learning(found, learning_rate=0.02, rule="own")


@pytest.fixture
def rewarded(rng) -> tuple[np.ndarray, np.ndarray]:
    """Frames [samples, T, 6] and a reward for every step [samples, T, 1]."""
    frames = (rng.random((SAMPLES, STEPS, 6)) < 0.5).astype(float)
    return frames, rng.normal(size=(SAMPLES, STEPS, 1))


def weights(network: Network) -> list[np.ndarray]:
    return [c.transform.weight for c in network.connections]


def test_a_file_gives_back_what_learns_the_same(network, rewarded, tmp_path: Path):
    save_spec(tmp_path / "own.h5", network)
    loaded = load_spec(tmp_path / "own.h5")
    assert loaded.populations == network.populations
    assert loaded.learning == network.learning
    ours, theirs = Engine(network), Engine(loaded)
    assert np.array_equal(ours.learn(*rewarded), theirs.learn(*rewarded))
    for a, b, c in zip(*map(weights, (network, ours.snapshot(), theirs.snapshot())), strict=True):
        assert np.array_equal(b, c) and not np.array_equal(a, b)


def test_the_parity_report_holds_every_backend_to_the_engine(network, rewarded):
    names = ["torch", "lava-sequenced", "lava-fast-sequenced", "lava-fused-sequenced"]
    factories, left_out = choose_executions(network, names)
    report = compare(network, *rewarded, factories, left_out)
    assert report.passed and not left_out, report.markdown()
    weights = 6 * 8 + 8 + 8 * CLASSES + 64
    assert all(row.weights_compared == weights for row in report.executions)


def test_what_was_learned_so_far_does_not_change_when_learning_goes_on(network, rewarded):
    """Also in a transform of one's own, which copies nothing."""
    engine = Engine(network)
    engine.learn(*rewarded)
    snapshot = engine.snapshot()
    kept = [np.array(weight) for weight in weights(snapshot)]
    engine.learn(*rewarded)
    assert all(map(np.array_equal, weights(snapshot), kept))
    assert not any(map(np.array_equal, weights(engine.snapshot()), kept))


def test_a_backend_of_ones_own_is_built_by_its_name_and_learns_the_same(network, rewarded):
    with build(network, "loops") as own, build(network) as engine:
        ours, theirs = own.learn(*rewarded), engine.learn(*rewarded)
        np.testing.assert_allclose(ours.outputs, theirs.outputs, rtol=1e-9, atol=1e-12)
        pairs = zip(own.snapshot().connections, engine.snapshot().connections, strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a.transform.weight, b.transform.weight, atol=1e-9)
    with pytest.raises(ValueError, match="layer 'one' was not recorded"):
        compare(network, *rewarded, {"loops": partial(build, network, "loops")})


def test_check_says_that_they_have_no_integer_form(network):
    report = check(network)
    errors = {(f.object, f.quantity) for f in report.of_severity("error")}
    assert ("layer 'one'", "integer form") in errors
    warnings = {(f.object, f.quantity) for f in report.of_severity("warning")}
    assert ("connection 'one' to 'two'", "eligibility filter") in warnings
    with pytest.raises(ValueError, match="CurrentBased neurons have no integer form"):
        quantize(network)
