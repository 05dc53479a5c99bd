"""The training loop: epochs, learning rate, checkpoints, resuming, one or several processes."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from onchip.metadata import plain_metadata
from onchip.models.config import (
    TrainingConfig,
    learning_rate_at,
    make_optimizer,
    require_same_settings,
)
from onchip.models.data.augmentation import check_augmentation
from onchip.models.networks.acceleration import accelerate
from onchip.models.networks.geometry import check_pools
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import (
    CheckedFrames,
    Frames,
    batch_tensors,
    check_dataset,
    epoch_batches,
    share_of_batch,
)
from onchip.models.training.checkpoint import (
    Checkpoint,
    checkpoint_bytes,
    load_checkpoint,
    load_weights,
)
from onchip.models.training.distributed import ALONE, Processes, SharedError
from onchip.models.training.evaluation import (
    BATCH,
    evaluate,
    first_not_finite,
    seed_epoch,
    seed_everything,
)
from onchip.models.training.progress import Progress, TrainingResult, peak_memory_bytes
from onchip.models.training.run_files import RunFiles
from onchip.models.training.threads import suitable_threads
from onchip.models.training.updates import (
    UPDATES,
    BatchResult,
    Learner,
    feedback_on_device,
    placed_feedback,
)


def train(
    model: SpikingNetwork,
    train_set: Frames,
    test_set: Frames,
    config: TrainingConfig | None = None,
    *,
    checkpoint_dir: Path | str | None = None,
    out: Path | str | None = None,
    resume: Path | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    log: Path | str | None = None,
    report: Callable[[str], None] | None = None,
    processes: Processes = ALONE,
    best: bool = True,
    saved: Callable[[int], None] | None = None,
) -> TrainingResult:
    """Train `model` in place; returns the accuracy on `test_set` and the history.

    After every epoch the checkpoint is written: with `checkpoint_dir` to `last.pt` there, and to
    `best.pt` where the test accuracy is the best so far; with `out` to that file, and the best
    beside it (`NAME.best.pt`) unless `best` is False. `resume` is such a file, from which the run
    goes on to the result it would have had. `log` is a CSV file, one row an epoch; `progress` shows
    a bar with the time left (None: on a terminal only), `report` gets a line after each epoch,
    `saved` the number of epochs done each time the checkpoint was written: whatever happens then,
    the file holds so many.

    Each of several `processes` calls this with the same arguments and its model on its device; they
    share the work, all get the result, and rank 0 alone writes and reports. With as many processes
    a resumed run is identical; with another number it is the same up to rounding and dropout.

    Raises ValueError when data and model do not fit, when a checkpoint belongs to another run, and
    when the loss stops being a number; OSError, naming the path, where a file cannot be written,
    before the training wherever that can be known.
    """
    config = config or TrainingConfig()
    plain = plain_metadata(metadata or {})
    files = RunFiles(checkpoint_dir, out, log, best)
    train_set, test_set = processes.together(lambda: _check(model, train_set, test_set, config))
    for name, part in (("training data", train_set), ("test data", test_set)):
        processes.require_same(name, (part.frames.shape, zlib.crc32(part.labels.tobytes())))
    processes.require_same("settings", (config, model.architecture, model.config, str(resume)))
    seed_everything(config.seed)
    processes.share_weights(model)
    run = _Run(model, config, plain, processes)
    if resume is not None:
        processes.together(lambda: run.resume(resume))
    processes.together(lambda: files.check(run.checkpoint_size()))
    if run.epoch > 0:
        run.save(files, saved)  # the resumed run's: whatever comes next, the file is there
    first = processes.rank == 0
    shown = Progress(
        config,
        len(train_set.labels),
        run.epoch,
        progress if first else False,
        report if first else None,
    )
    with ExitStack() as stack:
        stack.callback(shown.close)
        stack.enter_context(suitable_threads(model, config.batch_size))
        processes.together(lambda: accelerate(stack, model, config))
        while run.epoch < config.epochs:
            run.one_epoch(train_set, test_set, shown.batch)
            run.save(files, saved)
            shown.epoch(run.history)
    return run.result()


class _Run:
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
        self.epoch, self.history = 0, []
        self.optimizer = make_optimizer(config, model.parameters())
        self.feedback = feedback_on_device(model, config.feedback, config.seed)

    def one_epoch(
        self, train_set: CheckedFrames, test_set: CheckedFrames, after_batch: Callable[[], None]
    ) -> None:
        """Learn from every sample once, then measure."""
        started = time.perf_counter()
        seed_epoch(self.config.seed, self.epoch, self.processes.rank)
        loss, correct = self._learn(train_set, after_batch)
        self._refuse(first_not_finite(self.model))  # before the last good checkpoint is replaced
        self.epoch += 1
        entry = {
            "epoch": self.epoch,
            "loss": loss / len(train_set.labels),
            "train_accuracy": correct / len(train_set.labels),
            "test_accuracy": evaluate(self.model, test_set, BATCH, self.processes),
            "seconds": time.perf_counter() - started,
        }
        self.history.append(entry)

    def _learn(self, train_set: CheckedFrames, after_batch: Callable[[], None]) -> list[float]:
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
        )

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


def _check(
    model: SpikingNetwork,
    train_set: Frames,
    test_set: Frames,
    config: TrainingConfig,
) -> tuple[CheckedFrames, CheckedFrames]:
    """Both sets as arrays; ValueError for what can be known to be wrong before training."""
    check_pools(model)
    checked = check_dataset(model, train_set, "training data")
    measured = check_dataset(model, test_set, "test data")
    check_augmentation(config, checked)
    if label := first_not_finite(model):
        raise ValueError(f"{label} is NaN or infinite before training; build the model anew")
    return checked, measured
