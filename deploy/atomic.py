"""Files that are either complete or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends without an exception.

    After an exception the temporary file is removed and `path` is as it was. Raises
    FileNotFoundError when the folder does not exist and ValueError when `path` is a folder.
    """
    path = Path(path)
    check_target(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_target(path: Path) -> None:
    """Raise FileNotFoundError or ValueError where no file can be written at `path`."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file to write")


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file, all of it or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object; ValueError for NaN, which JSON does not know."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def _umask() -> int:
    """The process's file mode mask; reading it means setting it for a moment."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
