from __future__ import annotations

import numpy as np
import pytest

from onchip import Engine
from onchip.network.learning import with_learning

SETTINGS = [
    {"mode": "online"},
    {"mode": "online", "update_delay": 1, "feedback": "direct"},
    {"mode": "accumulate", "plastic": ["two", "out"]},
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("settings", SETTINGS)
def test_restored_engines_continue_as_if_they_had_never_stopped(settings, dtype, network, samples):
    frames, labels = samples
    spec = with_learning(network, learning_rate=0.5, **settings)
    straight, fresh = Engine(spec, dtype), Engine(spec, dtype)
    straight.learn(frames, labels)
    fresh.restore(straight.state())
    for engine in (straight, fresh):
        engine.step(frames[:, 0])  # the state of the last step is part of it
        engine.learn(frames[:1], labels[:1])
    expected, found = straight.state(), fresh.state()
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


def test_a_state_goes_back_to_before_what_was_learned_since(network, samples):
    engine = Engine(with_learning(network, learning_rate=0.5))
    before, outputs = engine.state(), engine.run(samples[0])
    engine.learn(*samples)
    assert np.abs(engine.run(samples[0]) - outputs).max() > 0.01
    engine.restore(before)
    np.testing.assert_array_equal(engine.run(samples[0]), outputs)


def test_a_state_names_what_changes_and_is_a_copy(network, samples):
    engine = Engine(with_learning(network, learning_rate=0.5, plastic=["two", "out"]))
    engine.learn(*samples)
    state, kept = engine.state(), engine.state()
    names = {name for name in state if name.startswith("two.")}
    arrays = "weight bias recurrent_weight u spikes trace recurrent_trace bias_trace"
    assert names == {f"two.{array}" for array in arrays.split()}
    assert {name for name in state if name.startswith("one.")} == {"one.u", "one.spikes"}
    np.testing.assert_array_equal(state["two.weight"], engine.snapshot().layers[1].weight)
    assert state["two.trace"].shape == (3, 6) and state["two.u"].shape == (3, 5)
    engine.learn(*samples)
    for name, array in kept.items():
        np.testing.assert_array_equal(state[name], array)
    engine.restore(kept)
    kept["two.weight"][:] = 7
    assert np.abs(engine.state()["two.weight"]).max() < 7


def changed(state: dict, **arrays) -> dict:
    return {**state, **{name.replace("__", "."): array for name, array in arrays.items()}}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "one.u"}, r"missing \['one.u'\], unknown n"),
        (lambda s: changed(s, six__weight=np.zeros(3)), r"missing nothing, unknown \['six.weight'"),
        (
            lambda s: changed(s, one__weight=np.zeros((6, 8))),
            r"one.weight has shape \(6, 8\), .*6, 7",
        ),
        (lambda s: changed(s, one__u=np.zeros((1, 5))), r"one.u has shape \(1, 5\), .*'batch', 6"),
        (lambda s: changed(s, one__u=np.zeros((2, 6))), r"its batches differ, .*'one.u': 2"),
        (lambda s: changed(s, one__u=np.zeros((1, 6), "f4")), "one.u has type float32, .*float64"),
        (lambda s: changed(s, one__bias=np.full(6, np.nan)), "one.bias has values that are NaN"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil, message, network):
    engine = Engine(with_learning(network, learning_rate=0.5))
    before = engine.state()
    with pytest.raises(ValueError, match=message):
        engine.restore(spoil(before))
    for name, array in engine.state().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("settings", [{"mode": "accumulate"}, {"update_delay": 1}])
def test_waiting_gradients_are_no_state(settings, network, samples):
    engine = Engine(with_learning(network, learning_rate=0.5, **settings))
    state = engine.state()
    engine.reset(3)
    engine.step(samples[0][:, 0], np.eye(3))
    for call in (engine.state, lambda: engine.restore(state)):
        with pytest.raises(ValueError, match=r"unfinished sample wait; call finish\(\) first"):
            call()
    engine.finish()
    engine.restore(state)
