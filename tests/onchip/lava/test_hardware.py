"""Extension and board are found or missed separately, and a refusal says in one line what lacks.

Both are made up here: none of this was run on hardware.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fake_loihi import VERSION, without_loihi, write_extension, write_program, write_sinfo

import onchip.lava.loihi2.hardware as hardware
from onchip.lava.loihi2.hardware import (
    NEVER_RUN,
    HardwareUnavailableError,
    LoihiStatus,
    loihi_status,
    require_loihi,
)


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder in PATH, empty at first; no board is named."""
    without_loihi(monkeypatch, tmp_path / "bin")
    return tmp_path / "bin"


@pytest.fixture
def set_board(monkeypatch: pytest.MonkeyPatch):
    def set_variables(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An extension on sys.path whose modules must not be imported by looking for them."""
    folder = write_extension(tmp_path / "extension", source="raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_neither_extension_nor_board() -> None:
    status = loihi_status()
    assert (status.extension, status.board, status.ready) == (None, None, False)
    extension, board = status.missing
    assert "lava-loihi" in extension and "lava.magma.core.model.c" in extension
    assert "SLURM=1" in board and "NXSDKHOST" in board


def test_extension_without_a_board(extension: Path) -> None:
    status = loihi_status()
    assert (status.extension, status.board, status.ready) == (VERSION, None, False)
    (board,) = status.missing
    assert board.startswith("a board")


def test_board_without_the_extension(programs: Path, set_board) -> None:
    write_sinfo(programs)
    set_board(SLURM="1", PARTITION="kapoho")
    status = loihi_status()
    assert status.extension is None and not status.ready
    assert status.board == "SLURM node (PARTITION=kapoho)"
    (missing,) = status.missing
    assert "lava-loihi" in missing


def test_extension_and_board(extension: Path, programs: Path, set_board) -> None:
    write_sinfo(programs)
    set_board(SLURM="1", BOARD="ncl-1", LOIHI_GEN="N3B3")
    status = require_loihi()
    assert status == LoihiStatus(VERSION, "SLURM node (BOARD=ncl-1 LOIHI_GEN=N3B3)", ())
    assert status.ready and VERSION in status.summary and NEVER_RUN in status.summary


def test_looking_for_the_extension_imports_nothing_of_it(extension: Path) -> None:
    assert loihi_status().extension == VERSION
    assert "lava.magma.core.model.nc" not in sys.modules


def test_an_incomplete_extension_is_missing(extension: Path) -> None:
    (extension / "lava/utils/loihi2_profiler.py").unlink()
    status = loihi_status()
    assert status.extension is None
    assert "no module lava.utils.loihi2_profiler" in status.missing[0]


def test_an_extension_without_metadata_is_there(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(write_extension(tmp_path / "extension", version=None)))
    assert loihi_status().extension == "of unknown version"


@pytest.mark.parametrize(
    ("variables", "board"),
    [
        ({"BOARD": "ncl-1"}, "SLURM node (BOARD=ncl-1)"),
        ({"BOARD": "ncl-1", "PARTITION": "oheogulch"}, "SLURM node (BOARD=ncl-1 PARTITION=oheog"),
        ({"BOARD": "ncl-3"}, "SLURM node (BOARD=ncl-3)"),  # busy: it can be waited for
        ({"LOIHI_GEN": "N3B3"}, "SLURM node (LOIHI_GEN=N3B3)"),
        ({"BOARD": "ncl-1", "PARTITION": "kapoho"}, None),
        ({"BOARD": "ncl-2"}, None),  # down
        ({"BOARD": "ncl-4"}, None),
        ({}, None),
    ],
)
def test_slurm_has_a_board_where_a_named_node_is_up(programs, set_board, variables, board) -> None:
    write_sinfo(programs)
    set_board(SLURM="1", **variables)
    found = loihi_status()
    assert (found.board is None) == (board is None)
    assert (found.board or "").startswith(board or "")
    for value in variables.values():
        assert board or value in found.missing[-1]


def test_a_cluster_is_not_taken_for_a_loihi(programs: Path, set_board) -> None:
    write_sinfo(programs)
    set_board(BOARD="ncl-1")
    assert loihi_status().board is None


def test_without_sinfo_nothing_is_raised_as_lava_would(set_board) -> None:
    from lava.utils import slurm

    set_board(SLURM="1", BOARD="ncl-1")
    assert "sinfo is absent or fails" in loihi_status().missing[-1]
    with pytest.raises(FileNotFoundError):
        slurm.is_available()


@pytest.mark.parametrize("script", ["exit 1", "exec /bin/sleep 20"])
def test_a_sinfo_that_fails_or_hangs_is_no_board(programs, set_board, monkeypatch, script) -> None:
    monkeypatch.setattr(hardware, "COMMAND_SECONDS", 0.3)
    write_program(programs, "sinfo", script)
    set_board(SLURM="1", BOARD="ncl-1")
    assert "sinfo is absent or fails" in loihi_status().missing[-1]


@pytest.mark.parametrize(("code", "board"), [(0, "host 192.0.2.7"), (1, None)])
def test_a_host_is_a_board_if_it_answers_ping(programs, set_board, code, board) -> None:
    write_program(programs, "ping", f'test "$3" = 192.0.2.7 && exit {code}', "exit 1")
    set_board(NXSDKHOST="192.0.2.7")
    status = loihi_status()
    assert status.board == board
    assert board or "NXSDKHOST=192.0.2.7 does not answer ping" in status.missing[-1]


@pytest.mark.parametrize("named", [False, True])
def test_the_refusal_is_one_line_that_says_what_lacks_and_what_to_run(
    extension, set_board, named
) -> None:
    set_board(**({"NXSDKHOST": "192.0.2.7"} if named else {}))
    with pytest.raises(HardwareUnavailableError) as refusal:
        require_loihi()
    text = str(refusal.value)
    assert "\n" not in text and "loihi2" in text
    assert "192.0.2.7" in text if named else "NXSDKHOST" in text
    assert "extension" not in text  # it is there
    assert text.endswith("--backend lava --precision fixed")
    assert isinstance(refusal.value, ValueError)  # so the command answers it with exit code 2
