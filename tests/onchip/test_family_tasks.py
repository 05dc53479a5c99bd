"""The tasks that the family is measured by, and what the committed measurement says."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return runpy.run_path(str(BENCHMARKS / "family_tasks.py"))


def train(steps: int, *times: int) -> np.ndarray:
    found = np.zeros((steps, 1))
    found[list(times)] = 1
    return found


def test_a_train_is_matched_by_as_many_spikes_within_two_steps(tasks):
    wanted = train(20, 5, 12)
    assert tasks["matched"](train(20, 7, 10), wanted)
    assert not tasks["matched"](train(20, 8, 12), wanted)
    assert not tasks["matched"](train(20, 5, 12, 18), wanted)
    assert not tasks["matched"](train(20, 5), wanted)


def test_the_distance_of_one_spike_is_its_kernel_squared(tasks):
    k1, k2 = tasks["KERNEL"]
    kernel = [sum(k1**i * k2 ** (n - i) for i in range(n + 1)) for n in range(15)]
    expected = sum(value**2 for value in kernel)
    np.testing.assert_allclose(tasks["distance"](train(20, 5), train(20)), [expected], rtol=1e-12)
    assert tasks["distance"](train(20, 5), train(20, 5)) == 0


@pytest.mark.parametrize("backend", ["numpy", "lava", "lava-fast"])
def test_a_neuron_learns_the_same_trains_online_in_lava(tasks, backend):
    task = tasks["train_task"](0, **tasks["TRAINS"]["LIF, two filters"], steps=80)
    expected = tasks["learn_trains"](task, 6)
    found = tasks["learn_trains"](task, 6, backend)
    ours, theirs = (one["learned"].connections[0].transform.weight for one in (found, expected))
    assert found["distance"] == pytest.approx(expected["distance"], rel=1e-9)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    before = task.network.connections[0].transform.weight
    assert np.abs(ours - before).max() > 0.01


def test_spikes_are_learned_at_their_times(tasks):
    task = tasks["train_task"](0, **tasks["TRAINS"]["LIF, one filter"])
    found = tasks["learn_trains"](task, 200)
    assert found["spikes_before"] > 8  # it begins with too many
    assert found["trials"][0] is not None and found["distance"] < 0.1


def test_a_late_reward_teaches_the_right_answers_in_lava(tasks):
    before, good = tasks["delayed_reward"](2, "lava-fused", trials=100)
    assert before < 0.7 and good[-25:].mean() >= 0.9


def test_the_better_arm_is_found(tasks):
    good = tasks["bandit"](0, "lava-fused", trials=200)
    assert good[50:100].mean() >= 0.9 and good[-50:].mean() >= 0.9


def test_without_a_reward_nothing_is_learned(tasks):
    rng = np.random.default_rng(0)
    network = tasks["choosing"](rng, 20, 10, 0.1, 0.875)
    with tasks["build"](network, "numpy") as execution:
        execution.learn((rng.random((3, 10, 20)) < 0.3).astype(np.uint8), np.zeros((3, 10, 1)))
        assert execution.snapshot().connections == network.connections


def test_the_committed_measurement_meets_its_targets():
    content = json.loads((BENCHMARKS / "results" / "family.json").read_text())
    rows: dict[str, list[dict[str, Any]]] = {}
    for run in content["trains"]:
        rows.setdefault(run["name"], []).append(run)
    assert len(rows) == 6 and all(len({r["seed"] for r in runs}) == 3 for runs in rows.values())
    for name, runs in rows.items():
        for run in runs:
            assert all(t is not None and t <= run["limit"] for t in run["trials"]), (name, run)
            assert run["limit"] == (600 if len(run["trials"]) == 10 else 800)
    assert not any(content["in_lava"]["differing_spikes"].values())
    assert max(content["in_lava"]["largest_difference_of_weights"].values()) < 1e-9
    assert content["bandit"]["better_arm_at_the_end"]["least"] >= 0.9
    assert content["delayed_reward"]["right_at_the_end"]["least"] >= 0.9
    assert content["sine"]["relative"]["largest"] <= 0.1
    assert content["sine"]["relative_to_silence"]["largest"] <= 0.1
