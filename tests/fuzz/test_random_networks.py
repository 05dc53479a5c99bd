"""The executions agree on random networks; a planted fault is found, shrunk and written down."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from case_checks import AGREES, DIFFERS, ROUNDING, UNTESTED, check, executions_of, rounding_grows
from case_minimiser import minimise, script
from fuzzing import fuzz
from random_cases import Case, draw_case

import onchip.models.training.feedback
from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy.backends.table import build
from onchip.deploy.cli.parity_command import simulated
from onchip.lava.teacher import SynapseTeacher
from onchip.rules.feedback import send_back

SCRIPT = Path(__file__).with_name("random_networks.py")


THOUSAND = pytest.param(
    ["--cases", "1000", "--seed", "1"],
    id="a-thousand",
    marks=(pytest.mark.long, pytest.mark.timeout(3600)),
)
MINUTE = pytest.param(
    ["--seconds", "50", "--seed", "11"],
    id="a-minute",
    marks=(pytest.mark.long, pytest.mark.timeout(600)),
)
SIXTEEN = pytest.param(["--cases", "16", "--seed", "11"], id="sixteen")


@pytest.mark.parametrize("options", [SIXTEEN, MINUTE, THOUSAND])
def test_every_execution_agrees_with_the_engine(options):
    command = [sys.executable, str(SCRIPT), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) cases tested \((\d+) in integers\)", done.stdout)
    assert found is not None and int(found[1]) >= 16 and 0 < int(found[2]) < int(found[1])
    for name in simulated():
        assert re.search(rf"^  {name}: .*\d agrees", done.stdout, re.M), done.stdout
    assert re.search(r"^  lava\S*-processes: ", done.stdout, re.M), done.stdout


def test_a_seed_and_a_number_draw_the_same_case_again():
    for number in range(20):
        (one, why), (other, same) = draw_case(3, number), draw_case(3, number)
        assert one.network() == other.network() and why == same
        assert np.array_equal(one.frames, other.frames)


def traces_stay(self):
    """Traces are not zeroed between two samples."""


def wrong_sign(error, matrix):
    return -send_back(error, matrix)


def first_failure(name: str) -> Case:
    for number in itertools.count():
        case, _ = draw_case(5, number)
        if name in executions_of(case.network(), [name])[0] and check(case, name).kind == DIFFERS:
            return case
    raise AssertionError


def is_small(case: Case) -> bool:
    return sum(layer.weight.size for layer in case.start.layers) <= 8


@pytest.mark.parametrize("name", ["lava-sequenced", "lava-fast-pipelined"])
def test_traces_that_are_kept_between_samples_are_found_and_shrunk_to_two(
    monkeypatch, capsys, name
):
    monkeypatch.setattr(SynapseTeacher, "reset_traces", traces_stay)
    case = first_failure(name)
    smallest = minimise(case, lambda smaller: check_if_able(smaller, name) == DIFFERS)
    assert len(smallest.frames) == 2 and is_small(smallest)
    assert smallest.learning is not None
    assert prints(script(smallest, name), capsys).count("FAILED") == 1
    monkeypatch.undo()
    assert prints(script(smallest, name), capsys).count("passed") == 1


def test_a_wrong_sign_in_torchs_direct_feedback_is_found_and_shrunk(monkeypatch, capsys):
    monkeypatch.setattr(onchip.models.training.feedback, "send_back", wrong_sign)
    said: list[str] = []
    tally = fuzz(5, 60, cases=40, say=said.append, only=["torch"])
    assert tally.failures and all("torch differs" in text for text in tally.failures)
    assert said[0] == f"MISMATCH {tally.failures[0]}"
    program = said[1].partition("\n")[2]
    assert "'feedback': 'direct'" in program and "'fc" in program
    assert "FAILED" in prints(program, capsys)
    monkeypatch.undo()
    assert "passed" in prints(program, capsys)


def check_if_able(case: Case, name: str) -> str:
    able, _ = executions_of(case.network(), [name])
    return check(case, name).kind if able else ""


def prints(program: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    exec(compile(program, "case", "exec"), {})
    return capsys.readouterr().out


def one_layer(weight: list[list[float]], neuron: LIF | LeakyIntegrator) -> Case:
    layer = DenseSpec("readout", np.array(weight), neuron)
    frames = np.ones((1, 2, 2), np.uint8)
    return Case(NetworkSpec((layer,), (2,), 2), None, None, frames, np.zeros(1, int))


def nudged(case: Case, change: float) -> Case:
    (layer,) = case.start.layers
    layers = (replace(layer, weight=layer.weight + change * np.array([[1, 0]])),)
    return replace(case, start=replace(case.start, layers=layers))


def test_a_difference_counts_unless_the_engines_own_rounding_explains_it():
    stable = one_layer([[1.0, 2.0]], LeakyIntegrator())
    cancels = one_layer([[1e10, 0.5 - 1e10]], LeakyIntegrator())
    assert not rounding_grows(stable, stable.network())
    assert rounding_grows(cancels, cancels.network())
    for case, change, kind in [
        (stable, 1e-8, DIFFERS),
        (stable, 1e-12, AGREES),
        (cancels, 1e-5, ROUNDING),
    ]:
        other = nudged(case, change).network()
        verdict = check(case, "numpy", lambda spec, name, other=other: build(other, record=True))
        assert verdict.kind == kind


def test_a_case_in_which_nothing_happens_is_no_test():
    silent = one_layer([[0.1, 0.1]], LIF(v_threshold=5.0))
    assert check(silent, "torch").kind == UNTESTED
    assert check(one_layer([[4.0, 4.0]], LIF(v_threshold=5.0)), "torch").kind == AGREES
