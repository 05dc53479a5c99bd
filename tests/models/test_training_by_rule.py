"""Offline training of graphs by any learning rule: its own gradients, an optimizer's steps."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from graph_cases import CLASSES, GRAPHS, largest_difference, weights_of

from onchip import Engine
from onchip.models import TrainingConfig
from onchip.models.training.by_rule import accuracy, train_by_rule
from onchip.network.learning import with_learning, without_learning
from onchip.network.readouts import local_readouts

PLAIN = TrainingConfig(
    method="ottt_a", epochs=1, batch_size=8, optimizer="sgd", momentum=0, cosine=False
)


def case(rng, rule: str, mode: str, rate: float):
    network = GRAPHS["recurrent"](rng, 10)
    network = local_readouts(network) if rule == "decolle" else network
    network = with_learning(network, rule=rule, learning_rate=rate, mode=mode)
    frames = (rng.random((8, 10, 6)) < 0.5).astype(np.uint8)
    return network, SimpleNamespace(frames=frames, labels=rng.integers(0, CLASSES, 8))


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("rule", ["ottt", "e-prop", "decolle"])
def test_plain_gradient_descent_is_what_the_engine_learns_from_a_batch(rng, rule, mode):
    network, data = case(rng, rule, mode, rate=0.25)
    found = train_by_rule(network, data, data, replace(PLAIN, learning_rate=0.25))
    engine = Engine(network, np.float32)
    engine.learn(data.frames, data.labels)
    expected = weights_of(engine.snapshot())
    assert largest_difference(weights_of(network), expected) > 0.01
    assert largest_difference(weights_of(found.network), expected) < 1e-5
    assert found.accuracy == accuracy(Engine(found.network, np.float32), data)


def test_a_run_is_the_same_again_and_learns(rng):
    """Classes that differ in which inputs spike often."""
    network, _ = case(rng, "ottt", "online", 0.1)
    labels = rng.integers(0, CLASSES, 60)
    often = np.repeat(np.eye(CLASSES)[labels], 2, axis=1)[:, np.newaxis]
    frames = (rng.random((60, 10, 6)) < 0.1 + 0.6 * often).astype(np.uint8)
    data = SimpleNamespace(frames=frames, labels=labels)
    config = TrainingConfig(method="ottt_o", epochs=25, batch_size=4, learning_rate=2e-2)
    one, two = (train_by_rule(network, data, data, config) for _ in range(2))
    assert one.network == two.network
    assert [e["epoch"] for e in one.history] == list(range(1, 26))
    assert one.accuracy > 0.9


def test_what_is_frozen_stays(rng):
    network, data = case(rng, "decolle", "online", 0.1)
    config = TrainingConfig(method="ottt_o", epochs=3, batch_size=4, learning_rate=5e-3)
    found = train_by_rule(network, data, data, config).network
    stay = [a == b for a, b in zip(network.connections, found.connections, strict=True)]
    assert stay == [not c.plastic for c in network.connections]
    assert stay.count(True) == 2


def test_a_network_without_learning_is_refused(rng):
    network, data = case(rng, "ottt", "online", 0.1)
    with pytest.raises(ValueError, match="no learning section"):
        train_by_rule(without_learning(network), data, data, PLAIN)
