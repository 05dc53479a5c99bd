"""Is a Loihi 2 here? The chip extension of Lava and a board, looked for separately.

Nothing in this file or in `onchip.lava.loihi2.chip` has ever been run on a chip: the extension
(package lava-loihi) is not public. What it looks like from outside is read off lava-nc 0.10.0,
which imports it where it is present and takes its board from environment variables
(`lava.utils.loihi`). Lava's own look-ups are not used: `lava.utils.slurm` raises FileNotFoundError
where there is no sinfo, and `Loihi2HwCfg` a NameError where there is no extension.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from onchip.program.graphs import INTEGERS, numbers_of

EXTENSION = "lava-loihi"

EXTENSION_MODULES = (
    "lava.magma.core.model.c",
    "lava.magma.core.model.nc",
    "lava.utils.loihi2_profiler",
)
"""Modules that lava-nc takes from the extension; it adds them to Lava's namespace package."""

NEVER_RUN = "onchip itself has never been run on a chip"

SIMULATOR = "run in the simulator instead: --backend lava --precision fixed"

HOW_TO_NAME_A_BOARD = "set SLURM=1 with BOARD, PARTITION or LOIHI_GEN, or set NXSDKHOST"

COMMAND_SECONDS = 5.0
"""How long sinfo or ping may take; a login node that hangs counts as no board."""

UNUSABLE_STATES = ("down", "drain", "fail", "maint", "unk")
"""Beginnings of the SLURM states of a node that cannot be had; a busy one can, after a wait."""


class HardwareUnavailableError(ValueError):
    """No Loihi 2 to run on; one line that says what is missing and what to run instead."""


class _AbsentError(Exception):
    """Something was not found; the message says what."""


@dataclass(frozen=True)
class LoihiStatus:
    """What was found of a Loihi 2.

    `extension` is the chip extension's version and `board` describes the board, both None where
    there is none; `missing` says in words what is.
    """

    extension: str | None
    board: str | None
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether the extension and a board are there."""
        return not self.missing

    @property
    def summary(self) -> str:
        """In words: what was found if all was, else what is missing for loihi2."""
        if self.missing:
            return f"missing for loihi2: {' and '.join(self.missing)}"
        return f"found chip extension {self.extension} and {self.board}; {NEVER_RUN}"


def loihi_status() -> LoihiStatus:
    """Look for the extension and for a board; never raises, imports nothing of the extension."""
    found: list[str | None] = []
    missing = []
    for find in (find_extension, find_board):
        try:
            found.append(find())
        except _AbsentError as absent:
            found.append(None)
            missing.append(str(absent))
    extension, board = found
    return LoihiStatus(extension, board, tuple(missing))


def require_loihi() -> LoihiStatus:
    """The status of the Loihi 2 here; HardwareUnavailableError where anything is missing."""
    status = loihi_status()
    if not status.ready:
        raise HardwareUnavailableError(f"{status.summary}; {SIMULATOR}")
    return status


def require_integers(spec: Any) -> None:
    """Raise ValueError unless the network is an integer one; the chip has no floating point."""
    if numbers_of(spec) != INTEGERS:
        raise ValueError(
            "network: it is in floating point and backend loihi2 takes integers; "
            "quantize first: onchip quantize"
        )


def find_extension() -> str:
    """The extension's version, "of unknown version" without its package's metadata."""
    for module in EXTENSION_MODULES:
        if importlib.util.find_spec(module) is None:
            raise _AbsentError(
                f"Lava's chip extension (package {EXTENSION}, for members of Intel's research "
                f"community; there is no module {module})"
            )
    try:
        return metadata.version(EXTENSION)
    except metadata.PackageNotFoundError:
        return "of unknown version"


def find_board() -> str:
    """The board that Lava's environment variables name, if it answers.

    SLURM=1: a node that sinfo lists as usable, by its name (BOARD), by its PARTITION, or any where
    LOIHI_GEN alone is set (whose generation sinfo does not tell). Otherwise NXSDKHOST: a host that
    answers ping. With neither no board is looked for: a cluster is not yet a Loihi.
    """
    if os.environ.get("SLURM") == "1":
        return _slurm_board()
    host = os.environ.get("NXSDKHOST")
    if not host:
        raise _AbsentError(f"a board ({HOW_TO_NAME_A_BOARD})")
    if _output("ping", "-c", "1", host) is None:
        raise _AbsentError(f"a board (host NXSDKHOST={host} does not answer ping)")
    return f"host {host}"


def _slurm_board() -> str:
    names = ("BOARD", "PARTITION", "LOIHI_GEN")
    wanted = {name: os.environ[name] for name in names if os.environ.get(name)}
    if not wanted:
        raise _AbsentError(f"a board (SLURM=1 alone names none; {HOW_TO_NAME_A_BOARD})")
    listing = _output("sinfo", "--Node", "--noheader", "--format=%N %R %T")
    if listing is None:
        raise _AbsentError("a board (SLURM=1 is set but sinfo is absent or fails)")
    description = " ".join(f"{name}={value}" for name, value in wanted.items())
    for line in listing.splitlines():
        node, partition, state = (*line.split(), "", "", "")[:3]
        if (
            wanted.get("BOARD", node) == node
            and wanted.get("PARTITION", partition) == partition
            and not state.startswith(UNUSABLE_STATES)
            and not state.endswith("*")  # SLURM marks a node that does not respond
        ):
            return f"SLURM node ({description})"
    raise _AbsentError(f"a board (sinfo lists no usable node for {description})")


def _output(program: str, *arguments: str) -> str | None:
    """What a program prints; None where it is absent, fails or takes too long."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        run = subprocess.run(
            [path, *arguments], capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout
