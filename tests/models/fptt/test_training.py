"""Runs: what is learned, and what the command writes and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from onchip.models.fptt.cells import CELLS
from onchip.models.fptt.command_line import main
from onchip.models.fptt.config import RunConfig
from onchip.models.fptt.networks import seeded_network
from onchip.models.fptt.optimizer import FPTTConfig
from onchip.models.fptt.training import RunResult, make_learner, make_network, train

SMALL = {"steps": 20, "parts": 4, "hidden": 16, "batch": 16, "updates": 300}
SHORT = {"steps": 60, "hidden": 32, "batch": 32, "parts": 10}


def quietly(**options):
    return train(RunConfig(**options), lambda line: None)


@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_liquid_cells_learn_to_add_in_seconds(method):
    target = "running" if method == "fptt" else "final"
    result = quietly(**SMALL, method=method, target=target, learning_rate=0.01)
    assert sum(result.losses[:20]) / 20 > 0.15
    assert result.last < 0.05


@pytest.mark.long
@pytest.mark.timeout(400)
def test_sixty_steps_are_learned_within_a_minute_with_liquid_time_constants():
    bptt = quietly(**SHORT, updates=1500, method="bptt")
    fptt = quietly(**SHORT, updates=1500, target="running")
    assert (bptt.cpu_seconds < 60, fptt.cpu_seconds < 60) == (True, True)
    assert bptt.last < 0.005
    assert fptt.best_mean < 0.01


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("cell", ["lif", "adaptive"])
def test_sixty_steps_are_not_learned_with_constant_time_constants(cell):
    bptt = quietly(**SHORT, updates=1500, method="bptt", cell=cell)
    fptt = quietly(**SHORT, updates=1500, target="running", cell=cell)
    assert bptt.best_mean > 0.14
    assert fptt.best_mean > 0.14


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_hundred_steps_are_learned_within_five_minutes():
    fptt = FPTTConfig(alpha=0.1)
    result = quietly(steps=200, parts=10, slowest=200, updates=2500, fptt=fptt)
    assert result.cpu_seconds < 300
    assert result.best < 0.005
    assert result.last < 0.01


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("steps", [500, 1000])
def test_longer_sequences_are_learned_in_parts_of_the_same_length(steps):
    options = {"steps": steps, "parts": steps // 20, "slowest": steps, "updates": 600}
    assert quietly(**options, weighting="published").last < 0.02


@pytest.mark.parametrize("cell", CELLS)
def test_a_seed_decides_a_run(cell):
    options = {**SMALL, "updates": 4, "cell": cell}
    first, again = quietly(**options, seed=5), quietly(**options, seed=5)
    assert first.losses == again.losses
    assert quietly(**options, seed=6).losses != first.losses


def test_the_rate_falls_along_half_a_cosine_and_the_weights_with_it():
    """Updates by SGD without regularizer scale with the rate: checked against a loop."""
    config = RunConfig(**{**SMALL, "updates": 3}, optimizer="sgd", method="bptt", learning_rate=0.2)
    network = make_network(config)
    learner, optimizer = make_learner(config, network)
    from onchip.models.fptt.tasks import AddTask

    generator, losses = torch.Generator().manual_seed(0), []
    for n in range(3):
        optimizer.param_groups[0]["lr"] = 0.2 * (1 + np.cos(np.pi * n / 3)) / 2
        losses.append(learner.learn(AddTask(20).draw(16, generator)))
    assert train(config, print).losses == pytest.approx(losses, rel=1e-6)
    constant = RunConfig(**{**SMALL, "updates": 3}, optimizer="sgd", method="bptt",
                         learning_rate=0.2, schedule="constant")  # fmt: skip
    assert train(constant, print).losses[2] != pytest.approx(losses[2], rel=1e-6)


def test_the_best_mean_is_the_lowest_of_a_hundred_in_a_row():
    losses = np.random.default_rng(0).random(350).tolist()
    result = RunResult(RunConfig(), 1, losses, [], 0.0)
    means = [sum(losses[n : n + 100]) / 100 for n in range(251)]
    assert result.best_mean == pytest.approx(min(means), rel=1e-12)
    assert result.last == pytest.approx(means[-1], rel=1e-12)
    assert result.best == min(losses)
    assert RunResult(RunConfig(), 1, losses[:7], [], 0.0).best_mean == pytest.approx(
        sum(losses[:7]) / 7
    )


def test_digits_end_their_epochs_at_the_means_and_are_tested_then():
    options = {"task": "digits", "steps": 64, "parts": 8, "hidden": 12, "updates": 2, "batch": 128}
    result = quietly(**options)
    assert len(result.losses) == len(result.accuracy) == 2
    config = RunConfig(**options)
    network = make_network(config)
    learner, _ = make_learner(config, network)
    from onchip.models.fptt.labelled import digits

    data, test = digits(0)
    for batch in data.batches(128, torch.Generator().manual_seed(0)):
        learner.learn(batch)
    learner.end_epoch()
    for p, mean in zip(network.parameters(), learner.fptt.means, strict=True):
        assert torch.equal(p, mean)
    answers = network(test.x.transpose(0, 1))[0].argmax(1)
    assert result.accuracy[0] == pytest.approx(float((answers == test.labels).float().mean()))


def test_a_network_is_drawn_from_its_seed_and_nothing_else_is():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again = (seeded_network(4, 2, 6, 1, "ltc") for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("cell", CELLS)
def test_time_constants_are_spread_up_to_the_slowest_and_nothing_else_changes(cell):
    config = RunConfig(steps=300, hidden=(1000, 3), cell=cell, slowest=300, seed=2)
    network, plain = make_network(config), make_network(replace(config, slowest=None))
    first, second = network.layers
    taus = 1 + np.exp(-first.membrane_bias.detach().numpy().astype(float))  # 1 / sigmoid(b)
    assert 2 <= taus.min() < 3
    assert 300 < taus.max() <= 301.01
    counts, _ = np.histogram(taus, bins=10, range=(2, 301))
    assert counts.min() > 80  # of 1000, uniform: 100 in each tenth
    assert len(set(second.membrane_bias.tolist())) == 3
    for (name, a), b in zip(network.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b) == ("membrane_bias" not in name)


# -- the command ----------------------------------------------------------------------------------

FAST = ["--steps", "12", "--parts", "3", "--hidden", "6", "--batch", "8", "--updates", "20"]


def test_the_command_writes_what_it_did(tmp_path, capsys):
    path = tmp_path / "run.json"
    command = ["add", *FAST, "--seed", "3", "--target", "running", "--json", str(path)]
    assert main([*command, "--slowest", "12"]) == 0
    written = json.loads(path.read_text())
    expected = quietly(**{"steps": 12, "parts": 3, "hidden": 6, "batch": 8, "updates": 20,
                          "seed": 3, "target": "running", "slowest": 12,
                          "fptt": FPTTConfig(alpha=0.1)})  # fmt: skip
    assert written["losses"] == expected.losses
    assert written["settings"]["fptt"] == {"alpha": 0.1, "beta": 0.5, "rho": 0.0, "clip": 1.0}
    assert written["settings"]["slowest"] == 12
    assert written["settings"]["target"] == "running"
    assert written["command"].startswith("python -m onchip.models.fptt add --steps 12")
    assert written["last_loss"] == pytest.approx(sum(expected.losses) / 20)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 11
    assert printed[-1].startswith(f"add, ltc by fptt: last loss {expected.last:.5f}, best ")


def test_the_module_runs_as_a_program(tmp_path):
    path = tmp_path / "digits.json"
    command = [sys.executable, "-m", "onchip.models.fptt", "digits", "--epochs", "1", "--hidden"]
    command += ["8", "--oracle", "--cell", "ltc-adaptive", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads(path.read_text())
    assert written["settings"]["oracle"] is True
    assert written["settings"]["fptt"]["alpha"] == 0.1
    assert 0 <= written["accuracy"] <= 1
    assert len(written["accuracies"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["add", "--alpha", "0"], "alpha (the means' update divides by it) is 0.0; it must lie in"),
        (["add", "--steps", "5"], "a sequence of 5 steps has no 10 parts; give at most 5 parts"),
        (["add", "--cell", "lstm"], "cell 'lstm' is unknown; choose one of ltc, ltc-adaptive, ada"),
        (["add", "--method", "rtrl"], "method 'rtrl' is unknown; choose one of fptt, bptt"),
        (["add", "--steps", "1", "--parts", "1"], "steps is 1; it needs 2 or more"),
        (["add", "--target", "first"], "target 'first' is unknown; choose one of final, running"),
        (["add", "--method", "bptt", "--target", "running"], "bptt has neither"),
        (["add", "--weighting", "other"], "choose one of correct, published"),
        (["add", "--optimizer", "lion"], "optimizer 'lion' is unknown; choose one of adam, adamax"),
        (["add", "--learning-rate", "0"], "learning_rate is 0.0; it must lie in (0, 10]"),
        (["add", "--slowest", "0"], "slowest is 0; it must lie in [1, "),
        (["add", "--hidden", "0"], "hidden is 0; it must lie in [1, "),
        (["add", "--seed", "-1"], "seed is -1; it must lie in [0, "),
        (["digits", "--parts", "65"], "a sequence of 64 steps has no 65 parts"),
        (["digits", "--method", "bptt", "--oracle"], "bptt has neither"),
        (["add", "--json", "missing/run.json"], "folder missing does not exist; make it first"),
    ],
)
def test_bad_input_costs_one_line_and_no_work(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("onchip.models.fptt: error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "images"}, "task 'images' is unknown; choose one of add, digits"),
        ({"task": "digits"}, "digits have 64 steps, not 200"),
        ({"task": "digits", "steps": 64, "target": "running"}, "digits have no running target"),
        ({"oracle": True}, "the oracle is a distribution over classes; add has none"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RunConfig(**options)


def test_a_loss_that_is_not_finite_ends_the_run_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blown = ["--optimizer", "sgd", "--lr", "10", "--clip", "0", "--alpha", "1000", "--beta", "1"]
    assert main(["add", *FAST, *blown, "--updates", "200", "--json", "run.json"]) == 2
    error = capsys.readouterr().err
    assert "the loss is " in error
    assert "of 200 updates; lower the learning rate 10" in error
    assert list(tmp_path.iterdir()) == []
