"""One job in a process of its own, and the record that it leaves.

The process runs child.py beside this file; what it prints goes to log.txt. It ends when the one
that started it does, however that ends: it reads a pipe which is never written to.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from onchip.deploy.studies.jobs import Job
from onchip.files.writing import write_json

RECORD, LOG, CALL = "record.json", "log.txt", "call.json"
"""Files in the folder of a job."""

_CHILD = Path(__file__).with_name("child.py")
_PROGRAM = f"import runpy; runpy.run_path({str(_CHILD)!r}, run_name='__main__')"
_RESULTS, _OWN, _LOCK = "results.json", "running-", "lock"

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables by which numerical libraries are told the number of their threads."""

ERROR = "onchip: error: "
"""How a command begins the line in which it says what was wrong."""


class Order(NamedTuple):
    """A job as it is sent to a worker: plain values, paths absolute.

    `place` is the job's folder, `work` the folder to run in, which relative paths are from; `call`
    is what the process reads, `about` what the record says of the job.
    """

    place: str
    work: str
    call: dict[str, Any]
    threads: int
    about: dict[str, Any]


class StoppedError(Exception):
    """The study was ended while the job ran."""


class Children:
    """The processes of running jobs; none outlives the `with`."""

    def __init__(self) -> None:
        self._lock, self._running = threading.Lock(), set[subprocess.Popen[bytes]]()
        self._ended = False

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._ended = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def run(self, command: list[str], **options: Any) -> int:
        """Run a process; returns its exit code. Raises StoppedError where the `with` ended."""
        with self._lock:
            if self._ended:
                raise StoppedError
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, start_new_session=True, **options
            )
            self._running.add(process)
        try:
            code = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
            if process.stdin is not None:
                process.stdin.close()
        if self._ended:
            raise StoppedError
        return code


def order_of(job: Job, folder: Path, work: Path) -> Order:
    """Return what a worker needs to run a job of the study in `folder`."""
    given = job.given(folder)
    call = {"command": job.step.name, "options": given, "function": job.step.function}
    about = {
        "digest": job.digest,
        "step": job.step.name,
        "options": dict(job.options),
        "threads": job.threads,
        "source": job.source and job.source.digest,
    }
    return Order(str(job.place(folder)), str(work), call, job.threads, about)


def run_order(order: Order, children: Children | None = None) -> dict[str, Any]:
    """Run a job; returns its record, which is written as a whole, and last.

    The record holds `results`, or None and the `error` in one line, and the `seconds` taken. Raises
    OSError where the folders cannot be used, StoppedError where `children` were ended.
    """
    place = Path(order.place)
    place.mkdir(parents=True, exist_ok=True)
    write_json(place / CALL, order.call)
    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        processes = children or stack.enter_context(Children())
        # On a cluster the same job of a study that was killed may still be running.
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_OWN, dir=place)))
        stack.enter_context(_locked(own))
        code = _run(order, processes, own)
        results = _results(own) if code >= 0 else None
        (own / LOG).replace(place / LOG)
    error = None if results is not None else _error(code, place / LOG)
    seconds = round(time.perf_counter() - started, 3)
    record = {**order.about, "results": results, "error": error, "seconds": seconds}
    kept = _succeeded(place)  # meanwhile, by the job of a study that was killed
    if kept is None:
        write_json(place / RECORD, record)
    _remove_left(place)
    return kept or record


def _succeeded(place: Path) -> dict[str, Any] | None:
    """The record of a run with results, if there is one."""
    try:
        found: dict[str, Any] = json.loads((place / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if found.get("results") is not None else None


def _locked(own: Path) -> IO[bytes]:
    """Hold the lock of a run's own folder; it ends with the process, however that ends."""
    lock = (own / _LOCK).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove_left(place: Path) -> None:
    """Remove the folders of runs that were killed, not of one that still goes on."""
    for left in place.glob(f"{_OWN}*"):
        with contextlib.suppress(OSError), (left / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)


def _run(order: Order, processes: Children, own: Path) -> int:
    """Run the job's process, which leaves results and log in its `own` folder."""
    call, results = Path(order.place) / CALL, own / _RESULTS
    with (own / LOG).open("wb") as log:
        return processes.run(
            [sys.executable, "-c", _PROGRAM, str(call), str(results)],
            stdout=log,
            stderr=log,
            cwd=order.work,
            env={**os.environ, **dict.fromkeys(THREADS, str(order.threads))},
        )


def read_record(job: Job, folder: Path) -> dict[str, Any] | None:
    """Return the record of a job, None where it has none yet.

    Raises ValueError for a file that is not the job's record.
    """
    path = job.place(folder) / RECORD
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["digest"] != job.digest or {"results", "error"} - set(found):
            raise ValueError
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"record {path}: it is damaged or another job's; remove {path.parent} to run it again"
        ) from None
    return found


def _results(own: Path) -> dict[str, Any] | None:
    """What the job wrote, None where it did not come so far."""
    try:
        found: dict[str, Any] = json.loads((own / _RESULTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def _error(code: int, log: Path) -> str:
    """One line on why there are no results."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    last = (said or lines or ["it said nothing"])[-1].strip()
    return f"{last:.500}" if said else f"{last:.500} (exit code {code}; {LOG} of the run has more)"
