"""Run as a script: load damaged files under limits of time and memory, say what went wrong.

    load_damaged.py GOOD DAMAGED...

Prints each name before the file is loaded, so that the last one names what ended the process.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path
from typing import Any

from onchip.deploy.files.hdf5 import load_bundle

SECONDS = 10
MEMORY = 8 * 2**20
"""Bytes of address space that loading may take, besides eight times the file's size."""
NET = 512 * 2**20
"""Bytes beyond which an allocation fails, so that a mistake does not harm the machine."""


def address_space(field: str) -> int:
    """Bytes of address space in use: now ("VmSize") or at most so far ("VmPeak")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def load(path: Path | str) -> Any:
    """A network file's or, by the file's name, a checkpoint's content, comparable with ==."""
    if Path(path).suffix != ".pt":
        return load_bundle(path)
    from checkpoint_mutations import comparable

    from onchip.models.training.checkpoint import load_checkpoint

    return comparable(load_checkpoint(path))


def fault(path: Path, expected: Any) -> str | None:
    """What is wrong with the way a file is loaded or refused, or None."""
    before, peak = address_space("VmSize"), address_space("VmPeak")
    resource.setrlimit(resource.RLIMIT_AS, (before + NET, resource.RLIM_INFINITY))
    signal.alarm(SECONDS)
    found = fault_of_loading(path, expected)
    signal.alarm(0)
    grown = address_space("VmPeak")
    if grown > peak and grown - before > MEMORY + 8 * path.stat().st_size:
        return f"took {grown - before} bytes of memory"
    return found


def fault_of_loading(path: Path, expected: Any) -> str | None:
    """What is wrong with the result or the message, or None."""
    try:
        return None if load(path) == expected else "loads to another network"
    except ValueError as error:
        return fault_of_message(str(error), path)
    except BaseException as error:
        return f"raises {type(error).__name__}: {error}"


def fault_of_message(message: str, path: Path) -> str | None:
    if "\n" in message or str(path) not in message:
        return f"refuses with {message!r}"
    if any(word in message.lower() for word in ("memory", "allocat")):
        return f"ran out of memory: {message}"
    return None


def main(good: str, *damaged: str) -> int:
    expected = load(good)
    faults = 0
    for name in damaged:
        path = Path(name)
        print(path.name, flush=True)
        found = fault(path, expected)
        if found is not None:
            faults += 1
            print(f"FAULT {path.name} {found}", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
