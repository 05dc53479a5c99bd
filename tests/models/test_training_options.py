"""What a run tells of itself and refuses, and the options of the two command lines."""

from __future__ import annotations

import argparse
import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy_training import tiny, toy_sets

from onchip.deploy.cli import main as onchip
from onchip.deploy.cli import make_parser
from onchip.files.writing import write_csv
from onchip.models.architectures.dataset_settings import DATASETS, LITERATURE
from onchip.models.architectures.recommended import (
    PAPER,
    RECOMMENDED,
    recommended_network,
    recommended_source,
    recommended_training,
)
from onchip.models.architectures.table import ARCHITECTURES, build_model
from onchip.models.cli.augmentation_options import OFF, augmentation
from onchip.models.cli.command_line import main as train_main
from onchip.models.cli.options import make_config
from onchip.models.config import TrainingConfig, learning_rate_at
from onchip.models.description import describe_model
from onchip.models.training.batches import check_dataset
from onchip.models.training.checkpoint import load_checkpoint
from onchip.models.training.progress import COLUMNS, duration, epoch_line
from onchip.models.training.training import train


@pytest.fixture
def toy(rng):
    return toy_sets(rng)


def without_seconds(history):
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in history]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_has_a_row_for_each_epoch(toy, tmp_path):
    config = TrainingConfig(epochs=3, batch_size=10, learning_rate=0.01)
    log = tmp_path / "logs" / "run.csv"
    seen = []
    result = train(tiny(), *toy, config, log=log, report=lambda _: seen.append(len(rows(log))))
    assert seen == [1, 2, 3]
    found = rows(log)
    assert tuple(found[0]) == COLUMNS
    for row, entry in zip(found, result.history, strict=True):
        assert row["silent"] == ";".join(entry["silent"])
        for name in entry.keys() - {"silent"}:
            assert float(row[name]) == entry[name]
    rates = [float(row["learning_rate"]) for row in found]
    assert rates == [learning_rate_at(config, epoch) for epoch in (0, 1, 2)]
    assert [p.name for p in log.parent.iterdir()] == ["run.csv"]


def test_a_table_that_cannot_be_written_to_its_end_leaves_the_old_one(tmp_path):
    log = tmp_path / "run.csv"
    log.write_text("old\n")
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_csv(log, ["epoch"], [{"epoch": 1}, {"epoch": 2, "other": 3}])
    assert log.read_text() == "old\n" and len(list(tmp_path.iterdir())) == 1


def test_the_time_left_is_that_of_the_epochs_to_come():
    entry = {"epoch": 1, "loss": 0.5, "train_accuracy": 0.8, "test_accuracy": 0.75}
    history = [{**entry, "seconds": seconds} for seconds in (99.0, 40.0, 60.0)]
    line = epoch_line(history, epochs=100, resumed_at=1)
    assert line == "epoch 3/100: loss 0.5000, train 80.0 %, test 75.0 %, 60.0 s, 1:20:50 left"
    assert duration(59.6) == "0:01:00"


def test_the_bar_counts_batches_and_resumes_where_the_run_was(toy, tmp_path, capsys):
    config = TrainingConfig(epochs=2, batch_size=8)
    train(tiny(), *toy, config, progress=True, out=tmp_path / "a.pt")
    assert "epoch 2/2: 100%" in capsys.readouterr().err.replace("\r", "\n")
    train(tiny(), *toy, config, progress=True, resume=tmp_path / "a.pt")
    assert "8/8" in capsys.readouterr().err
    train(tiny(), *toy, config, progress=False)
    assert capsys.readouterr().err == ""


# --- data that do not fit -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.zeros((2, 6, 2, 6, 6), np.uint8)}, r"time_steps=4, or build it with 6$"),
        ({"frames": np.zeros((2, 4, 2, 8, 8), np.uint8)}, r"build it with the dataset's input_sh"),
        ({"labels": np.array([0, 3])}, "label 3 is out of range; the network has classes 0 to 2"),
        ({"classes": 7}, "it has 7 classes, the model 3; build it with the dataset's classes"),
    ],
)
def test_what_does_not_fit_is_named_before_training(change, message):
    fitting = {"frames": np.zeros((2, 4, 2, 6, 6), np.uint8), "labels": np.array([0, 1])}
    check_dataset(tiny(), SimpleNamespace(**fitting, classes=3))
    with pytest.raises(ValueError, match=message):
        check_dataset(tiny(), SimpleNamespace(**{**fitting, "classes": 3, **change}), "test data")


def test_a_folder_in_the_place_of_a_file_is_refused_before_training(toy, tmp_path):
    for option in ("out", "log"):
        with pytest.raises(ValueError, match="is a folder; name a file to write"):
            train(tiny(), *toy, TrainingConfig(epochs=1), **{option: tmp_path})


# --- settings and options -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0; it must lie in"),
        ({"cosine": "yes"}, "cosine is 'yes'; it must be a bool"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**options)


def test_recommended_settings_are_those_found_or_those_of_the_paper(monkeypatch):
    assert recommended_training("mlp", "ottt_o").learning_rate == 6e-4
    assert "deep" not in RECOMMENDED
    monkeypatch.setitem(ARCHITECTURES, "deep", ARCHITECTURES["convnet"])
    paper = recommended_training("deep", "ottt_o", epochs=5)
    assert {**PAPER, "epochs": 5} == {name: getattr(paper, name) for name in PAPER}
    with pytest.raises(ValueError, match="method 'ottt' is unknown"):
        recommended_training("deep", "ottt")
    with pytest.raises(ValueError, match="model 'deeper' is unknown"):
        recommended_training("deeper")


def test_settings_of_a_data_set_lie_over_those_of_the_architecture():
    config = recommended_training("convnet", "ottt_o", dataset="nmnist", seed=3)
    assert (config.max_shift, config.max_rotation, config.max_zoom) == (3, 15.0, 0.2)
    assert (config.learning_rate, config.scaled_start, config.seed) == (1e-3, True, 3)
    plain = recommended_training("convnet", "ottt_o")
    assert not plain.scaled_start and plain.max_rotation == 0.0
    assert recommended_training("convnet", "ottt_o", dataset="cifar10") == plain
    assert recommended_training("mlp", dataset="nmnist").epochs == RECOMMENDED["mlp"]["epochs"]
    with pytest.raises(ValueError, match="dataset 'nmnits' is unknown; choose one of"):
        recommended_training("convnet", dataset="nmnits")


@pytest.mark.parametrize("model", ARCHITECTURES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_s_settings_are_valid_and_begin_with_layers_that_fire(dataset, model):
    for method in ("ottt_a", "ottt_o", "bptt"):
        assert recommended_training(model, method, dataset=dataset).scaled_start
    shape = {"input_shape": (2, 64, 64), "classes": 10}
    build_model(model, **{**shape, **recommended_network(model, dataset)})


def test_settings_from_the_literature_say_so_with_their_source():
    """The constants of the authors' scripts and tutorials, by hand."""
    paper = recommended_training("vgg", dataset="cifar10dvs")
    assert (paper.epochs, paper.batch_size, paper.optimizer) == (300, 128, "sgd")
    assert (paper.learning_rate, paper.momentum, paper.mse_weight) == (0.1, 0.9, 0.001)
    assert (paper.max_shift, paper.max_zoom) == (4, 0.0)
    gesture = recommended_training("vgg", dataset="dvsgesture")
    assert (gesture.epochs, gesture.batch_size, gesture.optimizer) == (300, 16, "adam")
    assert (gesture.learning_rate, gesture.mse_weight) == (1e-3, 0.001)
    spoken = recommended_training("mlp", dataset="shd")
    assert (spoken.epochs, spoken.batch_size, spoken.optimizer) == (200, 256, "adamax")
    assert (spoken.learning_rate, spoken.cosine) == (2e-4, False)
    assert recommended_network("mlp", "shd") == {"hidden": (200,), "recurrent": True}
    for dataset, source in (
        ("cifar10dvs", "Xiao et al. 2022"),
        ("dvsgesture", "Xiao et al. 2022"),
        ("shd", "Cramer et al. 2022"),
    ):
        said = recommended_source("mlp", dataset)
        assert said.startswith(f"{LITERATURE}: ") and source in said
    assert recommended_source("mlp", "digits-dvs") == ""
    assert "measured here" in recommended_source("convnet", "nmnist")
    assert recommended_source("vgg", "nmnist").startswith("not measured for 'vgg': ")


def test_the_recommended_vgg_is_deployable_with_a_small_dense_head():
    model = build_model("vgg", input_shape=(2, 32, 32), classes=10, **recommended_network("vgg"))
    layers = describe_model(model).layers
    assert [layer.name for layer in layers[-2:]] == ["fc1", "readout"]
    assert [layer.output_shape for layer in layers] == [
        *[(16, 32, 32), (32, 16, 16), (64, 8, 8), (32, 4, 4)],
        *[(128,), (10,)],
    ]
    assert layers[-2].weight.shape == (128, 512)  # spikes, no pool to unfold
    with pytest.raises(ValueError, match="model 'vgh' is unknown"):
        recommended_network("vgh")


def test_an_architecture_without_a_recommended_network_keeps_its_defaults():
    recommended_network("vgg").clear()
    assert recommended_network("vgg") and recommended_network("convnet") == {}


def config_of(*options):
    args = make_parser().parse_args(["train", "--model", "mlp", "--out", "x.pt", *options])
    return make_config(args, SimpleNamespace(frames=np.zeros((1, 2, 2, 5, 5), np.uint8)))


def test_options_become_settings():
    config = config_of(
        *["--lr", "0.25", "--clip", "2", "--label-smoothing", "0.1", "--optimizer", "sgd"],
        *["--momentum", "0.7", "--batch-size", "9", "--no-cosine", "--method", "bptt"],
    )
    assert (config.learning_rate, config.grad_clip, config.label_smoothing) == (0.25, 2.0, 0.1)
    assert (config.optimizer, config.momentum, config.batch_size) == ("sgd", 0.7, 9)
    assert (config.cosine, config.method) == (False, "bptt")
    assert config_of() == recommended_training("mlp")
    assert config_of("--learning-rate", "0.5").learning_rate == 0.5


def test_settings_found_for_a_small_vgg_are_not_those_of_another(tmp_path):
    network = recommended_network("vgg")
    small = {name: value for name, value in network.items() if name != "hidden"}
    options = ["--model", "vgg", "--model-options", json.dumps(small)]
    hidden = ",".join(map(str, network["hidden"]))
    assert config_of(*options, "--hidden", hidden) == recommended_training("vgg")
    for others in (["--model", "vgg"], options, ["--model", "vgg", "--hidden", hidden]):
        assert config_of(*others, "--epochs", "3") == recommended_training(
            "vgg", **{**PAPER, "epochs": 3}
        )


def test_the_command_takes_the_settings_of_the_data_set():
    convnet = ["--dataset", "nmnist", "--model", "convnet"]
    assert config_of(*convnet) == recommended_training("convnet", dataset="nmnist")
    assert not config_of(*convnet, "--no-scaled-start").scaled_start
    assert config_of("--scaled-start") == recommended_training("mlp", scaled_start=True)
    assert config_of("--dataset", "dvsgesture", "--model", "vgg", "--epochs", "2") == (
        recommended_training("vgg", dataset="dvsgesture", epochs=2)
    )
    assert config_of("--dataset", "nmnist", "--model", "vgg") == recommended_training(
        "vgg", **{**PAPER, **DATASETS["nmnist"].training}
    )


def test_augment_says_all_of_the_augmentation():
    def chosen(*options):
        config = config_of(*options)
        return {name: getattr(config, name) for name in OFF}

    assert chosen("--augment", "none") == OFF
    assert chosen("--augment", "shift=4,flip, drop=0.3") == {
        **OFF,
        "max_shift": 4,
        "flip": True,
        "event_drop": 0.3,
    }
    assert chosen("--augment", "rotation=5,zoom=0.1")["max_rotation"] == 5.0
    recommended = recommended_training("mlp")
    assert chosen() == {name: getattr(recommended, name) for name in OFF}
    with pytest.raises(ValueError, match="--augment and --max-shift both set"):
        config_of("--augment", "flip", "--max-shift", "2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flp", "'flp' is unknown; choose none or some of shift=PIXELS"),
        ("shift", "'shift' needs a value, as in shift=1"),
        ("flip=1", "'flip' takes no value"),
        ("shift=two", "'two' is no value for 'shift'"),
        ("", "'' is unknown"),
    ],
)
def test_augmentation_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        augmentation(text)


DATA = ["--limit", "20", "--time-steps", "2", "--size", "8", "--model", "mlp", "--hidden", "8"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--augment", "flip"], "flip does not suit digits-dvs: a mirrored digit is none"),
        (["--optimizer", "adamm"], "optimizer 'adamm' is unknown; choose one of"),
        (["--clip", "-1"], "grad_clip is -1.0"),
        (["--label-smoothing", "2"], "label_smoothing is 2.0"),
        (["--log", "none/run.csv"], "folder none does not exist"),
    ],
)
def test_the_command_refuses_bad_settings_in_one_line(
    tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    assert onchip(["train", *DATA, "--epochs", "1", "--out", "a.pt", *options]) == 2
    said = capsys.readouterr().err
    assert message in said.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_the_command_and_the_program_train_the_same_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    chosen = ["--epochs", "2", "--optimizer", "sgd", "--lr", "0.1", "--clip", "1", "--seed", "4"]
    options = [*DATA, *chosen, "--label-smoothing", "0.1", "--augment", "shift=1,drop=0.2"]
    assert onchip(["train", *options, "--out", "a.pt", "--log", "a.csv"]) == 0
    assert train_main([*options, "--out", "b.pt", "--csv-log", "b.csv"]) == 0
    ours, theirs = load_checkpoint("a.pt"), load_checkpoint("b.pt")
    assert all(torch.equal(ours.model[name], theirs.model[name]) for name in ours.model)
    assert ours.training == theirs.training and ours.training.event_drop == 0.2
    assert {**ours.metadata, "history": 0} == {**theirs.metadata, "history": 0}
    first, second = (rows(tmp_path / name) for name in ("a.csv", "b.csv"))
    assert without_seconds(first) == without_seconds(second) and len(first) == 2
    assert "epoch 2/2: loss" in capsys.readouterr().out


def test_importing_the_program_leaves_the_function_in_its_place():
    import onchip.models
    import onchip.models.__main__

    assert onchip.models.train is train
