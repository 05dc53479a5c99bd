"""What a training run is asked for, checked before the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from onchip.checks import require_between, require_choice
from onchip.models.spike_times.learning import SpikeTimeTraining
from onchip.models.spike_times.tasks import Split, digits_split, xor_split
from onchip.models.spike_times.times import LATEST


class Task(NamedTuple):
    """A task: `split(latest, seed)`, its numbers of inputs and classes, and its own defaults."""

    split: Callable[[float, int], Split]
    inputs: int
    classes: int
    hidden: int
    training: SpikeTimeTraining


TASKS = {
    "xor": Task(xor_split, 2, 2, 4, SpikeTimeTraining(200, batch=4, learning_rate=0.03)),
    "digits": Task(digits_split, 64, 10, 100, SpikeTimeTraining(1500, 64, learning_rate=0.02)),
}
"""Task by name."""


@dataclass(frozen=True)
class RunConfig:
    """A run of one of `TASKS`, by its own defaults where nothing else is said (`make_config`).

    `hidden` neurons between inputs and outputs, `latest` input in synaptic time constants, `gain`
    and `spread` of the weights at the start (`onchip.models.spike_times.network`), `training` the
    rest, whose seed is also that of the weights and of the digits' split. Raises ValueError for
    values out of range.
    """

    task: str
    hidden: int
    training: SpikeTimeTraining
    latest: float = 2.0
    gain: float = 3.0
    spread: float = 0.5

    def __post_init__(self) -> None:
        require_choice("spike times: task", self.task, TASKS)
        require_between("spike times: hidden", self.hidden, 1, 10**5)
        require_between("spike times: latest", self.latest, 0, LATEST, open_low=True)
        require_between("spike times: gain", self.gain, 0, 1e3, open_low=True)
        require_between("spike times: spread", self.spread, 0, 1)
        require_between("spike times: seed", self.training.seed, 0, 2**32 - 1)


def make_config(task: str, **changes: Any) -> RunConfig:
    """The `RunConfig` of a task with its own defaults but for `changes`.

    Those are fields of `RunConfig` or of its `training`. Raises ValueError for an unknown task and
    for values out of range.
    """
    require_choice("spike times: task", task, TASKS)
    network = {name: changes.pop(name) for name in OF_NETWORK if name in changes}
    training = replace(TASKS[task].training, **changes)
    return RunConfig(task, **{"hidden": TASKS[task].hidden, **network}, training=training)


OF_NETWORK = ("hidden", "latest", "gain", "spread")
"""The fields of `RunConfig` that are not of its training."""
