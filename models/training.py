"""The training loop: epochs, learning rate, progress, checkpoints, resuming."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from models.batches import Frames, batch_tensors, check_dataset, epoch_batches
from models.checkpoint import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from models.config import TrainingConfig, make_optimizer
from models.evaluation import evaluate, seed_everything
from models.feedback import Feedback, make_feedback
from models.network import SpikingNetwork
from models.updates import UPDATES, BatchResult, Learner

LAST, BEST = "last.pt", "best.pt"


@dataclass(frozen=True)
class TrainingResult:
    """What a run gave.

    `accuracy` is the test accuracy after the last epoch (nothing is selected on the test set),
    `history` one entry per epoch (epoch, loss, train_accuracy, test_accuracy, seconds), `seconds`
    the time of all epochs, those before a resume included, `peak_memory_bytes` the process's
    largest resident memory so far.
    """

    accuracy: float
    history: tuple[Mapping[str, float], ...]
    epochs: int
    seconds: float
    peak_memory_bytes: int


def train(
    model: SpikingNetwork,
    train_set: Frames,
    test_set: Frames,
    config: TrainingConfig | None = None,
    *,
    checkpoint_dir: Path | str | None = None,
    resume: Path | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> TrainingResult:
    """Train `model` in place; returns the accuracy on `test_set` and the history.

    With `checkpoint_dir`, `last.pt` and `best.pt` (by test accuracy) are written after every epoch;
    `resume` is such a file, from which the run goes on to the result it would have had. `progress`
    shows a bar (None: on a terminal only). Raises ValueError when data and model do not fit, when
    a checkpoint belongs to another run, and when the loss stops being a number.
    """
    config = config or TrainingConfig()
    check_dataset(model, train_set, "training data")
    check_dataset(model, test_set, "test data")
    if label := _not_finite(model):
        raise ValueError(f"{label} is NaN or infinite before training; build the model anew")
    seed_everything(config.seed)
    run = _Run(model, config, dict(metadata or {}))
    if resume is not None:
        run.resume(resume)
    if checkpoint_dir is not None and run.epoch == config.epochs:
        run.save(Path(checkpoint_dir))  # the resumed run had ended: no epoch will write it
    bar = tqdm(
        range(run.epoch, config.epochs),
        initial=run.epoch,
        total=config.epochs,
        unit="epoch",
        disable=not (sys.stderr.isatty() if progress is None else progress),
    )
    for _ in bar:
        entry = run.one_epoch(train_set, test_set)
        bar.set_postfix(loss=f"{entry['loss']:.3f}", test=f"{100 * entry['test_accuracy']:.1f} %")
        if checkpoint_dir is not None:
            run.save(Path(checkpoint_dir))
    return run.result()


class _Run:
    """A training run: the model, its optimizer and feedback, and how far it is."""

    def __init__(
        self, model: SpikingNetwork, config: TrainingConfig, metadata: dict[str, Any]
    ) -> None:
        self.model, self.config, self.metadata = model, config, metadata
        self.epoch, self.history = 0, []
        self.optimizer = make_optimizer(config, model.parameters())
        self.feedback = make_feedback(model, config.feedback, config.seed)

    def one_epoch(self, train_set: Frames, test_set: Frames) -> dict[str, float]:
        """Learn from every sample once, then measure."""
        started = time.perf_counter()
        config, samples = self.config, len(train_set.labels)
        learner = self._learner()
        loss, correct = 0.0, 0
        for index, (frames, labels) in enumerate(epoch_batches(train_set, config, self.epoch)):
            self._set_rate(self.epoch + index * config.batch_size / samples)
            x, targets = batch_tensors(self.model, frames, labels)
            result = UPDATES[config.method](learner, x, targets)
            self._check(result)
            loss += result.loss * len(labels)
            correct += result.correct(torch.from_numpy(labels))
        self.epoch += 1
        entry = {
            "epoch": self.epoch,
            "loss": loss / samples,
            "train_accuracy": correct / samples,
            "test_accuracy": evaluate(self.model, test_set),
            "seconds": time.perf_counter() - started,
        }
        self.history.append(entry)
        return entry

    def save(self, folder: Path) -> None:
        """Write the last checkpoint, and the best one where this epoch is."""
        checkpoint = Checkpoint(
            architecture=self.model.architecture,
            architecture_config=self.model.config,
            training=self.config,
            epoch=self.epoch,
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            feedback=self.feedback.tensors,
            random_state=torch.get_rng_state(),
            history=self.history,
            metadata=self.metadata,
        )
        save_checkpoint(folder / LAST, checkpoint)
        accuracies = [entry["test_accuracy"] for entry in self.history]
        if accuracies[-1] > max(accuracies[:-1], default=-1.0):
            save_checkpoint(folder / BEST, checkpoint)

    def resume(self, path: Path | str) -> None:
        """Take up the state of a checkpoint of the same run."""
        checkpoint = load_checkpoint(path)
        load_weights(self.model, checkpoint)
        if checkpoint.training != self.config:
            names = [
                name
                for name, value in vars(self.config).items()
                if getattr(checkpoint.training, name) != value
            ]
            raise ValueError(
                f"checkpoint {path}: its run had other values of {', '.join(names)}; "
                "resume with the same settings or start a new run"
            )
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.feedback = Feedback(self.model, self.config.feedback, checkpoint.feedback)
        torch.set_rng_state(checkpoint.random_state)
        self.epoch, self.history = checkpoint.epoch, list(checkpoint.history)

    def result(self) -> TrainingResult:
        """The result so far."""
        return TrainingResult(
            accuracy=self.history[-1]["test_accuracy"],
            history=tuple(self.history),
            epochs=self.epoch,
            seconds=sum(entry["seconds"] for entry in self.history),
            peak_memory_bytes=peak_memory_bytes(),
        )

    def _learner(self) -> Learner:
        config = self.config
        return Learner(
            self.model,
            self.optimizer,
            self.feedback,
            config.mse_weight,
            config.grad_clip,
            config.update_delay,
        )

    def _set_rate(self, epochs_done: float) -> None:
        """Half a cosine from the learning rate to zero, a pure function of the progress."""
        config, rate = self.config, self.config.learning_rate
        if config.cosine:
            rate *= 0.5 * (1 + math.cos(math.pi * min(epochs_done / config.epochs, 1.0)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _check(self, result: BatchResult) -> None:
        if math.isfinite(result.loss):
            return
        where = _not_finite(self.model) or "the loss"
        raise ValueError(
            f"{where} is NaN or infinite in epoch {self.epoch + 1}; lower the learning rate "
            f"(it is {self.config.learning_rate}) or set grad_clip"
        )


def _not_finite(model: SpikingNetwork) -> str:
    """Label of the first parameter with NaN or infinite values, or nothing."""
    bad = [p for p in model.parameters() if not bool(torch.isfinite(p).all())]
    return model.parameter_label(bad[0]) if bad else ""


def peak_memory_bytes() -> int:
    """The largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
