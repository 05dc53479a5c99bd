"""The file that takes a target's place: without a name, or with one that nobody can guess.

Where the file system can, the file has no name until it is complete (O_TMPFILE), so that a process
killed while it writes leaves nothing. Elsewhere its name says which process made it:

    .onchip-MACHINE-PID-START-RANDOM.tmp

`MACHINE` stands for the machine's boot and the process's PID namespace, `START` is the process's
start time, as a PID is used again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

NAME = re.compile(r"\.onchip-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{16}\.tmp")
FORGOTTEN = 24 * 3600.0
"""Seconds after which a temporary file of any machine is nobody's: none is written for so long."""

_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)


@contextlib.contextmanager
def temporary_file(folder: Path, mode: int) -> Iterator[tuple[int, Path | None]]:
    """(descriptor for writing, its name or None while it has none) of a new file in `folder`.

    `mode` is limited by the process's umask, as for any new file. Whatever of it has a name at the
    end is removed.
    """
    name = None
    try:
        descriptor = _open_nameless(folder, mode)
        if descriptor is None:
            name = folder / new_name()
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)
    finally:
        if name is not None:
            name.unlink(missing_ok=True)


def move_to(descriptor: int, name: Path | None, target: Path) -> None:
    """Let the complete file of `temporary_file` take the place of `target`, at once."""
    if name is not None:
        name.replace(target)
        return
    # The kernel gives a file without a name only a new name, so that it gets two, one by one.
    name = target.parent / new_name()
    try:
        _give_name(descriptor, name)
        name.replace(target)
    finally:
        name.unlink(missing_ok=True)


def _give_name(descriptor: int, name: Path) -> None:
    """Link the file, or copy it where the file system knows files without names but no links."""
    try:
        # with a src_dir_fd, which an absolute path makes no use of: only then are links followed
        os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=descriptor, follow_symlinks=True)
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, *_UNSUPPORTED):
            raise
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(copy, "wb") as new, os.fdopen(os.dup(descriptor), "rb") as old:
        old.seek(0)
        shutil.copyfileobj(old, new)
        new.flush()
        os.fchmod(copy, mode)
        os.fsync(copy)


def probe(folder: Path, size: int) -> None:
    """Raise OSError where no new file of `size` bytes can be made in `folder`; leaves nothing."""
    with temporary_file(folder, 0o600) as (descriptor, _):
        if size:
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise


def remove_stale(folder: Path) -> None:
    """Remove the temporary files that processes left here which are no more."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = NAME.fullmatch(entry.name)
            if found is not None and _is_stale(entry, *found.groups()):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def new_name() -> str:
    """A name for a temporary file of this process."""
    pid = os.getpid()
    return f".onchip-{_machine()}-{pid}-{_started(pid) or 0}-{secrets.token_hex(8)}.tmp"


def _open_nameless(folder: Path, mode: int) -> int | None:
    """A descriptor of a file without a name, None where there are none such."""
    flag = getattr(os, "O_TMPFILE", None)  # Linux only
    if flag is None or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(folder, os.O_RDWR | flag | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def _is_stale(entry: os.DirEntry[str], machine: str, pid: str, started: str) -> bool:
    if machine == _machine() and int(pid) != os.getpid():
        now = _started(int(pid))
        return now is None or (int(started) not in (0, now))
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN


def _started(pid: int) -> int | None:
    """When a process started, in ticks since the machine did; None for one that is no more.

    0 where that cannot be told of a process that is there.
    """
    try:
        # the name in brackets, the second field, may hold spaces and brackets
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return 0
    return 0


def _machine() -> str:
    """Eight digits for this boot of this machine and this PID namespace."""
    parts = [os.uname().nodename]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
