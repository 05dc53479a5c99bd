"""Layers without a spike: they are found as counting spikes finds them, and told in one line."""

from __future__ import annotations

import csv
import logging

import numpy as np
import pytest
import torch
from toy_training import SHAPE, tiny, toy_sets

from onchip.deploy.cli import main as onchip
from onchip.models import build_model, train
from onchip.models.cli.command_line import main as train_main
from onchip.models.config import TrainingConfig
from onchip.models.networks.activity import Activity, firing_rates
from onchip.models.training.progress import silence_line
from onchip.models.training.updates import UPDATES, Learner, feedback_on_device

RESNET = {"blocks": (1, 1), "widths": (3, 4), "stem_kernel": 3, "stem_stride": 1}
SMALL = {"input_shape": (2, 8, 8), "classes": 3, "time_steps": 4}


def deep(silent=()):
    """Two hidden layers that fire, but for those in `silent`."""
    model = build_model("mlp", hidden=(12, 9), weight_gain=2.0, **SHAPE)
    with torch.no_grad():
        for layer in model.layers[:-1]:
            layer.connection.bias.fill_(-100.0 if layer.name in silent else 1.2)
    return model


@pytest.mark.parametrize("method", UPDATES)
@pytest.mark.parametrize("silent", [(), ("fc1",), ("fc2",), ("fc1", "fc2")])
def test_a_layer_that_has_not_spiked_is_in_the_history_and_told(rng, method, silent):
    told = []
    config = TrainingConfig(method, epochs=1, optimizer="sgd", learning_rate=1e-9)
    result = train(deep(silent), *toy_sets(rng), config, warn=told.append)
    assert result.history[0]["silent"] == list(silent)
    names = {("fc1",): "layer 'fc1' has", ("fc2",): "layer 'fc2' has"}
    name = names.get(silent, "layers 'fc1', 'fc2' have")
    expected = (
        f"epoch 1: {name} not spiked for any training sample; unless that changes, begin anew with "
        "scaled_start (--scaled-start), or lower the learning rate"
    )
    assert told == ([expected] if silent else [])


def test_one_spike_of_one_neuron_at_one_step_is_enough():
    """A layer whose neurons fire for the brightest of many samples alone."""
    model = tiny().double()
    frames = np.zeros((30, 4, 2, 6, 6))
    with torch.no_grad():
        model.layers[0].connection.weight.zero_()
        model.layers[0].connection.weight[5, 7] = 1.0
        model.layers[0].connection.gain.fill_(1.0)
    frames[17, 2] = 1.2 * (np.arange(72).reshape(2, 6, 6) == 7)
    rates = firing_rates(model, frames)
    assert rates["fc1"] == pytest.approx(1 / (30 * 4 * 12))
    activity, learner = learning(model)
    for start in range(0, 30, 10):
        batch = torch.from_numpy(frames[start : start + 10])
        UPDATES["ottt_a"](learner, batch, torch.eye(3, dtype=torch.float64)[torch.arange(10) % 3])
        activity.settle()
        assert activity.fired() == {"fc1": start >= 10}


def learning(model):
    activity = Activity()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-30)
    feedback = feedback_on_device(model, "exact", 0)
    return activity, Learner(model, optimizer, feedback, activity=activity)


@pytest.mark.parametrize(
    ("name", "options", "layers"),
    [
        ("vggf", {"channels": (4, "P", 5)}, ["conv1", "conv2"]),
        ("mlp", {"readout": "lif", "hidden": (5,)}, ["fc1", "readout"]),
        (
            "resnet34",
            RESNET,
            ["block1 outer", "block1 inner", "block2 outer", "block2 inner", "features"],
        ),
    ],
)
def test_rates_are_the_mean_of_the_spikes_of_every_sheet_of_neurons(rng, name, options, layers):
    model = build_model(name, **SMALL, **options).double()
    frames = (rng.random((5, 4, 2, 8, 8)) < 0.5).astype(np.uint8)
    state, counts = model.initial_state(), {}
    for n in range(4):
        with torch.no_grad():
            _, state = model.step(6.0 * torch.from_numpy(frames[:, n]).double(), state)
        for layer, own in zip(model.layers, state, strict=False):
            sheets = {f"{layer.name} {k}": getattr(own, k) for k in ("outer", "inner")
                      if hasattr(own, k)}  # fmt: skip
            for label, neuron in (sheets or {layer.name: getattr(own, "neuron", own)}).items():
                counts.setdefault(label, []).append(neuron.spikes.double().mean().item())
    rates = firing_rates(model, 6.0 * frames)
    assert list(rates) == layers and max(rates.values()) > 0.01
    for label, rate in rates.items():
        assert rate == pytest.approx(np.mean(counts[label]), abs=1e-12)


def test_the_same_layers_are_told_again_only_at_the_end():
    config = TrainingConfig(epochs=6, scaled_start=True)
    silent = [["fc1", "fc2"], ["fc1", "fc2"], ["fc2"], [], ["fc2"], ["fc2"]]
    history = [{"silent": names} for names in silent]
    lines = [silence_line(history[: k + 1], config) for k in range(6)]
    assert [bool(line) for line in lines] == [True, False, True, False, True, True]
    assert lines[2] == (
        "epoch 3: layer 'fc2' has not spiked for any training sample; unless that changes, lower "
        "the learning rate"
    )
    many = silence_line([{"silent": list("abcde")}], config)
    assert many.startswith("epoch 1: layers 'a', 'b', 'c' and 2 more have not spiked")
    assert silence_line([{}, {}], config) == ""  # the history of an older checkpoint


def test_without_a_function_for_it_a_silent_layer_is_logged(rng, caplog):
    with caplog.at_level(logging.WARNING, "onchip.models"):
        train(deep(("fc2",)), *toy_sets(rng), TrainingConfig(epochs=1, learning_rate=1e-9))
        train(deep(), *toy_sets(rng), TrainingConfig(epochs=1, learning_rate=1e-9))
    (record,) = caplog.records
    assert record.name == "onchip.models" and "layer 'fc2' has not spiked" in record.getMessage()


def test_the_log_names_the_silent_layers(rng, tmp_path):
    config = TrainingConfig(epochs=1, optimizer="sgd", learning_rate=1e-9)
    train(deep(("fc1", "fc2")), *toy_sets(rng), config, log=tmp_path / "x.csv", warn=print)
    with (tmp_path / "x.csv").open(newline="") as file:
        assert [row["silent"] for row in csv.DictReader(file)] == ["fc1;fc2"]


@pytest.mark.parametrize("program", ["onchip", "onchip.models"])
def test_the_commands_tell_it_in_one_line(tmp_path, monkeypatch, capsys, program):
    """A threshold that no current reaches keeps the hidden layer silent."""
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))
    words = [
        *["--limit", "20", "--time-steps", "2", "--size", "8", "--model", "mlp", "--hidden", "8"],
        *["--model-options", '{"v_threshold": 1000}', "--epochs", "2"],
        *["--out", str(tmp_path / "x.pt")],
    ]
    assert (onchip(["train", *words]) if program == "onchip" else train_main(words)) == 0
    said = capsys.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if "not spiked" in line]
    assert [line[:26] for line in lines] == [
        "epoch 1: layer 'fc1' has n",
        "epoch 2: layer 'fc1' has n",
    ]
