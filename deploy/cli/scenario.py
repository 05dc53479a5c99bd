"""The demo's scenario: train, export, drift, learn online in Lava, measure what came back.

The numbers of the scenario are the fields of `Scenario`; everything it finds is in `Outcome`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onchip.deploy.cli import stages
from onchip.deploy.cli.beside import beside, has_another_processor
from onchip.deploy.cli.common import say, show_progress
from onchip.deploy.cli.data import DataChoice, take
from onchip.deploy.cli.demo_settings import Scenario
from onchip.deploy.cli.demo_training import train_offline
from onchip.deploy.files.hdf5 import Bundle
from onchip.deploy.parity.comparison import ParityReport

CHECKPOINT = "checkpoint.pt"
"""The file, in the results' folder, from which a training goes on."""

PRECISIONS = {"float": ("float",), "fixed": ("fixed",), "both": ("float", "fixed")}
"""What `--precision` takes: the precisions in which the network learns online."""


@dataclass(frozen=True)
class Outcome:
    """All that the demo found; `tracks` by precision, "float" or "fixed"."""

    data: stages.Data
    tracks: Mapping[str, stages.Track]
    seconds: Mapping[str, float]

    @property
    def first(self) -> stages.Track:
        """The track that the figures of single networks show."""
        return next(iter(self.tracks.values()))


class Clock:
    """Seconds by stage, said as they begin, since it was made."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def stage(self, name: str, what: str, work: Callable[[], Any]) -> Any:
        """Run `work` as the stage `name`; returns its result."""
        say(f"[{time.perf_counter() - self._started:5.0f} s] {what}")
        started = time.perf_counter()
        result = work()
        self.seconds[name] = time.perf_counter() - started
        return result


def play(
    scenario: Scenario,
    folder: Path,
    seed: int,
    precision: str = "both",
    provenance: Mapping[str, Any] | None = None,
    resume: bool = False,
    saved: Callable[[int], None] = lambda epoch: None,
) -> Outcome:
    """Play the scenario; leaves checkpoint.pt, network.h5 and learned files in `folder`.

    `provenance` goes into their metadata. With `resume` the training goes on from the checkpoint
    that an earlier play of this scenario left in `folder`, if any; `saved` is called with the
    number of epochs in that checkpoint each time it was written.
    """
    clock = Clock()
    choice = DataChoice(scenario.dataset, scenario.split, seed, scenario.time_steps)
    data: stages.Data = clock.stage(
        "data",
        f"{scenario.dataset}: the digits before the original and the drifted sensor",
        lambda: stages.load_data(choice, scenario),
    )
    clock.stage(
        "training",
        f"training the {scenario.model} by {scenario.method}",
        lambda: train_offline(
            scenario, choice, data, folder / CHECKPOINT, seed, provenance or {}, resume, saved
        ),
    )
    bundle: Bundle = clock.stage(
        "export",
        "exporting the network, and its integers, to HDF5 and reading them back",
        lambda: stages.export(scenario, folder, seed),
    )
    stream = take(data.drifted_train, scenario.stream_samples, np.random.default_rng(seed))
    played = Playing(scenario, clock, folder, bundle, data, stream)
    return Outcome(data, played.tracks(PRECISIONS[precision]), clock.seconds)


@dataclass(frozen=True)
class Playing:
    """What the tracks start from: the trained network, the data, and the stream to learn from."""

    scenario: Scenario
    clock: Clock
    folder: Path
    bundle: Bundle
    data: stages.Data
    stream: tuple[np.ndarray, np.ndarray]

    def tracks(self, names: Sequence[str]) -> dict[str, stages.Track]:
        """The tracks of these precisions, which do not depend on each other.

        Two are played at a time where there are processors for them: the one in floating point
        here, since it needs torch, the one in integers in a process beside it.
        """
        if len(names) == 1 or not has_another_processor():
            return {name: self.track(name, show_progress()) for name in names}
        first, second = names
        with beside(lambda: (self.track(second), self.clock.seconds)) as other:
            tracks = {first: self.track(first)}
            tracks[second], seconds = other.result()
        self.clock.seconds.update(seconds)
        return tracks

    def track(self, precision: str, progress: bool = False) -> stages.Track:
        """Parity, learning and measuring in one precision; `progress` shows bars."""
        before, scenario = stages.network_of(self.bundle, precision), self.scenario
        parity: ParityReport = self.clock.stage(
            f"{precision}_parity",
            f"{precision}: parity of the executions, learning from {scenario.parity_samples} "
            "samples",
            lambda: stages.check_parity(before, self.stream, scenario.parity_samples),
        )
        features: stages.Features = self.clock.stage(
            f"{precision}_trunk",
            f"{precision}: evaluating the frozen convolutions",
            lambda: stages.see(before, self.data, self.stream[0], progress),
        )
        learning, after = self.clock.stage(
            f"{precision}_learning",
            f"{precision}: learning online in Lava from {scenario.stream_samples} samples of "
            "the drifted sensor",
            lambda: stages.learn_in_lava(
                scenario, before, features, self.stream[1], progress=progress
            ),
        )
        stages.save_learned(self.folder, self.bundle, after)
        accuracies: dict[str, float] = self.clock.stage(
            f"{precision}_measuring",
            f"{precision}: measuring on test samples",
            lambda: stages.measure(before, after, features, self.data.test.labels),
        )
        worth = (stages.float_worth(self.bundle, before), stages.float_worth(self.bundle, after))
        return stages.Track(before, after, worth, parity, learning, accuracies)
