"""A made-up chip extension and made-up programs, to see what is detected of a Loihi 2."""

from __future__ import annotations

from pathlib import Path

import pytest

MODULES = {
    "lava/magma/core/model/c/model.py": "class CLoihiProcessModel: pass\n",
    "lava/magma/core/model/nc/model.py": "class AbstractNcProcessModel: pass\n",
    "lava/utils/loihi2_profiler.py": "",
}
"""What lava-nc looks for in the extension, as parts of Lava's namespace package."""

VERSION = "0.7.1"

BOARD_VARIABLES = ("SLURM", "NOSLURM", "BOARD", "PARTITION", "LOIHI_GEN", "NXSDKHOST")

LISTING = ("ncl-1 oheogulch idle", "ncl-2 oheogulch down*", "ncl-3 kapoho allocated")
"""Node, partition and state, as sinfo is asked for them."""


def write_extension(folder: Path, version: str | None = VERSION, source: str | None = None) -> Path:
    """A folder for sys.path with the extension's modules, each holding `source` if given."""
    for name, text in MODULES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if source is None else source)
    if version is not None:
        information = folder / f"lava_loihi-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Name: lava-loihi\nVersion: {version}\n")
    return folder


def write_program(folder: Path, name: str, *lines: str) -> Path:
    """A folder for PATH with a shell script that runs `lines`."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    program.chmod(0o755)
    return folder


def write_sinfo(folder: Path, listing: tuple[str, ...] = LISTING) -> Path:
    """A folder for PATH with a sinfo that prints `listing`."""
    return write_program(folder, "sinfo", *(f"echo '{line}'" for line in listing))


def without_loihi(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No board is named and only programs in `folder` are found; the extension is not public."""
    for name in BOARD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(folder))
