"""Trainings end when their loss no longer falls, resumed ones where they would have ended."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.models.architectures.table import build_model
from onchip.models.config import TrainingConfig
from onchip.models.data.dataset import FrameDataset
from onchip.models.training.by_rule import train_by_rule
from onchip.models.training.patience import has_stalled
from onchip.models.training.run import Run
from onchip.models.training.training import train


def ends_at(losses: list[float], patience: int) -> int:
    """The epoch after which a run ends: a plain count of the epochs since the lowest loss."""
    lowest, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, 1):
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited >= patience:
            return epoch
    return len(losses)


def test_a_run_has_stalled_when_as_many_epochs_as_its_patience_went_by_since_the_lowest_loss(rng):
    for patience in (1, 2, 3, 7):
        for _ in range(50):
            losses = rng.integers(0, 12, 20).astype(float).tolist()
            history = [{"loss": loss} for loss in losses]
            stalled = [has_stalled(history[:n], patience) for n in range(1, 21)]
            ended = ends_at(losses, patience)
            assert stalled.index(True) + 1 == ended if True in stalled else ended == 20
    assert not has_stalled([{"loss": 1.0}] * 50, 0)


@pytest.fixture
def data(rng) -> FrameDataset:
    """Frames without a pattern, so that the loss soon rises again."""
    frames = (rng.random((24, 3, 1, 2, 3)) < 0.4).astype(np.uint8)
    return FrameDataset("toy", "a:b", frames, np.arange(24) % 3, 3)


CONFIG = TrainingConfig(epochs=30, batch_size=6, learning_rate=0.3, cosine=False, patience=3)


def model():
    options = {"input_shape": (1, 2, 3), "classes": 3, "time_steps": 3}
    return build_model("mlp", seed=1, hidden=(4,), **options)


def test_a_training_ends_early_and_a_resumed_one_at_the_same_epoch(data, tmp_path, monkeypatch):
    said: list[str] = []
    whole = train(model(), data, data, CONFIG, out=tmp_path / "whole.pt", report=said.append)
    losses = [entry["loss"] for entry in whole.history]
    assert whole.epochs == len(losses) == ends_at(losses, 3) < 30
    assert said[-1] == "the loss has not fallen for 3 epochs: done"
    honest = Run.one_epoch

    def interrupted(run: Run, *arguments: object) -> None:
        if run.epoch == 2:
            raise KeyboardInterrupt
        honest(run, *arguments)

    monkeypatch.setattr(Run, "one_epoch", interrupted)
    part = tmp_path / "part.pt"
    with pytest.raises(KeyboardInterrupt):
        train(model(), data, data, CONFIG, out=part)
    monkeypatch.undo()
    ours = model()
    resumed = train(ours, data, data, CONFIG, out=part, resume=part)
    assert [entry["loss"] for entry in resumed.history] == losses
    again = train(model(), data, data, CONFIG, resume=tmp_path / "whole.pt")
    assert again.epochs == whole.epochs  # an ended run does not begin to learn again
    assert all(torch.isfinite(p).all() for p in ours.parameters())


def test_patience_is_a_whole_number_and_refused_where_there_is_no_loss(data):
    with pytest.raises(ValueError, match=r"training: patience is -1; it must be an integer >= 0"):
        TrainingConfig(patience=-1)
    from onchip import with_learning
    from onchip.models.description import describe_model
    from onchip.program.graphs import as_graph

    network = with_learning(as_graph(describe_model(model())), learning_rate=0.1)
    with pytest.raises(ValueError, match=r"patience is 3, but training by a rule of a graph"):
        train_by_rule(network, data, data, CONFIG)
