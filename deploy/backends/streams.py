"""Streams: one sample after the other, from any iterable, with an account of each.

A sample is taken from the iterable only when the one before it is done, so what comes next may
depend on what happened, nothing is read ahead, and a stream that is stopped goes on where it was
when `stream` is called again with the same iterator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.deploy.backends.host import progress_bar
from onchip.execution import RunResult
from onchip.program.graphs import AnyNetwork, as_graph
from onchip.showing import Sheet, as_html, as_text

Label: TypeAlias = "int | np.integer[Any] | np.ndarray | None"
"""A class, targets as the network's objective takes them ([T, outputs]), None where it is missing.
"""

StreamItem: TypeAlias = "np.ndarray | tuple[np.ndarray, Label]"
"""Frames [T, *input_shape] of one sample, alone or with a label."""


@dataclass(frozen=True)
class SampleEvent:
    """What happened to one sample of a stream.

    `index` counts the stream's samples from 0; `label` is what was given with it, None where
    nothing was learned; `outputs` [T, classes] and `spikes` (layer -> uint8 [T, neurons], where the
    network was built with `record=True`) are those while it learned. `before` is the prediction
    with learning off, before it was learned from, where that was measured. `changes` are new minus
    old weights by the names of connections, where they were asked for. `seconds` is the time that
    the sample took, without waiting for it.
    """

    index: int
    label: Label
    outputs: np.ndarray
    spikes: Mapping[str, np.ndarray]
    seconds: float
    before: int | None = None
    changes: Mapping[str, np.ndarray] | None = None

    @property
    def learned(self) -> bool:
        """Whether the network learned from it."""
        return self.label is not None

    @property
    def prediction(self) -> int:
        """Class: argmax of the sum of the outputs over the steps, before learning if measured."""
        return int(self.outputs.sum(axis=0).argmax()) if self.before is None else self.before

    @property
    def correct(self) -> bool | None:
        """Whether the prediction is the label; None without a label that is a class."""
        given = class_of(self.label)
        return None if given is None else self.prediction == given


OnSample: TypeAlias = Callable[[SampleEvent], "bool | None"]
"""Called after each sample; the stream ends where it returns True."""

Callbacks: TypeAlias = "OnSample | Sequence[OnSample] | None"
"""One of them, several, which are called in turn, or none."""


class StreamResult(NamedTuple):
    """What a stream gave: of each sample only what fits into memory for ever.

    `predictions` int [samples]; `correct` [samples]: 1 right, 0 wrong, -1 where there was no class
    to compare with; `learned` the number of samples learned from; `seconds` all of them took;
    `stopped` whether `on_sample` ended the stream.
    """

    predictions: np.ndarray
    correct: np.ndarray
    learned: int
    seconds: float
    stopped: bool

    def sheet(self) -> Sheet:
        """Return what is shown of it."""
        rows = [
            ("samples", str(self.samples)),
            ("learned from", str(self.learned)),
            ("accuracy", f"{self.accuracy:.4f}"),
            ("seconds", f"{self.seconds:.3g}"),
            ("stopped by on_sample", "yes" if self.stopped else "no"),
        ]
        return Sheet("StreamResult", ("", ""), rows)

    def __repr__(self) -> str:
        return as_text(self.sheet())

    def _repr_html_(self) -> str:
        return as_html(self.sheet())

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.predictions)

    @property
    def accuracy(self) -> float:
        """Share of right predictions among the samples with a class; NaN without any."""
        known = self.correct[self.correct >= 0]
        return float(known.mean()) if len(known) else float("nan")


@dataclass(frozen=True)
class Streamed:
    """What a stream needs of a network.

    `check(item, index)` makes frames and label of an item; `execute(frames, label)` runs one
    sample; `weights()` are copies of the present weights by the names of connections; `count()` is
    called when a sample is done.
    """

    check: Callable[[StreamItem, int], tuple[np.ndarray, Label]]
    execute: Callable[[np.ndarray, Label], RunResult]
    weights: Callable[[], dict[str, np.ndarray]]
    count: Callable[[], None]


def run_stream(
    network: Streamed,
    samples: Iterable[StreamItem],
    on_sample: Callbacks,
    measure: int,
    changes: bool,
    progress: bool,
) -> StreamResult:
    """Take one sample after the other through a network; see `Execution.stream`."""
    require_integer("stream: measure", int(measure), 0, 2**31)
    callbacks = _each(on_sample)
    predictions, correct, learned, seconds, stopped = [], [], 0, 0.0, False
    with progress_bar("stream", _length(samples), progress) as bar:
        for index, item in enumerate(samples):
            frames, label = network.check(item, index)
            measured = bool(measure) and label is not None and index % measure == 0
            event = _account(network, index, frames, label, measured, changes)
            network.count()
            predictions.append(event.prediction)
            correct.append(-1 if event.correct is None else int(event.correct))
            learned, seconds = learned + event.learned, seconds + event.seconds
            bar.update()
            if any([callback(event) for callback in callbacks]):
                stopped = True
                break
    kept = np.array(predictions, np.int64), np.array(correct, np.int64)
    return StreamResult(*kept, learned, seconds, stopped)


def plastic_weights(network: AnyNetwork) -> dict[str, np.ndarray]:
    """Return the weights of the connections that learn, by name."""
    graph = as_graph(network)
    named = zip(graph.names, graph.connections, strict=True)
    return {name: c.transform.weight for name, c in named if c.plastic}


def class_of(label: Label) -> int | None:
    """Return a label that is a class as a Python integer, None for targets and for none."""
    if label is None or np.ndim(label) > 0:
        return None
    return int(np.asarray(label).item())


def _account(
    network: Streamed, index: int, frames: np.ndarray, label: Label, measured: bool, changes: bool
) -> SampleEvent:
    before = int(network.execute(frames, None).predictions[0]) if measured else None
    old = network.weights() if changes else {}
    began = time.perf_counter()
    result = network.execute(frames, label)
    seconds = time.perf_counter() - began
    new = network.weights() if changes else {}
    return SampleEvent(
        index,
        label,
        result.outputs[0],
        {name: values[0] for name, values in result.spikes.items()},
        seconds,
        before,
        {name: new[name] - old[name] for name in new} if changes else None,
    )


def _each(on_sample: Callbacks) -> Sequence[OnSample]:
    if on_sample is None:
        return ()
    return (on_sample,) if callable(on_sample) else tuple(on_sample)


def _length(samples: Iterable[StreamItem]) -> int | None:
    return len(samples) if isinstance(samples, Sized) else None
