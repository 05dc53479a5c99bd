"""A training run and what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from onchip.models.spike_times.config import TASKS, RunConfig
from onchip.models.spike_times.events import run_events
from onchip.models.spike_times.learning import accuracy, train_spike_times
from onchip.models.spike_times.network import SpikeTimeNetwork, first_to_fire
from onchip.models.spike_times.tasks import Split

AVERAGED = 50
"""Updates that a reported mean of losses is taken over."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    `losses` of every update's batch, before the update; `accuracy` on the test part; `solved_after`
    updates all patterns were right and stayed so (XOR; None: not solved, or another task); `silent`
    neurons of each layer that fire for no sample of the test part; `unanswered`, the share of its
    samples for which no output fires; `cpu_seconds` of training.
    """

    config: RunConfig
    network: SpikeTimeNetwork
    losses: list[float]
    accuracy: float
    solved_after: int | None
    silent: list[int]
    unanswered: float
    cpu_seconds: float

    @property
    def last(self) -> float:
        """Mean of the last `AVERAGED` losses."""
        return mean_of_last(self.losses)

    def summary(self) -> dict[str, Any]:
        """Settings and outcome, plain for JSON."""
        return {
            "settings": asdict(self.config),
            "accuracy": self.accuracy,
            "solved_after": self.solved_after,
            "last_loss": self.last,
            "silent": self.silent,
            "unanswered": self.unanswered,
            "cpu_seconds": round(self.cpu_seconds, 1),
        }

    def as_json(self) -> dict[str, Any]:
        """The summary with the losses and the weights [post, pre], inputs first."""
        weights = [weight.tolist() for weight in self.network.arrays()]
        return {**self.summary(), "losses": self.losses, "weights": weights}


def train(config: RunConfig, report: Report = print, every: int = 0) -> RunResult:
    """Train the network of `config`; the same seed gives the same result on the same machine.

    `report` gets a line after each `every` updates, none with 0. Raises ValueError where no output
    fires for any sample.
    """
    split = TASKS[config.task].split(config.latest, config.training.seed)
    network = make_network(config)
    solved: list[int] = []
    watch = _watch_patterns(network, split, solved) if config.task == "xor" else None
    losses: list[float] = []

    def observe(done: int, loss: float) -> None:
        losses.append(loss)
        if watch is not None:
            watch(done)
        if every and done % every == 0:
            report(f"{done}: loss {mean_of_last(losses):.5f}")

    started = time.process_time()
    train_spike_times(network, split.train_times, split.train_labels, config.training, observe)
    seconds = time.process_time() - started
    right = accuracy(network, split.test_times, split.test_labels)
    layers = network.run(split.test_times)
    silent = [int(np.isinf(times).all(0).sum()) for times in layers]
    unanswered = float(np.isinf(layers[-1]).all(1).mean())
    after = solved[0] if solved else None
    return RunResult(config, network, losses, right, after, silent, unanswered, seconds)


def make_network(config: RunConfig) -> SpikeTimeNetwork:
    """The network of a run before training."""
    task = TASKS[config.task]
    sizes = (task.inputs, config.hidden, task.classes)
    return SpikeTimeNetwork(
        sizes, gain=config.gain, spread=config.spread, seed=config.training.seed
    )


def pattern_times(network: SpikeTimeNetwork, patterns: np.ndarray) -> list[dict[str, Any]]:
    """Spike times of each of `patterns` [samples, inputs], executed event by event.

    A dict each of `inputs`, `layers` (from the first hidden one), None for "never", and `events`.
    """
    found = []
    for pattern in patterns:
        layers, events = run_events(network.arrays(), pattern, network.time_constant)
        times = [_plain(layer) for layer in layers]
        found.append({"inputs": _plain(pattern), "layers": times, "events": events})
    return found


def mean_of_last(losses: list[float]) -> float:
    """Mean of the last `AVERAGED` of `losses`."""
    end = losses[-AVERAGED:]
    return sum(end) / len(end)


def _watch_patterns(
    network: SpikeTimeNetwork, split: Split, solved: list[int]
) -> Callable[[int], None]:
    """A function that keeps in `solved` since which update all patterns are right, if they are."""

    def watch(done: int) -> None:
        first = first_to_fire(network.run(split.test_times)[-1])
        solved[:] = (solved or [done]) if (first == split.test_labels).all() else []

    return watch


def _plain(times: np.ndarray) -> list[float | None]:
    return [float(time) if math.isfinite(time) else None for time in times]
