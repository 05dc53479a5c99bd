"""How a run tells how far it is and what it gave: a bar, lines, a table in a file, a result."""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onchip.files.scalars import Scalar
from onchip.files.writing import write_csv
from onchip.models.config import TrainingConfig, learning_rate_at
from onchip.models.data.bars import tqdm
from onchip.models.training.patience import has_stalled
from onchip.showing import Sheet, Shown

COLUMNS = (
    "epoch", "learning_rate", "loss", "train_accuracy", "test_accuracy", "seconds", "silent"
)  # fmt: skip
"""Columns of the log; `learning_rate` is that of the epoch's first update, `silent` the names of
the layers without a spike, with semicolons between them."""

Entry = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class TrainingResult(Shown):
    """What a run gave.

    `accuracy` is the test accuracy after the last epoch (nothing is selected on the test set),
    `history` one entry per epoch (epoch, loss, train_accuracy, test_accuracy, seconds and, in
    `silent`, the names of the layers that spiked for no sample of the training data), `seconds` the
    time of all epochs, those before a resume included, `peak_memory_bytes` the process's
    largest resident memory so far.
    """

    accuracy: float
    history: tuple[Entry, ...]
    epochs: int
    seconds: float
    peak_memory_bytes: int

    def sheet(self) -> Sheet:
        """Return what is shown of it: a row for each epoch."""
        names = ("epoch", "loss", "train_accuracy", "test_accuracy", "seconds")
        rows = [tuple(f"{entry[name]:.4g}" for name in names) for entry in self.history]
        title = f"TrainingResult: test accuracy {self.accuracy:.4f} after {self.epochs} epochs"
        return Sheet(title, [name.replace("_", " ") for name in names], rows)


class Progress:
    """Shows batches and epochs on a bar (`bar` None: on a terminal only) and by `report`'s lines.

    `warn` gets those on silent layers, None logs them. `samples` of the training data give the
    number of batches, `epoch` those that were done before.
    """

    def __init__(
        self,
        config: TrainingConfig,
        samples: int,
        epoch: int,
        bar: bool | None,
        report: Callable[[str], None] | None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._config, self._report, self._resumed_at = config, report, epoch
        self._warn = warn or logging.getLogger("onchip.models").warning
        batches = -(-samples // config.batch_size)
        self._bar: Any = tqdm(
            initial=epoch * batches,
            total=config.epochs * batches,
            unit="batch",
            desc=f"epoch {epoch + 1}/{config.epochs}",
            disable=not (sys.stderr.isatty() if bar is None else bar),
        )

    def batch(self) -> None:
        """One batch was learned from."""
        self._bar.update()

    def epoch(self, history: Sequence[Entry]) -> None:
        """An epoch ended; `history` has its entry last."""
        entry, epochs = history[-1], self._config.epochs
        self._bar.set_description(f"epoch {min(len(history) + 1, epochs)}/{epochs}", refresh=False)
        self._bar.set_postfix(
            loss=f"{entry['loss']:.3f}", test=f"{100 * entry['test_accuracy']:.1f} %"
        )
        if self._report is not None:
            self._report(epoch_line(history, epochs, self._resumed_at))
            if has_stalled(history, self._config.patience):
                self._report(f"the loss has not fallen for {self._config.patience} epochs: done")
        if line := silence_line(history, self._config):
            self._warn(line)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def epoch_line(history: Sequence[Entry], epochs: int, resumed_at: int = 0) -> str:
    """One line on the last epoch, with the time left by the mean of the epochs since a resume."""
    entry, done = history[-1], len(history)
    seconds = [past["seconds"] for past in history[resumed_at:]]
    left = (epochs - done) * sum(seconds) / len(seconds)
    return (
        f"epoch {done}/{epochs}: loss {entry['loss']:.4f}, "
        f"train {100 * entry['train_accuracy']:.1f} %, test {100 * entry['test_accuracy']:.1f} %, "
        f"{entry['seconds']:.1f} s, {duration(left)} left"
    )


def silence_line(history: Sequence[Entry], config: TrainingConfig) -> str:
    """One line on the layers that were silent in the last epoch, or nothing.

    The same layers are named again only after the run's last epoch.
    """
    last, before = (list(entry.get("silent", ())) for entry in (history[-1], (history[-2:])[0]))
    news = len(history) == 1 or last != before or len(history) == config.epochs
    if not last or not news:
        return ""
    rest = f" and {len(last) - 3} more" if len(last) > 3 else ""
    names = ", ".join(map(repr, last[:3])) + rest
    what = f"layers {names} have" if len(last) > 1 else f"layer {names} has"
    start = "" if config.scaled_start else "begin anew with scaled_start (--scaled-start), or "
    return (
        f"epoch {len(history)}: {what} not spiked for any training sample; unless that changes, "
        f"{start}lower the learning rate"
    )


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def write_log(path: Path, history: Sequence[Entry], config: TrainingConfig) -> None:
    """The history as CSV, one row an epoch, with the columns `COLUMNS`; written anew as a whole.

    A resumed run so has the rows from before, once each.
    """
    rows = [
        {
            **entry,
            "learning_rate": learning_rate_at(config, entry["epoch"] - 1),
            "silent": ";".join(entry.get("silent", ())),
        }
        for entry in history
    ]
    write_csv(path, COLUMNS, [{name: row.get(name, "") for name in COLUMNS} for row in rows])


def epoch_scalars(history: Sequence[Entry]) -> list[Scalar]:
    """The figures of all epochs for TensorBoard; their times count the seconds of the run."""
    found, seconds = [], 0.0
    for entry in history:
        seconds += entry["seconds"]
        found += [
            Scalar(entry["epoch"], f"training/{name}", float(entry[name]), seconds)
            for name in ("loss", "train_accuracy", "test_accuracy")
        ]
    return found


def peak_memory_bytes() -> int:
    """The largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
