"""What the table of learning systems claims is what the code does."""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from onchip.deploy import build, quantize
from onchip.deploy.checks.network import check
from onchip.models import build_model, describe_model
from onchip.models.config import METHODS, TrainingConfig
from onchip.models.fptt.learners import FPTTLearner
from onchip.models.fptt.networks import LiquidNetwork
from onchip.models.fptt.optimizer import FPTT, FPTTConfig
from onchip.models.fptt.system import FPTT_LTC
from onchip.models.fptt.tasks import AddTask
from onchip.models.learning_system import LearningSystem
from onchip.models.spike_times.learning import SpikeTimeTraining, train_spike_times
from onchip.models.spike_times.network import SpikeTimeNetwork
from onchip.models.spike_times.system import SPIKE_TIMES
from onchip.models.systems import SYSTEMS
from onchip.models.training.memory import (
    peak_tensor_bytes,
    training_peak_bytes,
    update_peak_bytes,
)
from onchip.models.training.systems import BPTT, MODES, OTTT
from onchip.network.learning import with_learning
from onchip.network.spec import NetworkSpec
from onchip.rules.feedback import FEEDBACKS

ROOT = Path(__file__).parents[2]
LAVA_MODES = {"ottt_a": "accumulate", "ottt_o": "online"}
CASES = [(name, feedback) for name in MODES for feedback in FEEDBACKS]


def row_of(name: str, feedback: str) -> LearningSystem:
    (row,) = (row for row in OTTT if row.name == f"{name}, {feedback} feedback")
    return row


def test_every_method_of_the_trainer_with_every_feedback_has_its_row() -> None:
    assert {*MODES.values(), "bptt"} == set(METHODS)
    assert {row.name for row in OTTT} == {f"{n}, {feedback} feedback" for n, feedback in CASES}
    assert len(SYSTEMS) == len({row.name for row in SYSTEMS})
    assert set(SYSTEMS) >= {*OTTT, BPTT, FPTT_LTC, SPIKE_TIMES}


def test_a_package_of_a_learning_system_has_a_row_in_the_table() -> None:
    packages = {path.parent.name for path in (ROOT / "models").glob("*/system.py")}
    assert packages >= {"fptt", "spike_times"}
    for package in packages:
        module = importlib.import_module(f"onchip.models.{package}.system")
        rows = [value for value in vars(module).values() if isinstance(value, LearningSystem)]
        assert rows
        assert all(row.name in {known.name for known in SYSTEMS} for row in rows)


# -- memory ---------------------------------------------------------------------------------------


def growth(method: str, feedback: str) -> float:
    """Peak bytes of an update at 32 steps, relative to 8."""
    frames = np.zeros((4, 32, 2, 8, 8), dtype=np.uint8)
    labels = np.zeros(4, dtype=np.int64)
    config = TrainingConfig(method=method, feedback=feedback)
    peaks = []
    for steps in (8, 32):
        model = build_model("mlp", input_shape=(2, 8, 8), classes=3, time_steps=steps, hidden=[64])
        peaks.append(update_peak_bytes(model, config, frames[:, :steps], labels))
    return peaks[1] / peaks[0]


@pytest.mark.parametrize(("name", "feedback"), CASES)
def test_memory_of_ottt_does_not_grow(name: str, feedback: str) -> None:
    assert not row_of(name, feedback).memory_grows
    assert growth(MODES[name], feedback) < 1.05


def test_memory_of_bptt_grows() -> None:
    assert BPTT.memory_grows
    assert growth("bptt", "exact") > 1.5


def test_memory_of_fptt_is_that_of_a_part() -> None:
    peaks = []
    for steps in (40, 160):
        network = LiquidNetwork(2, 16, 1)
        fptt = FPTT(network, torch.optim.Adam(network.parameters(), 0.01), FPTTConfig())
        learner = FPTTLearner(network, fptt, functional.mse_loss, parts=steps // 10)
        batch = AddTask(steps).draw(8, torch.Generator().manual_seed(0))
        peaks.append(training_peak_bytes(lambda *_, by=learner, b=batch: by.learn(b)))
    assert not FPTT_LTC.memory_grows
    assert peaks[1] / peaks[0] < 1.05


def test_memory_of_spike_times_does_not_know_how_long_a_sample_is() -> None:
    peaks = []
    for latest in (1.0, 20.0):
        network, times = SpikeTimeNetwork((8, 16, 2)), np.linspace(0, latest, 32).reshape(4, 8)
        settings = SpikeTimeTraining(1, 4, 0.01)
        labels = np.array([0, 1, 0, 1])
        peaks.append(
            peak_tensor_bytes(
                lambda n=network, t=times, s=settings, k=labels: train_spike_times(n, t, k, s)
            )
        )
    assert not SPIKE_TIMES.memory_grows
    assert peaks[0] == peaks[1]


# -- deployment -----------------------------------------------------------------------------------


def described(time_steps: int = 4) -> NetworkSpec:
    torch.manual_seed(0)
    model = build_model("mlp", input_shape=(2, 4, 4), classes=3, time_steps=time_steps, hidden=[12])
    return describe_model(model)


@pytest.mark.parametrize(("name", "feedback"), CASES)
def test_ottt_learns_online_in_lava_and_on_the_chip_where_the_row_says_so(
    name: str, feedback: str
) -> None:
    row = row_of(name, feedback)
    spec = with_learning(
        described(), learning_rate=0.05, mode=LAVA_MODES[MODES[name]], feedback=feedback
    )
    assert bool(spec.learning.feedback_matrices) == row.local
    assert check(spec, quantize(spec)).passed == row.learns_on_chip
    frames = np.random.default_rng(0).integers(0, 2, (2, 4, 2, 4, 4)).astype(np.uint8)
    with build(spec, backend="lava-fused") as network:
        network.learn(frames, np.array([0, 1]))
        learned = network.snapshot()
    changed = [
        not np.array_equal(a.weight, b.weight)
        for a, b in zip(spec.layers, learned.layers, strict=True)
    ]
    assert all(changed) == row.learns_online
    assert row.deploys


def test_what_stays_offline_says_so_in_its_row() -> None:
    assert isinstance(described(), NetworkSpec)
    assert BPTT.deploys
    for row, network in (
        (FPTT_LTC, LiquidNetwork(2, 4, 1)),
        (SPIKE_TIMES, SpikeTimeNetwork((2, 3))),
    ):
        with pytest.raises(ValueError, match="cannot describe"):
            describe_model(network)
        assert not (row.deploys or row.learns_online or row.learns_on_chip)


def test_the_documentations_table_has_a_row_a_system_and_its_pages_exist() -> None:
    extension = runpy.run_path(str(ROOT / "notebooks" / "docs" / "_extensions" / "systems.py"))
    lines = extension["systems_table"](SYSTEMS).splitlines()
    assert sum(line.startswith("   * - ") for line in lines) == len(SYSTEMS) + 1
    assert sum(line.startswith("     - ") for line in lines) == 5 * (len(SYSTEMS) + 1)
    for system in SYSTEMS:
        assert f"   * - :doc:`{system.name} </docs/{system.page}>`" in lines
        assert (ROOT / "notebooks" / "docs" / f"{system.page}.rst").exists()
    cells = extension["system_row"](row_of("OTTT_A", "exact"))
    assert cells[1:] == (
        "offline, online",
        "no: a trace of every input",
        "no: reads the weights of the layer above",
        "yes",
        "no: no synapse can read another's weight",
    )
