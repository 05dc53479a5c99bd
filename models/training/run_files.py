"""What a training run leaves on the disk after every epoch, and what is said of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from onchip.files.scalars import write_scalars
from onchip.files.targets import check_target, require_distinct
from onchip.models.training.checkpoint import Checkpoint, save_checkpoint
from onchip.models.training.progress import epoch_scalars, write_log

LAST, BEST = "last.pt", "best.pt"


@dataclass(frozen=True)
class RunFiles:
    """What a run writes after every epoch; None for what it does not.

    `folder` gets `last.pt`, and `best.pt` where the test accuracy is the best so far; `out` is the
    last checkpoint, with the best beside it as NAME.best.pt unless `best` is False; `log` is the
    CSV of `write_log`, `tensorboard` a folder for the same figures.
    """

    folder: Path | str | None = None
    out: Path | str | None = None
    log: Path | str | None = None
    best: bool = True
    tensorboard: Path | str | None = None

    def check(self, size: int) -> None:
        """Make the folders; raise OSError or ValueError where something cannot be written there.

        `size` in bytes is that of a checkpoint: there must be room for all of them and for a new
        one beside the old ones, which stay until it is whole.
        """
        checkpoints = [path for pair in self._checkpoints() for path in pair if path is not None]
        for path in (*checkpoints, *self._logs()):
            path.parent.mkdir(parents=True, exist_ok=True)
        for path in checkpoints:
            missing = sum(not other.exists() for other in checkpoints)
            check_target(path, size * (missing + 1), stream=False)
        for path in self._logs():
            check_target(path, stream=False)
        outputs = [("the checkpoint", path) for path in checkpoints]
        require_distinct([*outputs, *(("the log", path) for path in self._logs())])

    def write(self, checkpoint: Checkpoint, saved: Callable[[int], None] | None = None) -> None:
        """Write all of them, each whole or not at all, the last checkpoint first.

        `saved` hears of the epochs in it as soon as it is there.
        """
        accuracies = [entry["test_accuracy"] for entry in checkpoint.history]
        for last, best in self._checkpoints():
            save_checkpoint(last, checkpoint)
            if saved is not None:
                saved(checkpoint.epoch)
            if best is not None and accuracies[-1] > max(accuracies[:-1], default=-1.0):
                save_checkpoint(best, checkpoint)
        for log in self._logs():
            write_log(log, checkpoint.history, checkpoint.training)
        if self.tensorboard is not None:
            write_scalars(self.tensorboard, epoch_scalars(checkpoint.history))

    def _logs(self) -> list[Path]:
        return [] if self.log is None else [Path(self.log)]

    def _checkpoints(self) -> Iterator[tuple[Path, Path | None]]:
        """(last, best) pairs."""
        if self.folder is not None:
            folder = Path(self.folder)
            yield folder / LAST, folder / BEST if self.best else None
        if self.out is not None:
            out = Path(self.out)
            best = out.with_name(f"{out.stem}.best{out.suffix}")
            yield out, best if self.best else None


class KeptEpochs:
    """How many whole epochs a checkpoint file holds, for what is said when a run ends early."""

    def __init__(self, out: Path | str, epochs: int) -> None:
        self._out, self._epochs, self._kept = out, epochs, 0

    def saved(self, epoch: int) -> None:
        """The checkpoint after `epoch` epochs was written."""
        self._kept = epoch

    def advice(self, option: str | None = None) -> str:
        """How to go on and from what, in one line; nothing where no epoch was finished.

        `option` is what goes on, also after the last epoch; by default it is --resume with the
        file, which ends with the last epoch.
        """
        if not self._kept:
            return ""
        held = f"{self._out} holds epoch {self._kept} of {self._epochs}"
        if option is None and self._kept == self._epochs:
            return held
        return f"go on with {option or f'--resume {self._out}'}; {held}"
