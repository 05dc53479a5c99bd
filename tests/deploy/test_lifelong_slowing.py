"""Ways with rates of classes or of weights, and DECOLLE's: against the written equations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy.checks.network import check
from onchip.deploy.lifelong.heads import readout_head
from onchip.deploy.lifelong.importance import Importance
from onchip.deploy.lifelong.local_heads import with_random_readouts
from onchip.deploy.lifelong.play import SensorData, Stage
from onchip.deploy.lifelong.protocol import ORIGINAL, make_protocol
from onchip.deploy.lifelong.slowing import Slowing
from onchip.deploy.lifelong.splits import draw_split
from onchip.deploy.lifelong.ways import WAYS
from onchip.deploy.quantization.network import quantize
from onchip.network.learning import with_learning
from onchip.network.partition import split_trunk
from onchip.network.shares import with_shares
from onchip.program.graphs import as_graph
from onchip.program.new_classes import add_classes

STEPS, CLASSES, BASE, SIDE, HIDDEN, SHOTS = 4, 5, 3, 4, 8, 4
FEATURES = 4 * SIDE**2


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    labels = [rng.permutation(np.repeat(np.arange(CLASSES), n)) for n in (12, 3)]
    chances = rng.random((CLASSES, SIDE, SIDE)) ** 2
    frames = [
        (rng.random((len(part), STEPS, 1, SIDE, SIDE)) < chances[part][:, None, None]).astype(
            np.uint8
        )
        for part in labels
    ]
    return {ORIGINAL: SensorData(frames[0], labels[0], frames[1], labels[1])}


@pytest.fixture(scope="module")
def base():
    rng = np.random.default_rng(2)
    kernel = rng.normal(0.15, 0.4, (4, 1, 3, 3))
    layers = (
        ConvSpec("conv", kernel, LIF(), (1, SIDE, SIDE), None, (1, 1), (1, 1)),
        DenseSpec("fc1", rng.normal(0.05, 0.3, (HIDDEN, FEATURES)), LIF()),
        DenseSpec("readout", rng.normal(0, 0.5, (BASE, HIDDEN)), LeakyIntegrator(0.5)),
    )
    return NetworkSpec(layers, (1, SIDE, SIDE), STEPS)


def stage_of(base, data, backend="numpy", precision="float", per_session=1):
    protocol = make_protocol("classes", CLASSES, BASE, per_session, SHOTS)
    split = draw_split(data[ORIGINAL].train_labels, protocol, 0)
    return Stage(base, data, protocol, split, backend, precision)


def sessions(stage):
    """(spikes, outputs, new classes) of every session, as the learner gets them."""
    for index, session in enumerate(stage.protocol.sessions):
        chosen = np.array(stage.split.sessions[index])
        outputs = stage._numbered(stage.data[ORIGINAL].train_labels[chosen])
        yield stage._trunk("train", ORIGINAL)[chosen], outputs, len(session.new)


def error_of(o, label):
    chances = np.exp(o - o.max())
    return (chances / chances.sum() - np.eye(len(o))[label]) / STEPS


def with_traces(frames):
    """Spikes of each step, and their trace, with the readout's decay of a half."""
    trace = np.zeros(frames.shape[1])
    for s in frames.astype(float):
        trace = 0.5 * trace + s
        yield s, trace


def readout_gradient(weight, frames, label):
    """Of a sample's loss by the weights of a readout, as the rule has it."""
    return sum(np.outer(error_of(weight @ s, label), a) for s, a in with_traces(frames))


def squared(weight, spikes, outputs):
    return np.mean([readout_gradient(weight, *pair) ** 2 for pair in zip(spikes, outputs)], axis=0)  # noqa: B905


def by_hand(stage, way):
    """The weights of a direct readout after all sessions, sample by sample and step by step."""
    weight = (
        split_trunk(stage.deployed(replace(way, importance=0.0)))[1].connections[0].transform.weight
    )
    weight, matters = weight.copy(), squared(weight, *stage._base())
    unit = matters.mean()
    for spikes, outputs, new in sessions(stage):
        known = len(weight)
        weight = np.concatenate([weight, np.tile(weight.mean(axis=0), (new, 1))])
        shares = np.ones(weight.shape)
        shares[:known] = way.known_share / (1 + way.importance * matters / unit)
        for frames, label in zip(spikes, outputs, strict=True):
            for s, a in with_traces(frames):
                weight -= way.rate * shares * np.outer(error_of(weight @ s, label), a)
        matters = np.concatenate([matters, np.zeros((new, FEATURES))])
        matters += squared(weight, spikes, outputs)
    return weight


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("class-rates", {}),
        ("importance", {}),
        ("importance", {"known_share": 0.25, "importance": 0.5, "rate": 0.1}),
        ("class-rates", {"known_share": 0.0}),
    ],
)
def test_the_sessions_are_the_written_equations(base, data, name, changes):
    stage, way = stage_of(base, data), replace(WAYS[name], **changes)
    expected = by_hand(stage, way)
    plain = by_hand(stage, replace(way, importance=0.0, known_share=1.0))
    assert np.abs(expected - plain).max() > 1e-3
    found = stage.play(way).network.connections[0].transform.weight
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["class-rates-replay", "importance-replay", "decolle-replay"])
@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_lava_learns_what_the_engine_learns(base, data, name, precision):
    way = replace(WAYS[name], replays=1)
    runs = [
        stage_of(base, data, backend, precision, 2).play(way) for backend in ("numpy", "lava-fused")
    ]
    engine, lava = (run.network for run in runs)
    np.testing.assert_array_equal(runs[0].course.matrix, runs[1].course.matrix)
    for ours, theirs in zip(engine.connections, lava.connections, strict=True):
        np.testing.assert_allclose(ours.transform.weight, theirs.transform.weight, rtol=1e-9)
    if precision == "fixed":
        assert check(engine, engine).passed and engine == lava


def test_known_outputs_without_a_share_keep_their_integers(base, data):
    stage = stage_of(base, data, precision="fixed")
    way = replace(WAYS["class-rates"], known_share=0.0, rate=0.1)
    first = split_trunk(stage.deployed(way))[1].connections[0].transform.weight
    last = stage.play(way).network.connections[0].transform.weight
    np.testing.assert_array_equal(last[:BASE], 2 * np.floor(first / 2))
    assert (last[BASE:] != 2 * np.floor(first.mean(axis=0) / 2)).any()


def test_a_session_without_new_classes_is_learned_at_the_whole_rate():
    head = with_learning(readout_head(np.ones((3, 5)), STEPS), learning_rate=0.1)
    slowing = Slowing(0.25)
    np.testing.assert_array_equal(
        slowing.before(head, 1).learning.shares["readout"], [0.25, 0.25, 1]
    )
    assert (slowing.before(head, 0).learning.shares["readout"] == 1).all()
    assert Slowing().before(head, 1) is head
    with pytest.raises(ValueError, match=r"way: known_share is -0.5"):
        Slowing(-0.5)


def test_the_importance_of_integers_is_that_of_the_weights_that_they_are_worth():
    rng = np.random.default_rng(4)
    head = readout_head(rng.normal(0, 0.3, (3, 6)), STEPS)
    head = with_learning(head, learning_rate=0.05, mse_weight=0.0)
    spikes, outputs = (rng.random((7, STEPS, 6)) < 0.4).astype(np.uint8), rng.integers(0, 3, 7)
    found = Importance(head, 2.0)
    found.add(head, spikes, outputs)
    matters = squared(head.connections[0].transform.weight, spikes, outputs)
    unit = matters.mean()
    np.testing.assert_allclose(found.shares()["readout.synapses"], 1 / (1 + 2 * matters / unit))
    chip = add_classes(quantize(with_shares(head, found.shares())), 1)
    labels = rng.integers(0, 4, 7)
    found.add(chip, spikes, labels)
    step = chip.connections[0].weight_step(chip.populations[0].membrane_unit)
    worth = 2 * np.floor(chip.connections[0].transform.weight / 2) * step
    matters = np.concatenate([matters, np.zeros((1, 6))]) + squared(worth, spikes, labels)
    shares = found.shares_of(chip)["readout.synapses"]
    np.testing.assert_allclose(shares, 1 / (1 + 2 * matters / unit))
    wider = add_classes(chip, 2)
    assert (found.shares_of(wider)["readout.synapses"][4:] == 1).all()


def test_importance_without_a_gradient_slows_nothing():
    head = with_learning(readout_head(np.zeros((2, 3)), STEPS), learning_rate=0.1)
    found = Importance(head, 5.0)
    found.add(head, np.zeros((2, STEPS, 3), np.uint8), np.array([0, 1]))
    assert (found.shares()["readout.synapses"] == 1).all()
    with pytest.raises(ValueError, match="does not learn"):
        Importance(readout_head(np.ones((2, 3)), STEPS), 1.0)


def decolle_by_hand(head, spikes, outputs, rate):
    """A hidden population taught by its random readout's error, a readout taught by its own."""
    named = {(c.source, c.target): c.transform.weight.copy() for c in head.connections}
    w, v, g = (named[e] for e in (("input", "fc1"), ("fc1", "readout"), ("fc1", "fc1_readout")))
    neuron, back = head.population("fc1").neuron, g.T.copy()
    for frames, label in zip(spikes, outputs, strict=True):
        u, s, a_in, a = np.zeros(HIDDEN), np.zeros(HIDDEN), np.zeros(FEATURES), np.zeros(HIDDEN)
        o, r = np.zeros(len(v)), np.zeros(len(v))
        for x in frames.astype(float):
            a_in = neuron.decay * a_in + x
            u = neuron.decay * (u - neuron.v_threshold * s) + w @ x
            s = (u >= neuron.v_threshold).astype(float)
            a, o, r = 0.5 * a + s, 0.5 * o + v @ s, 0.5 * r + g @ s
            psi = neuron.surrogate.derivative(u, neuron.v_threshold)
            change = np.outer(psi * (back @ error_of(r, label)), a_in)
            v -= rate * np.outer(error_of(o, label), a)
            w -= rate * change
    return {"fc1": w, "readout": v, "fc1_readout": g}


def test_the_hidden_layer_learns_from_its_random_readout_alone(base, data):
    stage, way = stage_of(base, data, per_session=2), replace(WAYS["decolle"], rate=0.3)
    ((spikes, outputs, new),) = sessions(stage)
    head = add_classes(split_trunk(stage.deployed(way))[1], new)
    expected = decolle_by_hand(head, spikes, outputs, way.rate)
    learned = stage.play(way).network
    for connection in learned.connections:
        weight = connection.transform.weight
        np.testing.assert_allclose(weight, expected[connection.target], rtol=1e-9, atol=1e-12)
    ottt = stage.play(replace(WAYS["head"], rate=0.3)).network
    first = {c.target: c.transform.weight for c in head.connections}
    changed = np.abs(expected["fc1"] - first["fc1"]).max()
    assert (
        changed > 1e-3
        and np.abs(ottt.connections[0].transform.weight - expected["fc1"]).max() > 1e-3
    )


def test_random_readouts_leave_inference_alone_and_are_bounded(base):
    graph = as_graph(split_trunk(base)[1])
    found = with_random_readouts(graph, ("fc1", "readout"), 2.0, seed=1)
    assert [p.name for p in found.populations] == ["fc1", "fc1_readout", "readout"]
    weight = found.connections[0].transform.weight
    assert weight.shape == (BASE, HIDDEN)
    assert 1.5 < np.abs(weight).max() * np.sqrt(HIDDEN) <= 2
    learning = with_learning(found, learning_rate=0.1, rule="decolle", plastic=["fc1", "readout"])
    assert [(r.source, r.target) for r in learning.learning.routes] == [("fc1_readout", "fc1")]
    with pytest.raises(ValueError, match="local readouts: scale is 0"):
        with_random_readouts(graph, ("fc1",), 0.0)
