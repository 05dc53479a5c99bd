"""Learning from a long stream that an interruption does not cost: its state is kept as it goes.

The state lies beside the network file that will hold what was learned, in the .npz format with a
digest of everything in it (`onchip.files.seal`): `about` (JSON: format, version, samples, seconds,
accuracy_before, settings), `predictions` and the arrays of `Execution.state` as "state/NAME".
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from onchip.deploy.backends.execution import Execution
from onchip.deploy.backends.labelled import LearnResult
from onchip.deploy.backends.streams import SampleEvent
from onchip.files.sealed_arrays import pack, unpack
from onchip.files.targets import naming
from onchip.files.writing import write_bytes

FORMAT, VERSION = "onchip-learning-state", 1
_PREFIX = "state/"


@dataclass(frozen=True)
class Learned:
    """How far a stream was learned from.

    `samples` learned from in `seconds`; `state` of the execution after them; `predictions` of each
    sample before it was learned from (empty where none was measured); `accuracy_before` of the
    network before the first one; `stopped` whether it ended early.
    """

    samples: int = 0
    seconds: float = 0.0
    accuracy_before: float = float("nan")
    state: Mapping[str, np.ndarray] = field(default_factory=dict)
    predictions: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    stopped: bool = False


def state_file(out: Path) -> Path:
    """Where the state of learning is kept whose result will be in `out`."""
    return out.with_name(f"{out.name}.state")


def stream_digest(frames: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 (hexadecimal) of a stream, by which it is known again."""
    total = hashlib.sha256(f"{frames.dtype.str} {frames.shape}".encode())
    total.update(np.ascontiguousarray(frames).reshape(-1).view(np.uint8).data)
    total.update(np.ascontiguousarray(labels, np.int64).data)
    return total.hexdigest()


def save_state(path: Path, learned: Learned, settings: Mapping[str, Any]) -> None:
    """Write the state, all of it or nothing; by `settings` (JSON) the learning is known again."""
    about = {
        "format": FORMAT,
        "version": VERSION,
        "samples": learned.samples,
        "seconds": learned.seconds,
        "accuracy_before": learned.accuracy_before,
        "settings": dict(settings),
    }
    arrays: dict[str, Any] = {f"{_PREFIX}{n}": array for n, array in learned.state.items()}
    write_bytes(path, pack(about, {**arrays, "predictions": learned.predictions}))


def load_state(path: Path, settings: Mapping[str, Any]) -> Learned:
    """The state in a file, of learning with these `settings`.

    Raises FileNotFoundError where there is none, and ValueError, naming the file, for one that is
    damaged or of learning with other settings; the message names both values.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"learning state {path} does not exist, so there is nothing to go on from; "
            "leave --resume out"
        )
    with naming(path):
        data = path.read_bytes()
    try:
        about, arrays = unpack(data)
        learned = _learned(about, arrays)
    except Exception as error:  # what a file that is none of ours makes of NumPy raises anything
        raise ValueError(
            f"learning state {path}: it is damaged or none ({error}); start anew without --resume"
        ) from None
    _require_same(path, about["settings"], settings)
    return learned


def learn_on(
    execution: Execution,
    stream: tuple[np.ndarray, np.ndarray],
    learned: Learned,
    every: int,
    keep: Callable[[Learned], None] | None,
    measure: bool = False,
    progress: bool = False,
    tell: Callable[[SampleEvent], object] | None = None,
    often: float | None = None,
    stop: Callable[[bool], bool] | None = None,
) -> Learned:
    """Learn from the rest of `stream`, (frames, labels), after the samples of `learned`.

    After every `every` samples, but not after the last one, `keep` gets the state; before that
    `tell` hears of each of them, with `often` about every so many seconds. `stop`, for which every
    sample must be measured, is called with whether each was right before it was learned from, those
    of `learned` too, and ends the stream after it by True.
    """
    labels = stream[1]
    if learned.samples:
        execution.restore(learned.state)
    if stop is not None:
        for right in learned.predictions == labels[: len(learned.predictions)]:
            stop(bool(right))
    options = (measure, progress, tell, often, stop)
    until = learned.samples
    while learned.samples < len(labels) and not learned.stopped:
        until += len(labels) if keep is None and tell is None else every
        until = min(until, len(labels))
        learned = _learn_until(until, execution, stream, learned, *options)
        if keep is not None:
            learned = replace(learned, state=execution.state())
            if learned.samples < len(labels) and not learned.stopped:
                keep(learned)
    return learned


def _learn_until(
    until: int,
    execution: Execution,
    stream: tuple[np.ndarray, np.ndarray],
    learned: Learned,
    measure: bool,
    progress: bool,
    tell: Callable[[SampleEvent], object] | None,
    often: float | None,
    stop: Callable[[bool], bool] | None,
) -> Learned:
    """Learn from the samples before number `until`, with `often` or `stop` a few at a time."""
    size = 1 if often or stop else until
    while learned.samples < until and not learned.stopped:
        part = slice(learned.samples, min(learned.samples + size, until))
        frames, labels = (values[part] for values in stream)
        started = time.perf_counter()
        result = execution.learn(frames, labels, measure, progress and stop is None)
        if often and not stop:  # at most twice as many as before: one slow start is not stuck to
            share = often / max(time.perf_counter() - started, 1e-9)
            size = max(1, int(len(labels) * min(share, 2.0)))
        if tell is not None:
            _tell(tell, learned.samples, labels, result)
        found = [] if result.predictions is None else [result.predictions]
        ends = stop is not None and bool(found) and stop(bool(found[0][-1] == labels[-1]))
        learned = Learned(
            learned.samples + result.samples,
            learned.seconds + result.seconds,
            learned.accuracy_before,
            predictions=np.concatenate([learned.predictions, *found]),
            stopped=ends,
        )
    return learned


def _tell(
    tell: Callable[[SampleEvent], object], first: int, labels: np.ndarray, result: LearnResult
) -> None:
    seconds = result.seconds / max(result.samples, 1)
    for i, (label, outputs) in enumerate(zip(labels, result.outputs, strict=True)):
        before = None if result.predictions is None else int(result.predictions[i])
        spikes = {name: values[i] for name, values in result.spikes.items()}
        tell(SampleEvent(first + i, label, outputs, spikes, seconds, before))


def _learned(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Learned:
    if about["format"] != FORMAT or about["version"] != VERSION:
        raise ValueError(f"format {about['format']}, version {about['version']}")
    state = {
        name.removeprefix(_PREFIX): array
        for name, array in arrays.items()
        if name.startswith(_PREFIX)
    }
    before, predictions = float(about["accuracy_before"]), arrays["predictions"]
    return Learned(int(about["samples"]), float(about["seconds"]), before, state, predictions)


def _require_same(path: Path, kept: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if kept.get(name) != value:
            raise ValueError(
                f"learning state {path}: it had {name} {kept.get(name)!r:.80}, here it is "
                f"{value!r:.80}; resume with the same network, data and options, or start anew"
            )
