"""`onchip lifelong` tests a base on nothing that it has seen, and bounds it on every task."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy import build, save_spec
from onchip.deploy.cli import base_training, main
from onchip.deploy.cli.data import DataChoice
from onchip.deploy.cli.lifelong_base import architecture_of, data_of, kept_base, require_held_out
from onchip.deploy.cli.offline_bound import offline_bound
from onchip.deploy.lifelong.learners import MeanLearner
from onchip.deploy.lifelong.protocol import DRIFTED, ORIGINAL, make_protocol
from onchip.deploy.lifelong.splits import draw_split
from onchip.models.data import FrameDataset

STEPS, CLASSES, SIDE, SHARE = 4, 4, 6, 0.25
KEPT = {"dataset": "digits-dvs", "split": "random", "seed": 3, "model": "vgg", "held_out": SHARE}


@pytest.fixture
def base():
    rng = np.random.default_rng(2)
    layers = (
        ConvSpec("conv", rng.normal(0.15, 0.4, (6, 1, 3, 3)), LIF(), (1, SIDE, SIDE)),
        DenseSpec("readout", rng.normal(0, 0.3, (CLASSES, 96)), LeakyIntegrator()),
    )
    return NetworkSpec(layers, (1, SIDE, SIDE), STEPS, metadata=KEPT)


def options(**changes):
    named = {"dataset": None, "split": None, "seed": None, "validate": False, "network": "base.h5"}
    own = {"labels": None, "sensor_size": None, "time_steps": None, "size": None, "model": None}
    framing = {"framing": "time", "counts": False}
    training = {"epochs": None, "batch_size": None, "keep": None}
    return argparse.Namespace(**{**named, **own, **framing, **training, **changes})


def test_a_kept_base_is_tested_on_the_split_that_it_was_trained_on(base):
    for given in ({}, {"seed": 1}, {"dataset": "digits-dvs", "seed": 1}):
        choice = data_of(options(**given), base)
        assert (choice.dataset, choice.split, choice.seed) == ("digits-dvs", "random", 3)
        assert choice.time_steps == STEPS
    with pytest.raises(ValueError, match=r"--split writers: .* split 'random'.*leave --split out"):
        data_of(options(split="writers"), base)
    other = data_of(options(dataset="own.npz", seed=1), base)
    assert (other.dataset, other.seed, other.time_steps) == ("own.npz", 1, STEPS)


def test_validating_takes_a_base_that_has_not_seen_what_is_held_out(base):
    asked, choice = options(validate=True), data_of(options(), base)
    require_held_out(asked, choice, base, SHARE)
    require_held_out(options(), choice, replace(base, metadata={}), SHARE)
    require_held_out(asked, choice, None, SHARE)
    require_held_out(asked, DataChoice("own.npz"), base, SHARE)
    whole = replace(base, metadata={**KEPT, "held_out": 0.0})
    with pytest.raises(ValueError, match=r"--validate: the base base.h5 .*--validate --keep FILE"):
        require_held_out(asked, choice, whole, SHARE)
    with pytest.raises(ValueError, match=r"--seed 1: .* drawn with seed 3; leave --seed out"):
        require_held_out(options(validate=True, seed=1), choice, base, SHARE)


def test_a_base_that_is_given_takes_no_options_of_training(base, tmp_path):
    save_spec(tmp_path / "base.h5", base)
    assert kept_base(options(network=None)) is None
    assert kept_base(options(network=tmp_path / "base.h5")).metadata["held_out"] == SHARE
    for name, value in (("epochs", 3), ("batch_size", 8), ("keep", Path("k.h5"))):
        with pytest.raises(ValueError, match=f"--{name.replace('_', '-')}: .* is not trained"):
            kept_base(options(**{name: value}))


def test_the_bound_has_the_architecture_of_the_base(base):
    assert architecture_of(options(), base) == "vgg"
    assert architecture_of(options(model="mlp"), base) == "mlp"
    assert architecture_of(options(network=None), None) == "convnet"
    with pytest.raises(ValueError, match=r"way offline: base.h5 does not say.*--model"):
        architecture_of(options(), replace(base, metadata={}))


def parts_of(seed):
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(CLASSES), 6)
    chance = 0.2 + 0.2 * labels[:, None, None, None, None]
    frames = rng.random((24, STEPS, 1, SIDE, SIDE)) < chance
    return tuple(
        FrameDataset("own", f"all:{part}", frames[rows].astype(np.uint8), labels[rows], CLASSES)
        for part, rows in (("train", slice(16)), ("test", slice(16, 24)))
    )


@pytest.mark.parametrize("kind", ["classes", "drift", "mixed"])
def test_the_bound_is_trained_and_tested_on_every_sensor_of_the_protocol(base, monkeypatch, kind):
    protocol = make_protocol(kind, CLASSES, 2, 1, 2)
    parts, seen = {ORIGINAL: parts_of(0), DRIFTED: parts_of(1)}, []
    trained = replace(base, metadata={})

    def train(train_set, test_set, *_):
        seen.append((train_set, test_set))
        return trained

    monkeypatch.setattr(base_training, "train_on", train)
    found = offline_bound(protocol, parts, "mlp", {}, 0)
    right, total = [], []
    with build(trained) as network:
        for classes, sensor in protocol.tasks():
            test = parts[sensor][1]
            among = np.isin(test.labels, classes)
            answers = network.run(test.frames[among]).predictions
            right.append((answers == test.labels[among]).sum())
            total.append(among.sum())
    assert found["final"] == pytest.approx(sum(right) / sum(total))
    assert found["base_kept"] == pytest.approx(right[0] / total[0])
    assert found["new"] == pytest.approx(sum(right[1:]) / sum(total[1:]))
    among = [np.isin(parts[s][0].labels, protocol.order).sum() for s in (ORIGINAL, DRIFTED)]
    assert len(seen[0][0].labels) == (among[0] if kind == "classes" else sum(among))


def test_a_class_of_which_nothing_would_be_held_out_is_refused():
    protocol = make_protocol("classes", 3, 2, 1, 1)
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    with pytest.raises(ValueError, match=r"class 1 has 2 samples, .*0.25 holds out none"):
        draw_split(labels, protocol, 0, SHARE)
    assert draw_split(labels, protocol, 0).held_out == ()


@pytest.mark.parametrize("option", ["--json", "--keep", "--figure", "--network"])
def test_no_two_files_are_one(option, tmp_path, capsys):
    (tmp_path / "one.h5").write_bytes(b"kept")
    file = str(tmp_path / "one.h5")
    assert main(["lifelong", option, file, "--samples-file", file]) == 2
    assert f"both name {file}; name two files" in capsys.readouterr().err
    assert (tmp_path / "one.h5").read_bytes() == b"kept"


def test_a_backend_that_does_not_exist_and_a_silent_trunk_are_named(capsys):
    assert main(["lifelong", "--backend", "nope"]) == 2
    assert "backend 'nope'" in capsys.readouterr().err
    silent = MeanLearner(np.zeros((2, 5), np.int64), np.array([0, 1]), 2, "numpy", STEPS, False)
    with pytest.raises(ValueError, match="class means: the trunk is silent"):
        silent.predict(np.zeros((1, STEPS, 5), np.uint8))
