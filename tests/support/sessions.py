"""The processes of a session (`start_new_session`), and what they leave."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS = 30
"""How long processes may take to be gone on a busy machine."""

SHARED_MEMORY = Path("/dev/shm")


def _stat(pid: int) -> list[str]:
    """State, parent, group, session and so on of a process; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def living_of_session(leader: int) -> list[int]:
    """Processes of a session, without those that have ended and were not waited for."""
    stats = {pid: _stat(pid) for pid in _processes()}
    return [p for p, s in stats.items() if s and s[0] not in "ZX" and int(s[3]) == leader]


def children_of(parent: int) -> list[int]:
    """Living children, whichever of its threads forked them."""
    stats = {pid: _stat(pid) for pid in _processes()}
    return [p for p, s in stats.items() if s and s[0] not in "ZX" and int(s[1]) == parent]


def left_of(leader: int) -> list[int]:
    """What still lives of a session whose leader has ended, if it does not end in time."""
    deadline = time.monotonic() + SECONDS
    while (left := living_of_session(leader)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def end(processes: list[int]) -> None:
    """Kill those that still live."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_tracker(pid: int) -> bool:
    """Whether this is Python's resource tracker, which frees what others leave."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def shared_files() -> set[str]:
    """Names of this user's files in the folder of shared memory."""
    return {entry.name for entry in SHARED_MEMORY.iterdir() if _owner(entry) == os.getuid()}


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None


def stale(names: set[str]) -> set[str]:
    """Those that are still there and that no process uses (others' tests may run meanwhile)."""
    used = set()
    for pid in _processes():
        used |= _used_by(pid)
    return {name for name in names & shared_files() if name not in used}


def _used_by(pid: int) -> set[str]:
    """Files of shared memory that a process has open or mapped."""
    folder, found = Path(f"/proc/{pid}"), set()
    try:
        lines = (folder / "maps").read_text().splitlines()
        found |= {line.rpartition("/")[2] for line in lines if f" {SHARED_MEMORY}/" in line}
        for entry in (folder / "fd").iterdir():
            target = str(entry.readlink())
            if target.startswith(f"{SHARED_MEMORY}/"):
                found.add(target.rpartition("/")[2])
    except (FileNotFoundError, ProcessLookupError):
        return found  # it ended
    except PermissionError:
        return found  # another user's, whose files are not ours
    return found
