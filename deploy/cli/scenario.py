"""The demo's scenario: train, export, drift, learn online in Lava, measure what came back.

The numbers of the scenario are the fields of `Scenario`; everything it finds is in `Outcome`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from deploy.backends import build
from deploy.cli.common import say, show_progress
from deploy.cli.data import DataChoice, take
from deploy.cli.networks import load_checkpoint_model
from deploy.cli.parity_command import choose_executions
from deploy.execution import trunk_spikes, with_head
from deploy.hdf5 import load_spec, save_spec
from deploy.parity import ParityReport, compare
from onchip.spec import NetworkSpec, split_trunk, with_learning

if TYPE_CHECKING:
    from models.data import FrameDataset


@dataclass(frozen=True)
class Scenario:
    """The demo's constants.

    Training: `model` with `model_options` by `method` with the recommended settings, changed by
    `training`. Online learning: the `plastic` layers, in `mode` by `feedback`, from
    `stream_samples` labelled samples in as many stages as there are `learning_rates` (the network
    is rebuilt with what it learned for each), every `measure`-th sample of a stage predicted before
    it is learned from. `parity_samples` are
    learned from in the parity check, `lava_checked` test samples run in Lava after learning.
    `limit` bounds the samples of each part of the dataset (None: all).
    """

    dataset: str = "digits-dvs"
    split: str = "random"
    time_steps: int = 10
    model: str = "convnet"
    method: str = "ottt_a"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=lambda: {"epochs": 8})
    plastic: tuple[str, ...] = ("fc1", "readout")
    mode: str = "online"
    feedback: str = "symmetric"
    learning_rates: tuple[float, ...] = (0.1, 0.05, 0.025)
    stream_samples: int = 600
    measure: int = 3
    parity_samples: int = 2
    lava_checked: int = 20
    limit: int | None = None


FULL = Scenario()
QUICK = Scenario(
    training={**FULL.training, "epochs": 2},
    stream_samples=12,
    measure=1,
    parity_samples=1,
    lava_checked=2,
    limit=100,
)
"""The same in little time: it shows that everything runs, its accuracies mean nothing."""


@dataclass(frozen=True)
class Data:
    """The dataset seen by the original sensor and by the drifted one: the same digits and split."""

    train: FrameDataset
    test: FrameDataset
    drifted_train: FrameDataset
    drifted_test: FrameDataset


class Learning(NamedTuple):
    """Learning in Lava: `correct` [n] predictions at `positions` [n] of the stream, each before its
    sample was learned from; `mismatches` of the predictions checked after learning.
    """

    positions: np.ndarray
    correct: np.ndarray
    samples: int
    steps_per_second: float
    mismatches: int


@dataclass(frozen=True)
class Outcome:
    """All that the demo found."""

    data: Data
    before: NetworkSpec
    after: NetworkSpec
    parity: ParityReport
    learning: Learning
    accuracies: dict[str, float]
    seconds: dict[str, float]


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

    def total(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._started


def play(scenario: Scenario, folder: Path, seed: int) -> Outcome:
    """Play the scenario; leaves checkpoint.pt, network.h5 and learned.h5 in `folder`."""
    clock = Clock()
    choice = DataChoice(scenario.dataset, scenario.split, seed, scenario.time_steps)
    data: Data = clock.stage(
        "data",
        f"{scenario.dataset}: the digits before the original and the drifted sensor",
        lambda: load_data(choice, scenario),
    )
    clock.stage(
        "training",
        f"training the {scenario.model} by {scenario.method}",
        lambda: train_offline(scenario, choice, data, folder / "checkpoint.pt", seed),
    )
    before: NetworkSpec = clock.stage(
        "export",
        "exporting the network to HDF5 and reading it back",
        lambda: export(scenario, folder, seed),
    )
    stream = take(data.drifted_train, scenario.stream_samples, np.random.default_rng(seed))
    parity = clock.stage(
        "parity",
        f"parity of torch, NumPy and Lava, learning from {scenario.parity_samples} samples",
        lambda: check_parity(before, stream, scenario.parity_samples),
    )
    features = clock.stage(
        "trunk", "evaluating the frozen convolutions", lambda: see(before, data, stream[0])
    )
    learning, after = clock.stage(
        "learning",
        f"learning online in Lava from {scenario.stream_samples} samples of the drifted sensor",
        lambda: learn_in_lava(scenario, before, features, stream[1]),
    )
    save_spec(folder / "learned.h5", after)
    accuracies = clock.stage(
        "measuring",
        "measuring on test samples",
        lambda: measure(before, after, features, data.test.labels),
    )
    seconds = {**clock.seconds, "total": clock.total()}
    return Outcome(data, before, after, parity, learning, accuracies, seconds)


def load_data(choice: DataChoice, scenario: Scenario) -> Data:
    """The four parts."""
    train, test = choice.load(limit=scenario.limit)
    return Data(train, test, *choice.load(limit=scenario.limit, drifted=True))


def train_offline(
    scenario: Scenario, choice: DataChoice, data: Data, checkpoint: Path, seed: int
) -> None:
    """Train on the original sensor and leave the last checkpoint."""
    from deploy.cli.train_command import Checkpoints
    from models import build_model, recommended_training, train

    model = build_model(
        scenario.model,
        seed=seed,
        input_shape=tuple(data.train.frames.shape[2:]),
        classes=data.train.classes,
        time_steps=scenario.time_steps,
        **scenario.model_options,
    )
    config = recommended_training(scenario.model, scenario.method, seed=seed, **scenario.training)
    metadata = {**choice.metadata(data.train, data.test), "training": asdict(config)}
    with Checkpoints(checkpoint) as folder:
        train(
            model,
            cast(Any, data.train),  # FrameDataset is frozen, which the protocol does not foresee
            cast(Any, data.test),
            config,
            checkpoint_dir=folder,
            metadata=metadata,
            progress=show_progress(),
        )


def export(scenario: Scenario, folder: Path, seed: int) -> NetworkSpec:
    """Checkpoint to network.h5; returns the network as read back from the file."""
    _, trained = load_checkpoint_model(folder / "checkpoint.pt")
    spec = with_learning(
        trained,
        plastic=scenario.plastic,
        learning_rate=scenario.learning_rates[0],
        mode=scenario.mode,
        feedback=scenario.feedback,
        seed=seed,
    )
    save_spec(folder / "network.h5", spec)
    return load_spec(folder / "network.h5")


def check_parity(
    spec: NetworkSpec, stream: tuple[np.ndarray, np.ndarray], samples: int
) -> ParityReport:
    """Torch and Lava against the NumPy engine while they learn from the stream's first samples."""
    factories, left_out = choose_executions(spec, ["torch", "lava_sequenced"])
    frames, labels = stream
    return compare(spec, frames[:samples], labels[:samples], factories, left_out)


class Features(NamedTuple):
    """What the dense layers receive, uint8 [samples, T, features]: the trunk never changes."""

    test: np.ndarray
    drifted_test: np.ndarray
    stream: np.ndarray


def see(spec: NetworkSpec, data: Data, stream: np.ndarray) -> Features:
    """The trunk's spikes for all that is needed."""
    sets = (data.test.frames, data.drifted_test.frames, stream)
    return Features(*(trunk_spikes(spec, frames, show_progress()) for frames in sets))


def learn_in_lava(
    scenario: Scenario, spec: NetworkSpec, features: Features, labels: np.ndarray
) -> tuple[Learning, NetworkSpec]:
    """Learn stage by stage; returns what came of it and the learned network."""
    _, head = split_trunk(spec)
    checked = features.drifted_test[: scenario.lava_checked]
    positions, correct, seconds = [], [], 0.0
    stages = np.array_split(np.arange(len(labels)), len(scenario.learning_rates))
    for rate, stage in zip(scenario.learning_rates, stages, strict=True):
        with build(_at_rate(head, rate), "lava") as network:
            result = network.learn(
                features.stream[stage], labels[stage], scenario.measure, show_progress()
            )
            head = network.snapshot()
            in_lava = network.run(checked).predictions if stage is stages[-1] else None
        measured = stage[:: scenario.measure]
        positions.append(measured)
        correct.append(result.predictions == labels[measured])
        seconds += result.seconds
    with build(head) as engine:
        mismatches = int((engine.run(checked).predictions != in_lava).sum())
    found = np.concatenate(positions), np.concatenate(correct)
    entry = {"dataset": scenario.dataset, "drifted": True, "backend": "lava"}
    history = [*spec.metadata.get("learned", []), {**entry, "samples": len(labels)}]
    learned = replace(with_head(spec, head), metadata={**spec.metadata, "learned": history})
    speed = len(labels) * spec.time_steps / seconds
    return Learning(*found, len(labels), speed, mismatches), learned


def _at_rate(head: NetworkSpec, rate: float) -> NetworkSpec:
    """The same network with another learning rate; frozen feedback stays as it was deployed."""
    assert head.learning is not None
    return replace(head, learning=replace(head.learning, learning_rate=rate))


def measure(
    before: NetworkSpec, after: NetworkSpec, features: Features, labels: np.ndarray
) -> dict[str, float]:
    """Accuracies on test samples, learning off, by the NumPy engine, and the recovery.

    Both sensors see the same digits, with these `labels`. recovery = (recovered - drifted) /
    (offline - drifted): 1 is all that was lost.
    """
    with build(split_trunk(before)[1]) as network:
        offline = network.evaluate(features.test, labels)
        drifted = network.evaluate(features.drifted_test, labels)
    with build(split_trunk(after)[1]) as network:
        recovered = network.evaluate(features.drifted_test, labels)
        original = network.evaluate(features.test, labels)
    fall = offline - drifted
    return {
        "accuracy_offline": offline,
        "accuracy_drifted": drifted,
        "accuracy_recovered": recovered,
        "accuracy_original_after": original,
        "recovery": (recovered - drifted) / fall if fall > 0 else 0.0,
    }
