"""What a path to be written stands for: a file, a stream, or something that must not be touched."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from onchip.files.temporary import probe, remove_stale

_DESCRIPTOR = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/(\d+)")
_MOST_LINKS = 40
"""As many as Linux follows."""

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a device",
}
"""What is neither a regular file nor a folder, by the type in its mode."""


class Target(NamedTuple):
    """What is written: `stream`, an open descriptor, or else the file `path`, links followed.

    `present` is the file's status where there is one; `path` may be the null device, which is
    written into.
    """

    path: Path
    stream: int | None = None
    present: os.stat_result | None = None

    @property
    def null(self) -> bool:
        """Whether all that is written vanishes."""
        return self.present is not None and stat.S_ISCHR(self.present.st_mode)


def find_target(path: str | Path) -> Target:
    """What `path` stands for, symbolic links followed.

    A link to nowhere stands for the file that it names. A path to one of the process's descriptors
    (/dev/stdout, /dev/fd/63) is a stream. Raises FileNotFoundError where the folder is missing,
    PermissionError for a file that is write-protected and ValueError for a folder and for anything
    else that is no regular file.
    """
    path = Path(path)
    stream = stream_of(path)
    if stream is not None:
        os.fstat(stream)
        return Target(path, stream)
    real = Path(os.path.realpath(path))
    present = _status(path)
    if present is None:
        _require_folder(path, real.parent)
    elif stat.S_ISDIR(present.st_mode):
        raise ValueError(f"{path} is a folder; name a file to write")
    elif not stat.S_ISREG(present.st_mode) and not _is_null(present):
        kind = KINDS.get(stat.S_IFMT(present.st_mode), "no regular file")
        raise ValueError(f"{path} is {kind}, not a regular file; name a file to write")
    elif not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return Target(real, None, present)


def check_target(path: str | Path, size: int = 0, *, stream: bool = True) -> None:
    """Raise OSError or ValueError, in one line, where no file of `size` bytes can be written.

    Nothing is changed. What is tried: the path itself, its kind, the permissions of file and
    folder, and room for `size` bytes on the disk. Without `stream`, streams and the null device are
    refused.
    """
    with naming(path):
        target = find_target(path)
        if not stream and (target.stream is not None or target.null):
            raise ValueError(f"{path} is a stream, not a regular file; name a file to write")
        if target.stream is not None or target.null:
            return
        remove_stale(target.path.parent)
        probe(target.path.parent, size)


def require_distinct(paths: Iterable[tuple[str, str | Path]]) -> None:
    """Raise ValueError where two of the outputs, (what it is, its path), are one file."""
    seen: dict[str, str] = {}
    for name, path in paths:
        real = os.path.realpath(path)
        if real in seen and stream_of(Path(path)) is None:
            raise ValueError(f"{seen[real]} and {name} both name {path}; name two files")
        seen[real] = name


def stream_of(path: Path) -> int | None:
    """The descriptor that a path like /dev/stdout or /dev/fd/63 stands for, or None."""
    text = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps the dots
    for _ in range(_MOST_LINKS):
        found = _DESCRIPTOR.fullmatch(text)
        if found is not None:
            return int(found.group(1))
        if not os.path.islink(text):  # noqa: PTH114
            return None
        parent = os.path.realpath(os.path.dirname(text))  # noqa: PTH120
        text = os.path.normpath(os.path.join(parent, os.readlink(text)))  # noqa: PTH115, PTH118
    return None


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Let an OSError of the block name `path`, and not a temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def error_text(error: BaseException) -> str:
    """What went wrong, in one line, with the path where the system names one."""
    if isinstance(error, OSError) and error.errno is not None:
        reason = error.strerror or type(error).__name__
        return reason if error.filename is None else f"{error.filename}: {reason}"
    return " ".join(str(error).split()) or type(error).__name__


def _status(path: Path) -> os.stat_result | None:
    """That of what the path leads to; None where there is nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _require_folder(path: Path, folder: Path) -> None:
    if folder.is_dir():
        return
    shown = path.parent if not path.is_symlink() else folder
    if folder.exists():
        raise NotADirectoryError(f"{shown} is a file, so {path} cannot be in it; name a folder")
    raise FileNotFoundError(f"folder {shown} does not exist; make it first")


def _is_null(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == Path(os.devnull).stat().st_rdev
