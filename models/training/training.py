"""Training: what is checked, then epochs with their checkpoints, on one process or several."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from onchip.metadata import plain_metadata
from onchip.models.config import TrainingConfig
from onchip.models.data.augmentation import check_augmentation
from onchip.models.networks.acceleration import accelerate
from onchip.models.networks.geometry import check_pools
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import CheckedFrames, Frames, check_dataset
from onchip.models.training.distributed import ALONE, Processes
from onchip.models.training.evaluation import first_not_finite, seed_everything
from onchip.models.training.patience import has_stalled
from onchip.models.training.progress import Progress, TrainingResult
from onchip.models.training.run import Run
from onchip.models.training.run_files import RunFiles
from onchip.models.training.scaling import scale_to_data
from onchip.models.training.threads import suitable_threads


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
    warn: Callable[[str], None] | None = None,
    tensorboard: Path | str | None = None,
) -> TrainingResult:
    """Train `model` in place; returns the accuracy on `test_set` and the history.

    After every epoch the checkpoint is written: with `checkpoint_dir` to `last.pt` there, and to
    `best.pt` where the test accuracy is the best so far; with `out` to that file, and the best
    beside it (`NAME.best.pt`) unless `best` is False. `resume` is such a file, from which the run
    goes on to the result it would have had. `log` is a CSV file, one row an epoch, `tensorboard`
    a folder for the same figures as TensorBoard reads them; `progress` shows a bar with the time
    left (None: on a terminal only), `report` gets a line after each epoch, `saved` the number of
    epochs done each time the checkpoint was written: whatever happens then, the file holds so many.
    `warn` gets a line where layers were silent for a whole epoch (None: a warning of the logger
    `onchip.models`).

    Each of several `processes` calls this with the same arguments and its model on its device; they
    share the work, all get the result, and rank 0 alone writes and reports. With as many processes
    a resumed run is identical; with another number it is the same up to rounding and dropout.

    Raises ValueError when data and model do not fit, when a checkpoint belongs to another run, and
    when the loss stops being a number; OSError, naming the path, where a file cannot be written,
    before the training wherever that can be known.
    """
    config = config or TrainingConfig()
    plain = plain_metadata(metadata or {})
    files = RunFiles(checkpoint_dir, out, log, best, tensorboard)
    train_set, test_set = processes.together(lambda: _check(model, train_set, test_set, config))
    for name, part in (("training data", train_set), ("test data", test_set)):
        processes.require_same(name, (part.frames.shape, zlib.crc32(part.labels.tobytes())))
    processes.require_same("settings", (config, model.architecture, model.config, str(resume)))
    seed_everything(config.seed)
    if config.scaled_start and resume is None:
        processes.together(lambda: scale_to_data(model, train_set.frames, config.seed))
    processes.share_weights(model)
    run = Run(model, config, plain, processes)
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
        warn if first else (lambda _: None),
    )
    with ExitStack() as stack:
        stack.callback(shown.close)
        stack.enter_context(suitable_threads(model, config.batch_size))
        processes.together(lambda: accelerate(stack, model, config))
        while run.epoch < config.epochs and not has_stalled(run.history, config.patience):
            run.one_epoch(train_set, test_set, shown.batch)
            run.save(files, saved)
            shown.epoch(run.history)
    return run.result()


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
