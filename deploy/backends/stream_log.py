"""Callbacks of a stream: its figures in a CSV file and for TensorBoard, and early stopping."""

from __future__ import annotations

import csv
import time
from collections import deque
from pathlib import Path
from typing import Any

from onchip.arithmetic.loihi import require_integer
from onchip.deploy.backends.streams import SampleEvent, class_of
from onchip.execution import Closing
from onchip.files.scalars import Scalar, write_scalars
from onchip.files.targets import check_target
from onchip.files.writing import write_csv

COLUMNS = ("sample", "label", "prediction", "correct", "accuracy", "seconds", "spikes", "change")
"""Columns of the log: `accuracy` is the share of right predictions among the last `window` samples
with a class, `spikes` the mean of what the recorded layers sent per neuron and step, `change` the
largest change of a weight; what is not known stays empty."""


class StreamLog(Closing):
    """Writes a row for each sample of a stream to a CSV file, and figures for TensorBoard.

    Give it as `on_sample`, inside of a `with`. `csv` is the file, `tensorboard` the folder of the
    run; either may be None. Both are written after every `every` samples and at the end, whole each
    time. `window` is the number of samples of the running accuracy. With `going_on` the rows that a
    CSV file already has are kept before the new ones. Raises OSError or ValueError, before the
    stream, where the file cannot be written.
    """

    def __init__(
        self,
        csv: str | Path | None = None,
        tensorboard: str | Path | None = None,
        *,
        window: int = 100,
        every: int = 100,
        going_on: int = 0,
    ) -> None:
        require_integer("log: window", window, 1, 2**31)
        require_integer("log: every", every, 1, 2**31)
        self._csv, self._folder = csv and Path(csv), tensorboard and Path(tensorboard)
        if self._csv is not None:
            check_target(self._csv, stream=False)
        self._recent, self._every = deque[bool](maxlen=window), every
        self._rows: list[dict[str, Any]] = []
        self._scalars: list[Scalar] = []
        for row in _rows_of(self._csv, going_on) if going_on and self._csv else ():
            self._add(row)

    def __call__(self, event: SampleEvent) -> None:
        """Note a sample."""
        spikes = [float(values.mean()) for values in event.spikes.values()]
        changes = [abs(values).max() for values in (event.changes or {}).values()]
        label = class_of(event.label)
        self._add(
            {
                "label": "" if label is None else label,
                "prediction": event.prediction,
                "correct": "" if event.correct is None else int(event.correct),
                "seconds": f"{event.seconds:.6g}",
                "spikes": f"{sum(spikes) / len(spikes):.6g}" if spikes else "",
                "change": f"{max(changes):.6g}" if changes else "",
            }
        )
        if len(self._rows) % self._every == 0:
            self.write()

    def write(self) -> None:
        """Write what was noted so far."""
        if self._csv is not None:
            write_csv(self._csv, COLUMNS, self._rows)
        if self._folder is not None:
            write_scalars(self._folder, self._scalars)

    def close(self) -> None:
        """Write all of it."""
        self.write()

    def _add(self, row: dict[str, Any]) -> None:
        if row["correct"] != "":
            self._recent.append(bool(int(row["correct"])))
        accuracy = sum(self._recent) / len(self._recent) if self._recent else ""
        number = len(self._rows)
        self._rows.append({**row, "sample": number, "accuracy": accuracy})
        figures = {"accuracy": accuracy, **{name: row[name] for name in ("spikes", "change")}}
        self._scalars += [
            Scalar(number, f"stream/{name}", float(value), time.time())
            for name, value in figures.items()
            if value != ""
        ]


class EarlyStopping:
    """Ends a stream when its running accuracy has not risen for `patience` samples with a class.

    Give it as `on_sample`. The accuracy is that of the last `window` of them; the stream goes on
    until as many were seen.
    """

    def __init__(self, patience: int, window: int = 100) -> None:
        require_integer("early stopping: patience", patience, 1, 2**31)
        require_integer("early stopping: window", window, 1, 2**31)
        self._recent, self._patience = deque[bool](maxlen=window), patience
        self._best, self._waited = -1.0, 0

    def __call__(self, event: SampleEvent) -> bool:
        """Return whether the stream ends."""
        return event.correct is not None and self.stalled(event.correct)

    def stalled(self, correct: bool) -> bool:
        """Take whether the next prediction was right; returns whether the stream ends."""
        self._recent.append(correct)
        if len(self._recent) < (self._recent.maxlen or 1):
            return False
        accuracy = sum(self._recent) / len(self._recent)
        self._waited = 0 if accuracy > self._best else self._waited + 1
        self._best = max(self._best, accuracy)
        return self._waited >= self._patience


def _rows_of(path: Path, count: int) -> list[dict[str, Any]]:
    """The first `count` rows of a log; ValueError where there are fewer."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [dict(row) for row in csv.DictReader(file)][:count]
    if len(rows) < count or any(set(row) != set(COLUMNS) for row in rows):
        raise ValueError(
            f"log {path}: it has {len(rows)} rows of a stream, but {count} samples went by; "
            "name another file"
        )
    return rows
