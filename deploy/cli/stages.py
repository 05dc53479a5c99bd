"""The stages of the demo, one function each; `onchip.deploy.cli.demo_settings` plays them in
order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onchip.deploy.backends.host import trunk_spikes
from onchip.deploy.backends.online import learn_in_stages, recovery
from onchip.deploy.backends.table import build
from onchip.deploy.cli.data import DataChoice
from onchip.deploy.cli.networks import load_checkpoint_model, precision_name
from onchip.deploy.cli.parity_command import choose_executions
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.deploy.parity.comparison import ParityReport, compare
from onchip.deploy.quantization.network import Quantization, dequantize, quantize
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.partition import join_trunk, split_trunk
from onchip.program.graphs import INTEGERS, AnyNetwork, as_graph, numbers_of

if TYPE_CHECKING:
    from onchip.deploy.cli.demo_settings import Scenario
    from onchip.models.data import FrameDataset


BACKEND = "lava-compiled"
"""What learns online; its learned network is checked in Lava's own layers afterwards."""


@dataclass(frozen=True)
class Data:
    """The dataset seen by the original sensor and by the drifted one: the same digits and split."""

    train: FrameDataset
    test: FrameDataset
    drifted_train: FrameDataset
    drifted_test: FrameDataset


class Track(NamedTuple):
    """What the demo found in one precision.

    `before` and `after` are networks of that precision, `worth` the same in floating point (of
    integers: what they are worth).
    """

    before: AnyNetwork
    after: AnyNetwork
    worth: tuple[Network, Network]
    parity: ParityReport
    learning: Learning
    accuracies: dict[str, float]


class Learning(NamedTuple):
    """Learning in Lava: `correct` [n] predictions at `positions` [n] of the stream, each before its
    sample was learned from; `mismatches` of the predictions checked after learning.
    """

    positions: np.ndarray
    correct: np.ndarray
    samples: int
    steps_per_second: float
    mismatches: int


def load_data(choice: DataChoice, scenario: Scenario) -> Data:
    """The four parts."""
    train, test = choice.load(limit=scenario.limit)
    return Data(train, test, *choice.load(limit=scenario.limit, drifted=True))


def export(scenario: Scenario, folder: Path, seed: int) -> Bundle:
    """Checkpoint to network.h5, float and integers; returns what is read back from the file."""
    _, trained = load_checkpoint_model(folder / "checkpoint.pt")
    spec = with_learning(
        as_graph(trained),
        plastic=scenario.plastic,
        learning_rate=scenario.rates(0),
        mode=scenario.mode,
        feedback=scenario.feedback,
        seed=seed,
    )
    fixed = quantize(spec, Quantization(seed=seed))
    save_bundle(folder / "network.h5", Bundle(spec, fixed))
    return load_bundle(folder / "network.h5")


def network_of(bundle: Bundle, precision: str) -> AnyNetwork:
    """The float network or the integers."""
    if precision == "float":
        return bundle.spec
    assert bundle.fixed is not None
    return bundle.fixed


def float_worth(bundle: Bundle, spec: AnyNetwork) -> Network:
    """The network in floating point; of integers what they are worth."""
    network: Any = spec
    floats: Any = bundle.spec
    return dequantize(network, floats) if numbers_of(spec) == INTEGERS else network


def save_learned(folder: Path, bundle: Bundle, learned: AnyNetwork) -> None:
    """learned.h5, or learned-fixed.h5 with the integers and what they are worth."""
    network: Any = learned
    if numbers_of(learned) != INTEGERS:
        save_bundle(folder / "learned.h5", Bundle(network))
        return
    worth = replace(float_worth(bundle, learned), metadata=learned.metadata)
    save_bundle(folder / "learned-fixed.h5", Bundle(worth, network))


def check_parity(
    spec: AnyNetwork, stream: tuple[np.ndarray, np.ndarray], samples: int
) -> ParityReport:
    """Torch and Lava, in layers and fused, against the NumPy engine while they learn from the
    stream's first samples.

    Torch is left out for integers, which it does not have.
    """
    names = ["torch", "lava-sequenced", "lava-fused-sequenced"]
    factories, left_out = choose_executions(spec, names)
    frames, labels = stream
    return compare(spec, frames[:samples], labels[:samples], factories, left_out)


class Features(NamedTuple):
    """What the dense layers receive, uint8 [samples, T, features]: the trunk never changes."""

    test: np.ndarray
    drifted_test: np.ndarray
    stream: np.ndarray


def see(spec: AnyNetwork, data: Data, stream: np.ndarray, progress: bool = False) -> Features:
    """The trunk's spikes for all that is needed; `progress` shows a bar."""
    sets = (data.test.frames, data.drifted_test.frames, stream)
    return Features(*(trunk_spikes(spec, frames, progress) for frames in sets))


def learn_in_lava(
    scenario: Scenario,
    spec: AnyNetwork,
    features: Features,
    labels: np.ndarray,
    backend: str = BACKEND,
    progress: bool = False,
) -> tuple[Learning, AnyNetwork]:
    """Learn stage by stage; returns what came of it and the learned network."""
    head: AnyNetwork = split_trunk(spec)[1]
    checked = features.drifted_test[: scenario.lava_checked]
    head, positions, correct, seconds = learn_in_stages(
        head,
        features.stream,
        labels,
        [scenario.rates(stage) for stage in range(len(scenario.learning_rates))],
        backend,
        scenario.measure,
        progress,
    )
    with build(head) as engine, build(head, "lava") as network:  # both load what was learned
        ours, in_lava = (execution.run(checked).predictions for execution in (engine, network))
    mismatches = int((ours != in_lava).sum())
    entry: dict[str, Any] = {"dataset": scenario.dataset, "drifted": True, "backend": backend}
    entry["precision"] = precision_name(spec)
    history = [*spec.metadata.get("learned", []), {**entry, "samples": len(labels)}]
    learned = replace(join_trunk(spec, head), metadata={**spec.metadata, "learned": history})
    speed = len(labels) * spec.time_steps / seconds
    return Learning(positions, correct, len(labels), speed, mismatches), learned


def measure(
    before: AnyNetwork, after: AnyNetwork, features: Features, labels: np.ndarray
) -> dict[str, float]:
    """Accuracies on test samples, learning off, by the NumPy engine, and the recovery.

    Both sensors see the same digits, with these `labels`.
    """
    with build(split_trunk(before)[1]) as network:
        offline = network.evaluate(features.test, labels)
        drifted = network.evaluate(features.drifted_test, labels)
    with build(split_trunk(after)[1]) as network:
        recovered = network.evaluate(features.drifted_test, labels)
        original = network.evaluate(features.test, labels)
    return {
        "accuracy_offline": offline,
        "accuracy_drifted": drifted,
        "accuracy_recovered": recovered,
        "accuracy_original_after": original,
        "recovery": recovery(offline, drifted, recovered),
    }
