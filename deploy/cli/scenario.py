"""The demo's scenario: train, export, drift, learn online in Lava, measure what came back.

The numbers of the scenario are the fields of `Scenario`; everything it finds is in `Outcome`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onchip.deploy.cli import stages
from onchip.deploy.cli.common import say
from onchip.deploy.cli.data import DataChoice, take
from onchip.deploy.cli.demo_settings import Scenario
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
    """Seconds by stage, said as they begin."""

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
        lambda: stages.train_offline(
            scenario, choice, data, folder / CHECKPOINT, seed, provenance or {}, resume, saved
        ),
    )
    bundle: Bundle = clock.stage(
        "export",
        "exporting the network, and its integers, to HDF5 and reading them back",
        lambda: stages.export(scenario, folder, seed),
    )
    stream = take(data.drifted_train, scenario.stream_samples, np.random.default_rng(seed))
    tracks = {
        name: _track(scenario, clock, folder, name, bundle, data, stream)
        for name in PRECISIONS[precision]
    }
    return Outcome(data, tracks, clock.seconds)


def _track(
    scenario: Scenario,
    clock: Clock,
    folder: Path,
    precision: str,
    bundle: Bundle,
    data: stages.Data,
    stream: tuple[np.ndarray, np.ndarray],
) -> stages.Track:
    """Parity, learning and measuring in one precision."""
    before = stages.network_of(bundle, precision)
    parity: ParityReport = clock.stage(
        f"{precision}_parity",
        f"{precision}: parity of the executions, learning from {scenario.parity_samples} samples",
        lambda: stages.check_parity(before, stream, scenario.parity_samples),
    )
    features: stages.Features = clock.stage(
        f"{precision}_trunk",
        f"{precision}: evaluating the frozen convolutions",
        lambda: stages.see(before, data, stream[0]),
    )
    learning, after = clock.stage(
        f"{precision}_learning",
        f"{precision}: learning online in Lava from {scenario.stream_samples} samples of the "
        "drifted sensor",
        lambda: stages.learn_in_lava(scenario, before, features, stream[1]),
    )
    stages.save_learned(folder, bundle, after)
    accuracies: dict[str, float] = clock.stage(
        f"{precision}_measuring",
        f"{precision}: measuring on test samples",
        lambda: stages.measure(before, after, features, data.test.labels),
    )
    worth = (stages.float_worth(bundle, before), stages.float_worth(bundle, after))
    return stages.Track(before, after, worth, parity, learning, accuracies)
