"""Settings of a run against closed forms; a run resumed after any epoch is identical."""

from __future__ import annotations

import csv
import json
import math
import shutil

import numpy as np
import pytest
import torch
from toy_training import tiny, toy_sets

from onchip.models.config import TrainingConfig, learning_rate_at
from onchip.models.training.batches import batch_tensors
from onchip.models.training.checkpoint import load_checkpoint
from onchip.models.training.evaluation import evaluate
from onchip.models.training.feedback import make_feedback
from onchip.models.training.training import train
from onchip.models.training.updates import Learner, ottt_a, ottt_o


@pytest.fixture
def toy(rng):
    return toy_sets(rng)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# --- loss, clipping, schedule ---------------------------------------------------------------------


def test_smoothed_targets_give_torch_s_smoothed_cross_entropy(rng):
    model = tiny().double()
    labels = rng.integers(0, 3, 8)
    _, targets = batch_tensors(model, np.zeros((8, 4, 2, 6, 6), np.uint8), labels, 0.2)
    torch.testing.assert_close(targets.sum(1), torch.ones(8, dtype=torch.float64))
    outputs = torch.from_numpy(rng.normal(size=(8, 3)))
    found = Learner(model, None, None, mse_weight=0.0).loss(outputs, targets, 1)
    reference = torch.nn.functional.cross_entropy(
        outputs, torch.from_numpy(labels), label_smoothing=0.2
    )
    torch.testing.assert_close(found, reference)
    both = Learner(model, None, None, mse_weight=0.3).loss(outputs, targets, 1)
    onehot = torch.eye(3, dtype=torch.float64)[torch.from_numpy(labels)]
    smooth = 0.8 * onehot + 0.2 / 3
    expected = 0.7 * reference + 0.3 * ((outputs - smooth) ** 2).mean()
    torch.testing.assert_close(both, expected)


def test_targets_without_smoothing_are_one_hot():
    _, targets = batch_tensors(tiny(), np.zeros((2, 4, 2, 6, 6), np.uint8), np.array([2, 0]))
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("method", [ottt_a, ottt_o])
def test_clipping_scales_the_gradient_of_an_update_to_the_norm(make_mlp, make_batch, method):
    model = make_mlp(time_steps=1)
    frames, targets = make_batch(model)

    def change(clip):
        learned = make_mlp(time_steps=1)
        optimizer = torch.optim.SGD(learned.parameters(), lr=1.0)
        feedback = make_feedback(learned, "exact")
        method(Learner(learned, optimizer, feedback, grad_clip=clip), frames, targets)
        return weights(model) - weights(learned)

    whole = change(0.0)
    norm = float(whole.norm())
    expected = whole * (0.5 * norm / (norm + 1e-6))  # torch adds 1e-6 to the norm
    torch.testing.assert_close(change(0.5 * norm), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(change(2.0 * norm), whole, rtol=0, atol=1e-12)


def test_sgd_moves_by_its_momentum(toy, monkeypatch):
    gradients, positions = [], []
    original = torch.optim.SGD.step

    def step(self, *arguments):
        group = self.param_groups[0]["params"]
        gradients.append(torch.cat([p.grad.flatten() for p in group]).clone())
        positions.append(torch.cat([p.detach().flatten() for p in group]))
        return original(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    model = tiny().double()
    config = TrainingConfig(
        optimizer="sgd", momentum=0.8, learning_rate=0.1, epochs=1, batch_size=10, cosine=False
    )
    train(model, *toy, config)
    velocity, expected = torch.zeros_like(positions[0]), positions[0]
    for gradient in gradients:
        velocity = 0.8 * velocity + gradient
        expected = expected - 0.1 * velocity
    torch.testing.assert_close(weights(model), expected, rtol=0, atol=1e-13)


def test_the_schedule_is_half_a_cosine_or_constant():
    config = TrainingConfig(learning_rate=0.4, epochs=10)
    for done in (0, 2.5, 5, 9.9, 10):
        expected = 0.4 * math.cos(math.pi * done / 20) ** 2
        assert learning_rate_at(config, done) == pytest.approx(expected, abs=1e-15)
    constant = TrainingConfig(learning_rate=0.4, epochs=10, cosine=False)
    assert {learning_rate_at(constant, done) for done in (0, 3, 10)} == {0.4}


# --- resuming, dropout ----------------------------------------------------------------------------


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
def test_a_run_resumed_after_any_epoch_is_identical(toy, tmp_path, stopped_after):
    config = TrainingConfig(
        optimizer="sgd",
        learning_rate=0.05,
        epochs=4,
        batch_size=7,
        grad_clip=0.3,
        label_smoothing=0.1,
        max_shift=1,
        flip=True,
        event_drop=0.4,
    )
    out, kept = tmp_path / "run.pt", tmp_path / "kept.pt"

    def keep(line):
        if line.startswith(f"epoch {stopped_after}/"):
            shutil.copy(out, kept)

    def network(seed):
        model = tiny(seed)
        model.layers[0].dropout = 0.3
        return model

    whole, resumed = network(0), network(8)
    expected = train(whole, *toy, config, out=out, report=keep, log=tmp_path / "a.csv")
    torch.rand(3)
    found = train(resumed, *toy, config, resume=kept, out=out, log=tmp_path / "b.csv")
    assert torch.equal(weights(whole), weights(resumed))
    assert without_seconds(found.history) == without_seconds(expected.history)
    first, second = (rows(tmp_path / name) for name in ("a.csv", "b.csv"))
    assert without_seconds(first) == without_seconds(second)
    assert [row["epoch"] for row in second] == ["1", "2", "3", "4"]


def without_seconds(history):
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in history]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_last_and_the_best_checkpoint_are_written(toy, tmp_path):
    config = TrainingConfig(epochs=4, batch_size=10, learning_rate=0.05)
    result = train(tiny(), *toy, config, out=tmp_path / "net.pt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.best.pt", "net.pt"]
    accuracies = [entry["test_accuracy"] for entry in result.history]
    best = load_checkpoint(tmp_path / "net.best.pt")
    assert best.epoch == 1 + accuracies.index(max(accuracies))
    assert evaluate(best.build(), toy[1]) == max(accuracies)
    assert load_checkpoint(tmp_path / "net.pt").epoch == 4


def test_a_checkpoint_from_before_the_new_settings_is_still_read(toy, tmp_path):
    train(tiny(), *toy, TrainingConfig(epochs=1), out=tmp_path / "new.pt")
    content = torch.load(tmp_path / "new.pt", weights_only=True)
    training = json.loads(content["training"])
    for name in ("label_smoothing", "flip", "event_drop"):
        del training[name]
    old = {**content, "version": 1, "training": json.dumps(training)}  # it had no digest
    torch.save(old, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").training == TrainingConfig(epochs=1)
