"""Networks that meet new classes and drifts in Lava, by every way, and the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from figure_checks import is_picture

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.arithmetic.loihi import MEMBRANE_MAX
from onchip.deploy import build, load_spec, save_spec
from onchip.deploy.backends.host import trunk_spikes
from onchip.deploy.cli import main
from onchip.deploy.lifelong.heads import (
    class_means,
    integer_readout,
    readout_head,
    with_readout,
)
from onchip.deploy.lifelong.play import SensorData, Stage
from onchip.deploy.lifelong.protocol import DRIFTED, ORIGINAL, make_protocol
from onchip.deploy.lifelong.splits import draw_split
from onchip.deploy.lifelong.ways import WAYS

STEPS, CLASSES, SIDE = 4, 5, 6


def pictures(rng, labels, dead=0):
    """Frames of classes: each lights one block of pixels; `dead` columns of the sensor are dark."""
    centres = np.array([(1, 1), (1, 4), (4, 1), (4, 4), (2, 2)])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    near = [(np.abs(rows - r) <= 1) & (np.abs(columns - c) <= 1) for r, c in centres]
    chance = np.where(np.array(near)[labels], 0.8, 0.08)[:, None, None]
    frames = rng.random((len(labels), STEPS, 1, SIDE, SIDE)) < chance
    frames[..., :dead] = False
    return frames.astype(np.uint8)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    labels = [rng.permutation(np.repeat(np.arange(CLASSES), n)) for n in (30, 12)]
    parts = [pictures(rng, part) for part in labels]
    drifted = [pictures(rng, part, dead=1) for part in labels]
    return {
        ORIGINAL: SensorData(parts[0], labels[0], parts[1], labels[1]),
        DRIFTED: SensorData(drifted[0], labels[0], drifted[1], labels[1]),
    }


@pytest.fixture(scope="module")
def base():
    """A convolution that keeps what it sees, and a head for three classes that knows nothing."""
    rng = np.random.default_rng(2)
    kernel = rng.normal(0, 0.4, (6, 1, 3, 3)) + 0.15
    layers = (
        ConvSpec("conv", kernel, LIF(), (1, SIDE, SIDE), None, (1, 1), (1, 1)),
        DenseSpec("fc1", rng.normal(0, 0.15, (16, 216)), LIF()),
        DenseSpec("readout", rng.normal(0, 0.3, (3, 16)), LeakyIntegrator()),
    )
    return NetworkSpec(layers, (1, SIDE, SIDE), STEPS)


def few_replays(name):
    """A way, with ten replays of a sample where it has some."""
    way = WAYS[name]
    return replace(way, replays=min(way.replays, 10))


def stage_of(base, data, kind="classes", backend="numpy", precision="float", shots=8):
    protocol = make_protocol(kind, CLASSES, 3, 1, shots)
    split = draw_split(data[ORIGINAL].train_labels, protocol, 0)
    return Stage(base, data, protocol, split, backend, precision)


@pytest.mark.parametrize("precision", ["float", "fixed"])
@pytest.mark.parametrize(
    "name", ["direct-replay", "prototypes", "prototypes-novelty", "class-mean"]
)
def test_new_classes_are_learned_and_the_base_is_kept(base, data, name, precision):
    run = stage_of(base, data, precision=precision).play(few_replays(name))
    matrix = run.course.matrix
    assert np.isnan(matrix[0, 1:]).all() and np.isnan(matrix[1, 2])
    assert run.course.known.tolist() == [3, 4, 5]
    assert matrix[0, 0] > 0.9 and run.course.accuracy[-1] > 0.8
    assert run.samples == 16
    assert run.presented == (16 * 11 if name == "direct-replay" else 16)


def test_replay_keeps_what_is_lost_without_it(base, data):
    stage = stage_of(base, data)
    fast = {name: replace(few_replays(name), rate=0.3) for name in ("direct", "direct-replay")}
    forgot, kept = (stage.play(fast[name]).course for name in ("direct", "direct-replay"))
    assert kept.forgetting < 0.05 and forgot.forgetting > kept.forgetting + 0.1


@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_lava_learns_what_the_engine_learns(base, data, precision):
    runs = [
        stage_of(base, data, backend=backend, precision=precision, shots=2).play(
            replace(WAYS["head-replay"], replays=2)
        )
        for backend in ("numpy", "lava-fused")
    ]
    engine, lava = runs
    np.testing.assert_array_equal(engine.course.matrix, lava.course.matrix)
    assert engine.network.classes == 5
    for ours, theirs in zip(engine.network.connections, lava.network.connections, strict=True):
        np.testing.assert_allclose(ours.transform.weight, theirs.transform.weight, rtol=1e-9)


@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_prototypes_learn_in_lava_what_the_host_learns(base, data, precision):
    courses = [
        stage_of(base, data, backend=backend, precision=precision, shots=4)
        .play(WAYS["prototypes-novelty"])
        .course
        for backend in ("numpy", "lava-fused")
    ]
    np.testing.assert_array_equal(courses[0].matrix, courses[1].matrix)


def test_mixed_sessions_test_the_drifted_sensor_too(base, data):
    run = stage_of(base, data, "mixed").play(few_replays("direct-replay"))
    matrix = run.course.matrix
    assert matrix.shape == (5, 5)
    assert not np.isnan(matrix[1, 2])  # the drift of classes that are known was tested before it
    assert run.course.forward_transfer is not None
    assert run.course.accuracy[-1] > 0.6


def test_a_readout_on_the_trunk_is_the_linear_classifier_of_its_counts(base, data):
    frames, labels = data[ORIGINAL].test_frames, data[ORIGINAL].test_labels
    counts = trunk_spikes(base, frames).sum(axis=1)
    weights, bias = class_means(counts, labels, range(CLASSES))
    with build(with_readout(base, weights, bias / STEPS)) as network:
        found = network.run(frames).predictions
    distances = ((counts[:, None] - weights) ** 2).sum(axis=2)
    np.testing.assert_array_equal(found, distances.argmin(axis=1))


@pytest.mark.parametrize("name", ["direct-replay", "head-replay"])
def test_what_is_deployed_has_the_trunk_whose_spikes_are_learned_from(base, data, name):
    stage = stage_of(base, data, precision="fixed")
    frames = data[ORIGINAL].test_frames[:5]
    expected = trunk_spikes(stage.deployed(WAYS[name]), frames)
    np.testing.assert_array_equal(stage._trunk("test", ORIGINAL)[:5], expected)


def test_integer_readouts_hold_what_every_input_sends_at_once():
    rng = np.random.default_rng(5)
    weights = rng.integers(100, 255, (4, 700)) // 2 * 2
    spikes = np.ones((3, STEPS, 700), np.uint8)
    spikes[:, :, ::3] = rng.integers(0, 2, (3, STEPS, 234))
    chip = integer_readout(weights, STEPS)
    np.testing.assert_array_equal(chip.connections[0].transform.weight, weights)
    with build(chip) as network:
        found = network.run(spikes)
    assert np.abs(found.outputs).max() < MEMBRANE_MAX
    counts = spikes.sum(axis=1, dtype=int)
    np.testing.assert_array_equal(found.predictions, (counts @ weights.T).argmax(axis=1))


def test_networks_and_data_that_do_not_fit_are_refused(base, data):
    protocol = make_protocol("classes", CLASSES, 4, 1, 3)
    split = draw_split(data[ORIGINAL].train_labels, protocol, 0)
    with pytest.raises(ValueError, match="3 outputs, but the protocol's base are 4 classes"):
        Stage(base, data, protocol, split)
    drift = make_protocol("drift", CLASSES, 3, 1, 3)
    with pytest.raises(ValueError, match="drifted"):
        Stage(base, {ORIGINAL: data[ORIGINAL]}, drift, split)
    dense = readout_head(np.ones((3, 8)), STEPS)
    with pytest.raises(ValueError, match="no convolutions to read from"):
        with_readout(dense, np.ones((3, 8)))


def test_the_command_prints_writes_and_draws(tmp_path, capsys, monkeypatch, base):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat(np.arange(CLASSES), 24))
    np.savez("own.npz", frames=pictures(rng, labels), labels=labels)
    save_spec("base.h5", base)
    words = "lifelong --dataset own.npz --network base.h5 --base 3 --per-session 1 --shots 3"
    files = "--json found.json --figure sessions.png --samples-file drawn.json --backend numpy"
    assert main([*words.split(), *files.split(), "--ways", "prototypes,class-mean"]) == 0
    printed, found = capsys.readouterr().out, json.loads((tmp_path / "found.json").read_text())
    assert [line.split()[1] for line in printed.splitlines()[2:]] == ["prototypes", "class-mean"]
    assert found["ways"]["prototypes"]["samples_learned"] == 6
    assert len(found["ways"]["class-mean"]["accuracy"]) == 3
    assert isinstance(found["split"], str)  # the data set's, as of every command
    drawn = json.loads((tmp_path / "drawn.json").read_text())
    assert drawn["sessions"] == found["samples"]["sessions"]
    assert is_picture(tmp_path / "sessions.png")
    assert load_spec("base.h5").classes == 3
    assert main([*words.split(), "--ways", "guessing"]) == 2
    assert "'guessing'" in capsys.readouterr().err
    assert main([*words.split(), "--validate", "--ways", "offline"]) == 2
    assert "way offline: it is tested on the test part" in capsys.readouterr().err
    assert main([*words.split(), "--kind", "drift", "--ways", "class-mean"]) == 2
    assert "has no drifted sensor" in capsys.readouterr().err


def test_what_is_held_out_is_tested_and_never_learned_from(base, data):
    protocol = make_protocol("classes", CLASSES, 3, 1, 8)
    split = draw_split(data[ORIGINAL].train_labels, protocol, 0, held_out=0.2)
    spoiled = {  # test data that nothing may look at
        ORIGINAL: data[ORIGINAL]._replace(test_frames=np.zeros_like(data[ORIGINAL].test_frames))
    }
    courses = [
        Stage(base, seen, protocol, split, "numpy").play(WAYS["class-mean"]).course
        for seen in (data, spoiled)
    ]
    np.testing.assert_array_equal(courses[0].matrix, courses[1].matrix)
    assert courses[0].samples.tolist() == [18, 6, 6]
