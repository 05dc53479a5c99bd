"""The demo's scenario: train, export, drift, learn online in Lava, measure what came back.

The numbers of the scenario are the fields of `Scenario`; everything it finds is in `Outcome`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from deploy.backends import build
from deploy.cli.common import say, show_progress
from deploy.cli.data import DataChoice, take
from deploy.cli.networks import load_checkpoint_model
from deploy.cli.parity_command import choose_executions
from deploy.execution import LearnResult
from deploy.hdf5 import load_spec, save_spec
from deploy.parity import ParityReport, compare
from onchip.spec import NetworkSpec, with_learning

if TYPE_CHECKING:
    from models.data import FrameDataset


@dataclass(frozen=True)
class Scenario:
    """The demo's constants.

    Training: `model` by `method` for `epochs`, else with the recommended settings. Online learning:
    the `plastic` layers, in `mode` by `learning_rate` and `feedback`, from `stream_samples`
    labelled samples, every `measure`-th predicted before it is learned from. `parity_samples` are
    learned from in the parity check, `lava_checked` test samples run in Lava after learning.
    `limit` bounds the samples of each part of the dataset (None: all).
    """

    dataset: str = "digits-dvs"
    split: str = "random"
    time_steps: int = 10
    model: str = "convnet"
    method: str = "ottt_a"
    epochs: int = 6
    plastic: tuple[str, ...] = ("fc1", "readout")
    mode: str = "online"
    feedback: str = "symmetric"
    learning_rate: float = 0.02
    stream_samples: int = 500
    measure: int = 2
    parity_samples: int = 2
    lava_checked: int = 20
    limit: int | None = None


FULL = Scenario()
QUICK = Scenario(epochs=1, stream_samples=12, measure=1, parity_samples=1, lava_checked=2, limit=60)
"""The same in little time: it shows that everything runs, its accuracies mean nothing."""


@dataclass(frozen=True)
class Data:
    """The dataset seen by the original sensor and by the drifted one: the same digits and split."""

    train: FrameDataset
    test: FrameDataset
    drifted_train: FrameDataset
    drifted_test: FrameDataset


@dataclass(frozen=True)
class Outcome:
    """All that the demo found; `stream` is (frames, labels) as they were learned from."""

    data: Data
    before: NetworkSpec
    after: NetworkSpec
    parity: ParityReport
    stream: tuple[np.ndarray, np.ndarray]
    learning: LearnResult
    accuracies: dict[str, float]
    lava_mismatches: int
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
        f"training the {scenario.model} by {scenario.method} for {scenario.epochs} epochs",
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
    learning, after, mismatches = clock.stage(
        "learning",
        f"learning online in Lava from {scenario.stream_samples} samples of the drifted sensor",
        lambda: learn_in_lava(scenario, before, stream, data.drifted_test),
    )
    save_spec(folder / "learned.h5", after)
    accuracies = clock.stage(
        "measuring", "measuring on test samples", lambda: measure(before, after, data)
    )
    return Outcome(
        data=data,
        before=before,
        after=after,
        parity=parity,
        stream=stream,
        learning=learning,
        accuracies=accuracies,
        lava_mismatches=mismatches,
        seconds={**clock.seconds, "total": clock.total()},
    )


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
    )
    config = recommended_training(
        scenario.model, scenario.method, epochs=scenario.epochs, seed=seed
    )
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
        learning_rate=scenario.learning_rate,
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


def learn_in_lava(
    scenario: Scenario,
    spec: NetworkSpec,
    stream: tuple[np.ndarray, np.ndarray],
    test: FrameDataset,
) -> tuple[LearnResult, NetworkSpec, int]:
    """Learn; returns the result, what was learned and how many of some test samples the learned
    network predicts otherwise in Lava than on the NumPy engine.
    """
    with build(spec, "lava") as network:
        result = network.learn(*stream, measure=scenario.measure, progress=show_progress())
        learned = network.snapshot()
        frames, _ = take(test, scenario.lava_checked)
        in_lava = network.run(frames).predictions
    with build(learned) as engine:
        mismatches = int((engine.run(frames).predictions != in_lava).sum())
    entry = {"dataset": scenario.dataset, "drifted": True, "backend": "lava"}
    history = [*spec.metadata.get("learned", []), {**entry, "samples": result.samples}]
    return result, replace(learned, metadata={**spec.metadata, "learned": history}), mismatches


def measure(before: NetworkSpec, after: NetworkSpec, data: Data) -> dict[str, float]:
    """Accuracies on test samples, learning off, by the NumPy engine, and the recovery.

    recovery = (recovered - drifted) / (offline - drifted): 1 is all that was lost.
    """
    with build(before) as network:
        offline = network.evaluate(data.test.frames, data.test.labels)
        drifted = network.evaluate(data.drifted_test.frames, data.drifted_test.labels)
    with build(after) as network:
        recovered = network.evaluate(data.drifted_test.frames, data.drifted_test.labels)
        original = network.evaluate(data.test.frames, data.test.labels)
    fall = offline - drifted
    return {
        "accuracy_offline": offline,
        "accuracy_drifted": drifted,
        "accuracy_recovered": recovered,
        "accuracy_original_after": original,
        "recovery": (recovered - drifted) / fall if fall > 0 else 0.0,
    }
