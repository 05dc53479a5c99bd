"""The integer engine step by step, its state, and its forward passes against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from parity_cases import TIME_STEPS, random_events, two_hidden_layers

from onchip.deploy.quantization.network import Quantization, quantize
from onchip.engine.engine import Engine
from onchip.network.learning import with_learning, without_learning
from onchip.program.integer_spec import FixedNetworkSpec

INPUTS = (2, 5, 5)
MODES = ["online", "accumulate"]
SCHEDULES = ["sequenced", "pipelined"]
TARGETS = np.eye(10, dtype=np.int64)


def learner(rng, mode="online", schedule="sequenced", feedback="exact") -> FixedNetworkSpec:
    """50-24-16-10, the second layer recurrent; all layers learn, or the last one (pipelined)."""
    pipelined = schedule == "pipelined"
    spec = with_learning(
        two_hidden_layers(rng, INPUTS, recurrent=True),
        learning_rate=0.1,
        mode=mode,
        feedback=feedback,
        plastic=["readout"] if pipelined else None,
        update_delay=int(pipelined and mode == "online"),
    )
    return quantize(spec, Quantization(schedule, seed=3))


def assert_same_state(ours: Engine, other: Engine) -> None:
    expected, found = other.state(), ours.state()
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


def learn_in_steps(engine, frames, label, first_target=0) -> list[np.ndarray]:
    engine.reset()
    outputs = []
    for n, frame in enumerate(frames):
        targets = None if n < first_target else TARGETS[[label]]
        outputs.append(engine.step(frame[np.newaxis], targets))
    engine.finish()
    return outputs


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("mode", MODES)
def test_stepping_equals_learning_and_running_whole_samples(mode, schedule, rng):
    spec = learner(rng, mode, schedule)
    frames, labels = random_events(rng, 5, INPUTS)
    whole, stepped = Engine(spec), Engine(spec)
    for part in (slice(0, 2), slice(4, 5)):
        expected = whole.learn(frames[part], labels[part])
        for sample, label, outputs in zip(frames[part], labels[part], expected, strict=True):
            np.testing.assert_array_equal(learn_in_steps(stepped, sample, label), outputs[:, None])
        expected = whole.run(frames[2:4])
        stepped.reset(2)
        for n in range(TIME_STEPS):
            np.testing.assert_array_equal(stepped.step(frames[2:4, n]), expected[:, n])
        stepped.finish()
        assert_same_state(stepped, whole)
    assert whole.snapshot() != spec


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.float32, np.float64])
def test_frames_of_any_type_are_the_same_spikes(dtype, rng):
    spec = learner(rng)
    frames, labels = random_events(rng, 1, INPUTS)
    expected = Engine(spec).learn(frames, labels)[0]
    outputs = learn_in_steps(Engine(spec), frames[0].astype(dtype), labels[0])
    np.testing.assert_array_equal(outputs, expected[:, None])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_steps_before_the_first_target_are_in_the_traces(schedule, rng):
    """As if they had been learned from with no error: here, with a rate of zero (gate 0)."""
    spec = learner(rng, "online", schedule)
    frames, labels = random_events(rng, 1, INPUTS)
    engine, late, cut = Engine(spec), Engine(spec), Engine(spec)
    learn_in_steps(engine, frames[0], labels[0], first_target=0)
    learn_in_steps(late, frames[0], labels[0], first_target=4)
    learn_in_steps(cut, np.concatenate((0 * frames[0, :4], frames[0, 4:])), labels[0], 4)
    state, epochs = late.state(), engine.state()["readout.epochs"]
    np.testing.assert_array_equal(state["readout.epochs"], epochs)
    weights = [e.state()["readout.weight"] for e in (engine, late, cut)]
    assert (weights[0] != weights[1]).any() and (weights[1] != weights[2]).any()
    # The same by hand: silent factors for the first four steps, then those of the targets.
    watched, silent = Engine(spec), Engine(spec)._learner.silent
    learn, count = watched._learner._pass, iter(range(TIME_STEPS + 1))
    delay = int(schedule == "pipelined")
    watched._learner._pass = lambda spikes, factors: learn(
        spikes, silent if next(count) < 4 + delay else factors
    )
    learn_in_steps(watched, frames[0], labels[0])
    for name, array in state.items():
        np.testing.assert_array_equal(watched.state()[name], array, name)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("mode", MODES)
def test_a_long_stream_without_targets_keeps_no_spikes_and_changes_nothing(mode, schedule, rng):
    spec = learner(rng, mode, schedule)
    frames, labels = random_events(rng, 3, INPUTS)
    stream, twin = Engine(spec), Engine(spec)
    for engine in (stream, twin):
        engine.learn(frames[:1], labels[:1])
        engine.reset()
    for frame in np.concatenate(frames):
        stream.step(frame[np.newaxis])
    assert len(stream._learner._unlearned) <= TIME_STEPS
    stream.finish()
    twin._learner.idle(1, 3 * TIME_STEPS)
    for engine in (stream, twin):
        engine.learn(frames[1:], labels[1:])
    assert_same_state(stream, twin)


@pytest.mark.parametrize("mode", MODES)
def test_a_reset_drops_what_an_unfinished_sample_left_behind(mode, rng):
    spec = learner(rng, mode)
    frames, labels = random_events(rng, 2, INPUTS)
    engine = Engine(spec)
    engine.reset()
    for frame in frames[0, :5]:
        engine.step(frame[np.newaxis], TARGETS[[3]])
    engine.reset()
    state = engine.state()
    assert all(not state[name].any() for name in state if name.endswith(("x1", "tag")))
    assert (engine.snapshot() == spec) == (mode == "accumulate")
    # From there on it is an engine of these weights, further on in the random numbers.
    twin = Engine(spec)
    twin.restore(state)
    engine.learn(frames, labels), twin.learn(frames, labels)
    assert_same_state(engine, twin)


def test_finishing_twice_or_nothing_at_all_changes_nothing(rng):
    engine, twin = Engine(learner(rng)), None
    frames, labels = random_events(rng, 1, INPUTS)
    engine.finish()
    learn_in_steps(engine, frames[0], labels[0])
    twin = engine.state()
    engine.finish()
    engine.reset()
    engine.finish()
    for name, array in engine.state().items():
        if not name.endswith((".u", ".spikes")):
            np.testing.assert_array_equal(array, twin[name])


@pytest.mark.parametrize(
    ("batch", "targets", "message"),
    [
        (2, TARGETS[:2], r"shape \(2, 10\) for a batch of 2; integers learn from one sample"),
        (2, TARGETS[:1], r"shape \(1, 10\) for a batch of 2"),
        (1, TARGETS[0], r"shape \(10,\) for a batch of 1; .* one-hot targets of shape \(1, 10\)"),
        (1, np.eye(9)[:1], r"shape \(1, 9\)"),
    ],
)
def test_targets_that_do_not_fit_are_refused(batch, targets, message, rng):
    engine = Engine(learner(rng))
    engine.reset(batch)
    with pytest.raises(ValueError, match=message):
        engine.step(np.zeros((batch, *INPUTS)), targets)


def test_a_network_without_learning_steps_but_refuses_targets(rng):
    spec = quantize(without_learning(two_hidden_layers(rng, INPUTS)))
    frames, _ = random_events(rng, 3, INPUTS)
    engine = Engine(spec)
    expected = Engine(spec).run(frames)
    engine.reset(3)
    for n in range(TIME_STEPS):
        np.testing.assert_array_equal(engine.step(frames[:, n]), expected[:, n])
    engine.finish()
    engine.reset()
    with pytest.raises(ValueError, match="no learning section"):
        engine.step(frames[:1, 0], TARGETS[:1])


def test_the_passes_for_one_sample_and_for_many_agree_while_weights_change(rng):
    """One sample sums integers, a batch multiplies a matrix that learning makes out of date."""
    spec = learner(rng)
    frames, labels = random_events(rng, 12, INPUTS)
    engine = Engine(spec)
    for i in range(0, 12, 4):
        together = engine.run(frames)
        alone = [engine.run(frames[n : n + 1])[0] for n in range(12)]
        np.testing.assert_array_equal(together, alone)
        engine.learn(frames[i : i + 4], labels[i : i + 4])
    assert (engine.run(frames) != together).any()


# -- state --------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("mode", MODES)
def test_restored_engines_continue_bit_for_bit(mode, schedule, rng):
    spec = learner(rng, mode, schedule)
    frames, labels = random_events(rng, 6, INPUTS)
    straight, fresh = Engine(spec), Engine(spec)
    straight.learn(frames[:2], labels[:2])
    straight.run(frames[:3])
    fresh.restore(straight.state())
    np.testing.assert_array_equal(fresh.potentials()["readout"], straight.potentials()["readout"])
    assert_same_state(fresh, straight)
    for engine in (straight, fresh):
        engine.learn(frames[2:], labels[2:])
    assert_same_state(fresh, straight)
    # The roundings are those of that very position: another one gives other weights.
    late = Engine(spec)
    late.learn(frames[:2], labels[:2])
    late.learn(frames[2:], labels[2:])
    assert late.snapshot() != straight.snapshot()


def test_a_state_names_what_changes_and_is_a_copy(rng):
    engine = Engine(learner(rng, "accumulate"))
    frames, labels = random_events(rng, 2, INPUTS)
    before = engine.state()
    weight = before["fc2.weight"].copy()
    names = {name.removeprefix("fc2.") for name in before if name.startswith("fc2.")}
    own = {f"recurrent_{name}" for name in ("weight", "tag", "x1", "epochs")}
    assert names == {"u", "spikes", "weight", "bias_weight", "tag", "x1", "epochs"} | own
    assert before["fc2.weight"].dtype == np.int32 and before["fc2.tag"].shape == (16, 25)
    engine.learn(frames, labels)
    np.testing.assert_array_equal(before["fc2.weight"], weight)
    learned = engine.state()
    np.testing.assert_array_equal(learned["fc2.weight"], engine.snapshot().layers[1].weight)
    bias = engine.snapshot().layers[1].bias_weight
    np.testing.assert_array_equal(learned["fc2.bias_weight"], bias)
    engine.restore(before)
    before["fc2.weight"][:] = 0
    np.testing.assert_array_equal(engine.state()["fc2.weight"], weight)


def changed(state: dict, name: str, array) -> dict:
    return {**state, name: array}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {k: v for k, v in s.items() if "epochs" not in k}, "missing .*fc1.epochs"),
        (lambda s: changed(s, "fc9.u", s["fc1.u"]), r"unknown \['fc9.u'\]"),
        (lambda s: changed(s, "fc1.x1", s["fc1.x1"] + 128), "fc1.x1 holds 128; .* 0..127"),
        (
            lambda s: changed(s, "fc1.weight", s["fc1.weight"] - 900),
            "fc1.weight holds -.*-256..255",
        ),
        (lambda s: changed(s, "fc1.epochs", np.array([-1])), "fc1.epochs holds -1"),
        (lambda s: changed(s, "fc1.tag", s["fc1.tag"].astype(float)), "fc1.tag has type float64"),
        (
            lambda s: changed(s, "fc1.tag", s["fc1.tag"].T),
            r"fc1.tag has shape \(51, 24\)",
        ),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil, message, rng):
    engine = Engine(learner(rng))
    before = engine.state()
    with pytest.raises(ValueError, match=message):
        engine.restore(spoil(before))
    for name, array in engine.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_sample_under_way_has_no_state(rng):
    engine = Engine(learner(rng))
    state = engine.state()
    engine.reset()
    engine.step(np.zeros((1, *INPUTS)), TARGETS[:1])
    for call in (engine.state, lambda: engine.restore(state)):
        with pytest.raises(ValueError, match=r"1 steps of an unfinished sample; call finish\(\)"):
            call()


def test_synapses_are_a_copy(rng):
    engine = Engine(learner(rng))
    before = engine.synapses("fc1")
    kept = before.weights.copy()
    frames, labels = random_events(rng, 2, INPUTS)
    engine.learn(frames, labels)
    np.testing.assert_array_equal(before.weights, kept)
    assert (engine.synapses("fc1").weights != kept).any()


def test_seeds_of_networks_differ_and_so_do_their_roundings(rng):
    spec = learner(rng)
    frames, labels = random_events(rng, 2, INPUTS)
    other = replace(spec, learning=replace(spec.learning, seed=4))
    engines = Engine(spec), Engine(other)
    for engine in engines:
        engine.learn(frames, labels)
    assert (engines[0].state()["fc1.weight"] != engines[1].state()["fc1.weight"]).any()
