"""Runs: what is learned, and what the command writes and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onchip.models.spike_times.command_line import main
from onchip.models.spike_times.config import RunConfig, make_config
from onchip.models.spike_times.events import run_events
from onchip.models.spike_times.learning import train_spike_times
from onchip.models.spike_times.network import SpikeTimeNetwork
from onchip.models.spike_times.runs import RunResult, make_network, train
from onchip.models.spike_times.tasks import digits_split, xor_patterns


def quietly(config: RunConfig) -> RunResult:
    return train(config, lambda line: None)


def by_events(network: SpikeTimeNetwork, times: np.ndarray) -> list[np.ndarray]:
    return [run_events(network.arrays(), sample)[0][-1] for sample in times]


def test_xor_is_learned_from_each_of_twenty_seeds_within_two_hundred_updates() -> None:
    times, labels = xor_patterns()
    after = []
    for seed in range(20):
        result = quietly(make_config("xor", seed=seed))
        assert result.solved_after is not None, seed
        assert [int(np.argmin(last)) for last in by_events(result.network, times)] == list(labels)
        assert (len(result.losses), result.accuracy) == (200, 1.0)
        after.append(result.solved_after)
    assert max(after) <= 200
    assert np.median(after) < 58


def test_a_run_says_since_when_its_patterns_were_right() -> None:
    times, labels = xor_patterns()
    whole = quietly(make_config("xor", seed=3))
    assert whole.solved_after > 1
    network = make_network(whole.config)
    right = []

    def watch(done: int, loss: float) -> None:
        found = [int(np.argmin(last)) for last in by_events(network, times)]
        right.append(found == list(labels))

    train_spike_times(network, times, labels, whole.config.training, watch)
    assert all(right[whole.solved_after - 1 :])
    assert not right[whole.solved_after - 2]


def test_digits_are_learned_and_answered_alike_event_by_event() -> None:
    result = quietly(make_config("digits", updates=250))
    assert result.accuracy > 0.92
    assert (result.silent, result.unanswered) == ([0, 0], 0.0)
    split = digits_split()
    found = [int(np.argmin(last)) for last in by_events(result.network, split.test_times[:60])]
    assert np.mean(found == split.test_labels[:60]) > 0.9
    network_answers = result.network.run(split.test_times[:60])[-1].argmin(1)
    assert found == network_answers.tolist()


def test_without_the_weight_sum_cost_the_digits_neurons_die_and_with_it_none_does() -> None:
    """Control: the same seeds, rates and updates; nothing differs but the cost."""
    for seed in range(3):
        split = digits_split(seed=seed)
        config = make_config("digits", updates=60, seed=seed)
        with_cost, without = make_network(config), make_network(config)
        train_spike_times(with_cost, split.train_times, split.train_labels, config.training)
        train_spike_times(
            without, split.train_times, split.train_labels, replace(config.training, weight_sum=0.0)
        )
        alive, dead = with_cost.run(split.test_times), without.run(split.test_times)
        assert np.isfinite(alive[-1]).any(1).mean() == 1.0
        assert np.isfinite(dead[-1]).any(1).mean() < 0.05
        assert np.isinf(alive[0]).all(0).sum() == 0
        assert np.isinf(dead[0]).all(0).sum() >= 30


@pytest.mark.long
@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_reach_96_percent_in_twenty_cpu_seconds(seed: int) -> None:
    result = quietly(make_config("digits", seed=seed))
    assert result.accuracy >= 0.96
    assert result.cpu_seconds < 20


def test_the_digits_split_is_stratified_disjoint_and_drawn_from_its_seed() -> None:
    first, other = digits_split(seed=0), digits_split(seed=1)
    assert (len(first.train_times), len(first.test_times)) == (1437, 360)
    counts = np.bincount(first.test_labels)
    assert counts.min() >= 34
    assert counts.max() <= 38
    assert not np.array_equal(first.test_labels, other.test_labels)
    from sklearn.datasets import load_digits

    everything = np.concatenate([first.train_times, first.test_times])
    pixels = 16 * (1 - everything / 2)
    np.testing.assert_array_equal(
        np.sort(pixels.sum(1)), np.sort(load_digits().data.sum(1).astype(float))
    )


@pytest.mark.parametrize("task", ["xor", "digits"])
def test_a_seed_decides_a_run(task: str) -> None:
    first, again, other = (
        quietly(make_config(task, updates=3, seed=seed)).losses for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


# -- the command ----------------------------------------------------------------------------------


def test_the_command_writes_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "xor.json"
    command = ["xor", "--seed", "2", "--seeds", "2", "--momentum", "0.4", "--json", str(path)]
    assert main(command) == 0
    written = json.loads(path.read_text())
    assert written["command"].startswith("python -m onchip.models.spike_times xor --seed 2 ")
    assert [run["settings"]["training"]["seed"] for run in written["runs"]] == [2, 3]
    for run, seed in zip(written["runs"], (2, 3), strict=True):
        expected = quietly(make_config("xor", seed=seed, momentum=0.4))
        assert run["losses"] == expected.losses
        assert run["solved_after"] == expected.solved_after
        assert run["settings"]["training"]["momentum"] == 0.4
        weights = [np.array(weight) for weight in run["weights"]]
        for pattern, times in zip(run["patterns"], xor_patterns()[0], strict=True):
            layers, events = run_events(weights, times)
            found = [[np.inf if t is None else t for t in layer] for layer in pattern["layers"]]
            np.testing.assert_array_equal(found[0], layers[0])
            np.testing.assert_array_equal(found[1], layers[1])
            assert (pattern["inputs"], pattern["events"]) == (times.tolist(), events)
            assert pattern["label"] == int(np.argmin(layers[1]))
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    after = written["runs"][0]["solved_after"]
    assert printed[0].startswith(f"seed 2: solved after {after} of 200 updates, loss ")
    assert printed[-1].startswith("xor: 2 of 2 seeds solved, median ")


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    path = tmp_path / "digits.json"
    command = [sys.executable, "-m", "onchip.models.spike_times", "digits", "--updates", "20"]
    command += ["--hidden", "12", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (run,) = json.loads(path.read_text())["runs"]
    assert np.array(run["weights"][0]).shape == (12, 64)
    assert done.stdout.splitlines()[-2] == f"seed 0: test accuracy {run['accuracy']:.4f}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["xor", "--gain", "0.5", "--weight-sum", "0"], "no output fires and weight_sum is 0, so"),
        (["xor", "--gain", "0.5", "--updates", "1"], "no output fires for any of 4 samples; train"),
        (["xor", "--gain", "0"], "gain is 0.0; it must lie in (0, 1000"),
        (["xor", "--spread", "2"], "spread is 2.0; it must lie in [0, 1]"),
        (["xor", "--hidden", "0"], "hidden is 0; it must lie in [1, "),
        (["xor", "--latest", "60"], "latest is 60.0; it must lie in (0, 50"),
        (["xor", "--updates", "0"], "updates is 0; it must lie in [1, "),
        (["xor", "--momentum", "1"], "momentum is 1.0; it must lie in [0, 0.999]"),
        (["xor", "--learning-rate", "nan"], "learning_rate is nan; it must lie in (0, 10]"),
        (["xor", "--seed", "-1"], "seed is -1; it must lie in [0, "),
        (["digits", "--seed", "4294967295", "--seeds", "2"], "seed is 4294967296; it must lie in"),
        (["digits", "--batch", "0"], "batch is 0; it must lie in [1, "),
        (["digits", "--json", "missing/run.json"], "folder missing does not exist; make it first"),
    ],
)
def test_bad_input_costs_one_line_and_no_work(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("onchip.models.spike_times: error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_the_defaults_that_hold(capsys: pytest.CaptureFixture[str]) -> None:
    for task in ("xor", "digits"):
        with pytest.raises(SystemExit):
            main([task, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        config = make_config(task)
        for value, name in (
            (config.hidden, "neurons of the hidden layer"),
            (config.training.updates, "of the weights"),
            (config.training.learning_rate, "at the start"),
            (config.training.momentum, "Adam's first decay"),
            (config.training.weight_sum, "sum to too little"),
            (config.training.row_limit, "norm at most"),
            (config.gain, "a neuron's weights at the start"),
            (config.spread, "relative to their mean"),
            (config.latest, "in synaptic time constants"),
        ):
            assert f"{name} ({value:g})" in text


def test_an_unknown_task_lists_the_known() -> None:
    with pytest.raises(ValueError, match="task 'and' is unknown; choose one of xor, digits"):
        make_config("and")
