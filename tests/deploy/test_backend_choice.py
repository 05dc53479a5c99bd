"""What a name of a backend stands for, and that it is said.

Chips are made up: none of this was run on hardware.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_loihi import without_loihi

import onchip.lava.loihi2.hardware as hardware
from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec, Surrogate
from onchip.deploy.backends.table import Choice, build, resolve_backend
from onchip.deploy.cli.networks import choose_backend
from onchip.deploy.quantization.network import quantize
from onchip.lava.loihi2.hardware import NEVER_RUN, HardwareUnavailableError, LoihiStatus
from onchip.models.cli.failures import BAD_INPUT
from onchip.network.learning import with_learning
from onchip.program.integer_spec import FixedNetworkSpec

NOTHING = LoihiStatus(None, None, ("the extension", "a board"))
NO_BOARD = LoihiStatus("0.7.1", None, ("a board",))
NO_EXTENSION = LoihiStatus(None, "host x", ("the extension",))
READY = LoihiStatus("0.7.1", "host x", ())


@pytest.fixture
def float_spec(rng: np.random.Generator) -> NetworkSpec:
    layers = (
        DenseSpec("fc1", rng.normal(0, 1, (6, 8)), LIF(surrogate=Surrogate("rectangle"))),
        DenseSpec("readout", rng.normal(0, 1, (3, 6)), LeakyIntegrator()),
    )
    return with_learning(NetworkSpec(layers, (8,), 4), learning_rate=0.1, feedback="symmetric")


@pytest.fixture
def fixed_spec(float_spec: NetworkSpec) -> FixedNetworkSpec:
    return quantize(float_spec)


@pytest.fixture(autouse=True)
def no_chip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_loihi(monkeypatch, tmp_path)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch):
    def set_status(status: LoihiStatus) -> None:
        monkeypatch.setattr(hardware, "loihi_status", lambda: status)

    return set_status


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list:
    """Arguments of the networks built on a made-up chip."""
    import onchip.lava.loihi2.chip as chip

    calls: list = []
    monkeypatch.setattr(
        chip, "loihi2_network", lambda *args, **options: calls.append((args, options))
    )
    return calls


@pytest.mark.parametrize("status", [NOTHING, NO_BOARD, NO_EXTENSION])
def test_auto_is_lava_where_anything_is_missing_and_says_what(
    fixed_spec, found, capsys, status
) -> None:
    found(status)
    assert choose_backend("auto", fixed_spec) == "lava"
    line = f"backend auto: lava; missing for loihi2: {' and '.join(status.missing)}\n"
    assert capsys.readouterr().err == line


def test_auto_is_the_chip_where_all_is_there_and_says_it_is_untried(
    fixed_spec, found, capsys
) -> None:
    found(READY)
    assert choose_backend("auto", fixed_spec) == "loihi2"
    said = capsys.readouterr().err
    assert said.startswith("backend auto: loihi2; found chip extension 0.7.1 and host x")
    assert NEVER_RUN in said and said.count("\n") == 1


def test_auto_is_lava_for_floating_point_though_a_chip_is_there(float_spec, found, capsys) -> None:
    found(READY)
    assert choose_backend("auto", float_spec) == "lava"
    assert "takes integers and this network is in floating point" in capsys.readouterr().err


def test_the_chip_asked_for_and_there_is_told_to_be_untried(fixed_spec, found, capsys) -> None:
    found(READY)
    assert choose_backend("loihi2", fixed_spec) == "loihi2"
    assert NEVER_RUN in capsys.readouterr().err


def test_other_names_stand_for_themselves_without_a_word(float_spec, fixed_spec, capsys) -> None:
    assert choose_backend("torch", float_spec) == "torch"
    for name in ("numpy", "lava", "lava-fast", "lava-fused"):
        for spec in (float_spec, fixed_spec):
            assert choose_backend(name, spec) == name
    assert capsys.readouterr().err == ""
    names = "torch, numpy, compiled, lava, lava-fast, lava-fused, lava-compiled, loihi2, auto"
    with pytest.raises(ValueError, match=names):
        choose_backend("loihi9", fixed_spec)


def test_without_a_chip_loihi2_is_refused_before_the_work_and_never_replaced(fixed_spec) -> None:
    for refuse in (choose_backend, lambda name, spec: build(spec, name)):
        with pytest.raises(HardwareUnavailableError, match=r"lava-loihi.*--backend lava"):
            refuse("loihi2", fixed_spec)
    assert issubclass(HardwareUnavailableError, BAD_INPUT)  # one line and exit code 2


def test_a_float_network_is_refused_by_loihi2(float_spec, found, built) -> None:
    found(READY)
    for refuse in (choose_backend, lambda name, spec: build(spec, name)):
        with pytest.raises(ValueError, match="quantize first: onchip quantize"):
            refuse("loihi2", float_spec)
    assert built == []


def test_build_hands_the_chip_the_network_with_its_own_schedule(fixed_spec, found, built) -> None:
    found(READY)
    build(fixed_spec, "loihi2", record=True)
    build(fixed_spec, "auto")
    assert built == [
        ((fixed_spec, "sequenced"), {"record": True}),
        ((fixed_spec, "sequenced"), {"record": False}),
    ]


def test_auto_in_the_library_runs_in_the_simulator_and_logs_why(
    fixed_spec, found, samples, rng, caplog
) -> None:
    found(NO_BOARD)
    frames, _ = samples(fixed_spec, 2, rng)
    with build(fixed_spec, "auto") as network, build(fixed_spec) as engine:
        np.testing.assert_array_equal(network.run(frames).outputs, engine.run(frames).outputs)
    assert caplog.messages == ["backend auto: lava; missing for loihi2: a board"]
    assert resolve_backend("numpy", fixed_spec) == Choice("numpy", "it was asked for")


@pytest.mark.parametrize("refuse", [choose_backend, lambda name, spec: build(spec, name)])
def test_integers_are_refused_by_torch_which_says_what_takes_them(fixed_spec, refuse) -> None:
    with pytest.raises(
        ValueError,
        match=r"integers and backend torch .*; use backend "
        r"numpy, compiled, lava, lava-fast, lava-fused or lava-compiled$",
    ):
        refuse("torch", fixed_spec)


def test_pytest_asked_for_a_chip_ends_at_once_where_there_is_none() -> None:
    command = [sys.executable, "-m", "pytest", "--backend=loihi2", "-q", __file__]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "missing for loihi2" in result.stderr and "passed" not in result.stdout
