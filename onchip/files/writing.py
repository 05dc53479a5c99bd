"""Writing a file as a whole: a reader finds the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onchip.files.targets import Target, find_target, naming
from onchip.files.temporary import move_to, remove_stale, temporary_file

PRIVATE, PUBLIC = 0o600, 0o666
"""Modes of a file until it takes an old one's place, and of a new one (before the umask)."""


def write_bytes(path: str | Path, data: bytes | memoryview) -> None:
    """Write a file, all of it or nothing.

    The data are on the disk before they take the old file's place, which keeps its mode and, where
    that is allowed, its owner. Symbolic links are followed and stay. A stream (/dev/stdout) is
    written into. Raises FileNotFoundError where the folder is missing, ValueError for a folder, a
    named pipe or a device, and OSError, naming the path, for what the disk refuses.
    """
    with naming(path):
        target = find_target(path)
        if target.stream is not None or target.null:
            _write_into(target, data)
            return
        remove_stale(target.path.parent)
        _replace(target, data)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file; as `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object; ValueError for NaN, which JSON does not know, else as `write_bytes`."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table with a header line; a row's missing values stay empty; as `write_bytes`."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, file.getvalue())


def _replace(target: Target, data: bytes | memoryview) -> None:
    mode = PUBLIC if target.present is None else PRIVATE
    folder = target.path.parent
    with temporary_file(folder, mode) as (descriptor, name):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        if target.present is not None:
            _become_like(descriptor, target.present)
        os.fsync(descriptor)
        move_to(descriptor, name, target.path)
    _sync_folder(folder)


def _become_like(descriptor: int, present: os.stat_result) -> None:
    """Give a new file the owner and the mode of the one whose place it takes."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (present.st_uid, present.st_gid):
        with contextlib.suppress(PermissionError):  # only root gives files away
            os.fchown(descriptor, present.st_uid, present.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(present.st_mode))


def _sync_folder(folder: Path) -> None:
    """Let the new name outlast a power cut; file systems that cannot do it say so in vain."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_into(target: Target, data: bytes | memoryview) -> None:
    """Into a stream, after what was printed so far, or into the null device."""
    for printed in (sys.stdout, sys.stderr):
        if printed is not None:
            printed.flush()
    if target.stream is None:
        descriptor = os.open(target.path, os.O_WRONLY)
    else:
        descriptor = os.dup(target.stream)
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as file:
        file.write(data)  # a reader that has read enough is no error
