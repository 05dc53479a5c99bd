"""Learning from labelled samples in order, each once: what is run, and what it gave."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from onchip.execution import RunResult, Sample
from onchip.showing import Sheet, as_html, as_text


class LearnResult(NamedTuple):
    """What learning from a stream gave.

    `outputs` [samples, T, classes] and `spikes` (as in `RunResult`) while learning; `predictions`
    of every `measure`-th sample *before* it was learned from, with learning off, or None where none
    was measured; `seconds` from each sample's predecessor to its end, without the measured runs (a
    trunk on the host is evaluated for many samples at once and counts for the one that waited).
    """

    outputs: np.ndarray
    spikes: dict[str, np.ndarray]
    predictions: np.ndarray | None
    seconds: float

    def sheet(self) -> Sheet:
        """Return what is shown of it."""
        speed = f"{self.seconds:.3g} s, {self.steps_per_second:.4g} steps per second"
        measured = "none" if self.predictions is None else str(len(self.predictions))
        rates = [(name, f"{values.mean():.4f}") for name, values in self.spikes.items()]
        title = f"LearnResult: {self.samples} samples, {measured} predicted before, {speed}"
        return Sheet(title, ("layer", "spikes per step"), rates)

    def __repr__(self) -> str:
        return as_text(self.sheet())

    def _repr_html_(self) -> str:
        return as_html(self.sheet())

    @property
    def samples(self) -> int:
        """Number of samples learned from."""
        return len(self.outputs)

    @property
    def steps_per_second(self) -> float:
        """Algorithmic time steps learned from per second."""
        return self.samples * self.outputs.shape[1] / max(self.seconds, 1e-9)


class LabelledOrder:
    """Orders the samples of a stream of learning and takes its results apart again.

    Every `measure`-th sample comes twice, first with learning off.
    """

    def __init__(self, samples: int, measure: int) -> None:
        self.count = samples + (-(-samples // measure) if measure else 0)
        self._measure = int(measure)
        self._learned: list[bool] = []
        self._trunk: list[dict[str, np.ndarray]] = []
        self._seconds = 0.0

    def samples(
        self,
        features: Iterable[tuple[np.ndarray, dict[str, np.ndarray]]],
        labels: np.ndarray,
    ) -> Iterator[Sample]:
        """What `BackendNetwork.stream` takes."""
        for i, (frames, spikes) in enumerate(features):
            self._trunk.append(spikes)
            if self._measure and i % self._measure == 0:
                self._learned.append(False)
                yield frames, None
            self._learned.append(True)
            yield frames, labels[i]

    def counting(self, update: Callable[[], None]) -> Callable[[], None]:
        """What to call after each sample: adds up the seconds of those learned from."""
        done, last = 0, time.perf_counter()

        def on_sample() -> None:
            nonlocal done, last
            now = time.perf_counter()
            if self._learned[done]:
                self._seconds += now - last
                update()
            done, last = done + 1, now

        return on_sample

    def result(self, streamed: RunResult) -> LearnResult:
        """Outputs and spikes while learning, and the predictions before it."""
        learned = np.array(self._learned)
        names = self._trunk[0]
        trunk = {name: np.concatenate([s[name] for s in self._trunk]) for name in names}
        spikes = {name: values[learned] for name, values in streamed.spikes.items()}
        predictions = streamed.predictions[~learned] if self._measure else None
        outputs = streamed.outputs[learned]
        return LearnResult(outputs, {**trunk, **spikes}, predictions, self._seconds)
