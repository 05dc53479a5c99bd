"""A training run: the model, its optimizer and feedback, its epochs, and its checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from onchip.models.config import (
    TrainingConfig,
    learning_rate_at,
    make_optimizer,
    require_same_settings,
)
from onchip.models.networks.activity import Activity
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import (
    CheckedFrames,
    batch_tensors,
    epoch_batches,
    share_of_batch,
)
from onchip.models.training.checkpoint import (
    Checkpoint,
    checkpoint_bytes,
    load_checkpoint,
    load_weights,
)
from onchip.models.training.distributed import Processes, SharedError
from onchip.models.training.evaluation import BATCH, evaluate, first_not_finite, seed_epoch
from onchip.models.training.progress import TrainingResult, peak_memory_bytes
from onchip.models.training.run_files import RunFiles
from onchip.models.training.updates import (
    UPDATES,
    BatchResult,
    Learner,
    feedback_on_device,
    placed_feedback,
)


class Run:
    """A training run: the model, its optimizer and feedback, and how far it is."""

    def __init__(
        self,
        model: SpikingNetwork,
        config: TrainingConfig,
        metadata: dict[str, Any],
        processes: Processes,
    ) -> None:
        self.model, self.config, self.metadata = model, config, metadata
        self.processes = processes
        self.epoch, self.history, self.activity = 0, [], Activity()
        self.optimizer = make_optimizer(config, model.parameters())
        self.feedback = feedback_on_device(model, config.feedback, config.seed)

    def one_epoch(
        self, train_set: CheckedFrames, test_set: CheckedFrames, after_batch: Callable[[], None]
    ) -> None:
        """Learn from every sample once, then measure."""
        started = time.perf_counter()
        seed_epoch(self.config.seed, self.epoch, self.processes.rank)
        self.activity = Activity()
        loss, correct = self.learn(train_set, after_batch)
        self._refuse(first_not_finite(self.model))  # before the last good checkpoint is replaced
        self.epoch += 1
        entry = {
            "epoch": self.epoch,
            "loss": loss / len(train_set.labels),
            "train_accuracy": correct / len(train_set.labels),
            "test_accuracy": evaluate(self.model, test_set, BATCH, self.processes),
            "seconds": time.perf_counter() - started,
            "silent": self._silent(),
        }
        self.history.append(entry)

    def learn(self, train_set: CheckedFrames, after_batch: Callable[[], None]) -> list[float]:
        """One pass over the data -> [sum of the samples' losses, number that were right]."""
        config, samples, learner = self.config, len(train_set.labels), self._learner()
        loss, correct = 0.0, 0
        batches = epoch_batches(train_set, config, self.epoch, self.processes)
        for index, (frames, labels) in enumerate(batches):
            self._set_rate(self.epoch + index * config.batch_size / samples)
            own, learner.share = share_of_batch(samples, config, index, self.processes)
            x, targets = batch_tensors(self.model, frames, labels, config.label_smoothing)
            result = UPDATES[config.method](learner, x, targets)
            self._check(result)
            if own:
                loss += result.loss * own
                correct += result.correct(torch.from_numpy(labels))
            self.activity.settle()
            after_batch()
        return self.processes.total(loss, correct)

    def save(self, files: RunFiles, saved: Callable[[int], None] | None = None) -> None:
        """Write the last checkpoint, the best one where this epoch is, and the log; on rank 0."""

        def write() -> None:
            if self.processes.rank == 0:
                files.write(self.checkpoint(), saved)

        self.processes.together(write)

    def checkpoint(self) -> Checkpoint:
        """The state of the run."""
        return Checkpoint(
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

    def checkpoint_size(self) -> int:
        """Bytes that a checkpoint will take at most; before the first update as well.

        No optimizer keeps more than three tensors for each of the parameters.
        """
        parameters = sum(p.numel() * p.element_size() for p in self.model.parameters())
        return len(checkpoint_bytes(self.checkpoint())) + 3 * parameters

    def resume(self, path: Path | str) -> None:
        """Take up the state of a checkpoint of the same run."""
        checkpoint = load_checkpoint(path)
        load_weights(self.model, checkpoint)
        require_same_settings(str(path), checkpoint.training, self.config)
        try:
            self.optimizer.load_state_dict(checkpoint.optimizer)
            self.feedback = placed_feedback(self.model, self.config.feedback, checkpoint.feedback)
            torch.set_rng_state(checkpoint.random_state)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"checkpoint {path}: its state does not fit this run ({str(error)!s:.200}); resume "
                "with the same settings or start a new run"
            ) from None
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
            self.processes,
            activity=self.activity,
        )

    def _silent(self) -> list[str]:
        """The layers of neurons that spiked for no sample of the epoch on any process."""
        fired = self.activity.fired()
        counts = self.processes.total(*map(float, fired.values()))
        return [name for name, count in zip(fired, counts, strict=True) if not count]

    def _set_rate(self, epochs_done: float) -> None:
        """The schedule's rate for the next update."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.config, epochs_done)

    def _check(self, result: BatchResult) -> None:
        """Neither the loss nor a parameter may be NaN: a NaN membrane never fires, so that a hidden
        layer of NaN is silent and the loss finite.
        """
        wrong = not math.isfinite(result.loss) or bool(first_not_finite(self.model))
        if not self.processes.any(wrong):
            return
        self._refuse(first_not_finite(self.model) or "the loss")

    def _refuse(self, what: str) -> None:
        """Raise SharedError where something is not finite any more."""
        if what:
            raise SharedError(
                f"{what} is NaN or infinite in epoch {self.epoch + 1}; lower the learning rate "
                f"(it is {self.config.learning_rate}) or set grad_clip"
            )
