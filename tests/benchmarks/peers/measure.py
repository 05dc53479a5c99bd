"""One online-learning step by this toolkit and by others, each in turn with `compiled`, float64.

All peers are given one task (`task`); where one claims the same updates, its weights after two
samples are compared to the engine's, and the run ends where they are not equal to 1e-5. CPU time of
all processes and wall time; one thread, one CPU (Lava's own runtime: as many as there are). What
cannot be imported is named in the result. Rows are written as they are made: a run that was stopped
goes on where it was.

    make bench-peers
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np  # noqa: E402
from cases import Case, plan  # noqa: E402
from contenders import EQUAL, PEERS, TOOLKIT_BASELINE, Peer, Stopwatch, learned  # noqa: E402
from task import Task, make_task  # noqa: E402
from timing import RESULTS, write_rows  # noqa: E402

TOLERANCE = 1e-5
"""Of the weights after two samples, in units of a layer's largest."""

CHECK_RATE, CHECK_STEPS, LEAST_CHANGE = 0.1, 10, 200 * TOLERANCE
"""The check learns so fast that half a per cent of the change of any layer's weights is seen."""

PACKAGES = ("jax", "torch", "snntorch", "spikingjelly", "braintrace", "Brian2", "nest-simulator")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
TURN, LONG_TURN, LEAST, MOST = 0.02, 0.3, 3, 11
"""Seconds of a turn, of one of a peer with processes (whose time is told in hundredths), and the
least and the most turns of a row."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "peers.json")
    parser.add_argument("--fresh", action="store_true", help="measure all rows anew")
    parser.add_argument("--only", help="peers whose names have this in them")
    parser.add_argument("--seconds", type=float, default=1.5, help="about so many for a row")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        work(*json.loads(args.worker), args.seconds)
        return
    rows, left_out = ([], []) if args.fresh else _kept(args.out)
    for case, names in plan():
        chosen = [name for name in names if (args.only or "") in name]
        for found in _measured(case, _missing(case, chosen, rows), args.seconds):
            left_out = [entry for entry in left_out if entry["name"] != found["name"]]
            (left_out if "reason" in found else rows).append(found)
            write(args.out, rows, left_out)


def _kept(path: Path) -> tuple[list[Any], list[Any]]:
    if not path.exists():
        return [], []
    content = json.loads(path.read_text())
    return content["rows"], content["left_out"]


def _missing(case: Case, names: list[str], rows: list[Any]) -> list[str]:
    there = {(row["case"], row["name"]) for row in rows}
    return [name for name in names if (case.name, name) not in there]


def write(path: Path, rows: list[Any], left_out: list[Any]) -> None:
    """The JSON as far as it is."""
    facts = {"packages": {n: _version(n) for n in PACKAGES}, "cpu": _processor()}
    facts |= {"unit": "CPU seconds of one step of online learning", "baseline": TOOLKIT_BASELINE}
    write_rows(path, [_Written(row) for row in rows], **facts, left_out=left_out)  # type: ignore[misc]


class _Written(dict):  # type: ignore[type-arg]
    """A row of more columns than `timing.Row`."""

    def _asdict(self) -> dict[str, Any]:
        return dict(self)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _measured(case: Case, names: list[str], seconds: float) -> Iterator[dict[str, Any]]:
    """The rows of a process of its own; ends the run where it fails."""
    if not names:
        return
    job = json.dumps([case, names])
    command = [sys.executable, __file__, "--seconds", str(seconds), "--worker", job]
    environment = {**os.environ, **ONE_THREAD}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                found = json.loads(line)
                print(_sentence(found), flush=True)
                yield found
    if process.returncode:
        raise SystemExit(f"peers: {names} on {case.name} ended with {process.returncode}")


def _sentence(found: dict[str, Any]) -> str:
    if "reason" in found:
        return f"{found['name']}: left out: {found['reason']}"
    return (
        f"{found['case']}: {found['name']}: {found['ratio']:.2f} x {TOOLKIT_BASELINE} "
        f"({1e6 * found['seconds']:.1f} / {1e6 * found['baseline_seconds']:.1f} us CPU)"
    )


def work(case: Any, names: list[str], seconds: float) -> None:
    """Measure peers on a case and print a line of JSON for each."""
    case = Case(tuple(case[0]), *case[1:])
    if not any(PEERS[name].alone for name in names):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    task = make_task(*case)
    for name in names:
        peer = PEERS[name]
        try:
            found = measure(peer, case, task, seconds)
        except ImportError as error:
            found = {"name": name, "reason": f"cannot be imported: {error}"}
        print("\n" + json.dumps(found), flush=True)


def measure(peer: Peer, case: Case, task: Task, seconds: float) -> dict[str, Any]:
    """A row: the peer in turn with the baseline, and how far its weights are apart."""
    apart = difference(peer, task)
    ours, theirs = Stopwatch(PEERS[TOOLKIT_BASELINE], task), Stopwatch(peer, task)
    try:
        times = _in_turn(ours, theirs, seconds, LONG_TURN if peer.alone else TURN)
    finally:
        theirs.learner.close()
    (cpu, wall), (base_cpu, base_wall) = (np.median(t, axis=0).tolist() for t in times)
    return {
        "case": case.name,
        "name": peer.name,
        "baseline": TOOLKIT_BASELINE,
        "ratio": cpu / base_cpu,
        "seconds": cpu,
        "baseline_seconds": base_cpu,
        "wall_seconds": wall,
        "baseline_wall_seconds": base_wall,
        "times_the_bound": cpu / bound(case, peer.itemsize),
        "baseline_times_the_bound": base_cpu / bound(case, PEERS[TOOLKIT_BASELINE].itemsize),
        "weights_apart": apart,
        "differs": peer.differs,
        "turns": len(times[0]),
    }


def difference(peer: Peer, task: Task) -> float | None:
    """How far a peer's weights are from the engine's after two samples, None where it claims
    nothing; ends the run where they are not equal or have hardly moved.
    """
    if not peer.equal:
        return None
    from toolkit import OfEngine

    check = task.short(CHECK_STEPS, CHECK_RATE)
    engine = Peer("engine", lambda task: OfEngine(task, feedback=peer.feedback))
    expected, found = learned(engine, check), learned(peer, check)
    moved = min(_apart(a, b) for a, b in zip(expected, check.weights, strict=True))
    apart = max(_apart(a, b) for a, b in zip(found, expected, strict=True))
    if not moved > LEAST_CHANGE:
        raise SystemExit(f"peers: weights moved by {moved:.1e} of the largest: nothing is compared")
    if not apart < TOLERANCE:
        raise SystemExit(f"peers: {peer.name}: weights are {apart:.1e} from the engine's ({EQUAL})")
    return apart


def _apart(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _in_turn(ours: Stopwatch, theirs: Stopwatch, seconds: float, turn: float) -> tuple[Any, Any]:
    """(CPU, wall) seconds a step of every turn, theirs and ours."""
    steps, counts, spent = theirs.task.steps, [], 0.0
    for watch in (theirs, ours):
        watch.take(1)
        each = max(watch.take(1)[0] * steps, 1e-6)
        counts.append(max(1, round(turn / each)))
        spent += counts[-1] * each
    turns = int(np.clip(seconds / spent, LEAST, MOST))
    pairs = [(theirs.take(counts[0]), ours.take(counts[1])) for _ in range(turns)]
    return tuple(zip(*pairs, strict=True))  # type: ignore[return-value]


def bound(case: Case, itemsize: int) -> float:
    """Seconds a step that moving the weights takes, at the least.

    Of the first layer the rows of spiking inputs are read and written in every step, and at the
    sample's end those of all inputs that have spiked; the layers above, which the error reads live,
    are read and written once a step. The bandwidth is that of scaling as large an array in place.
    """
    first, *above = (a * b for a, b in zip(case.sizes[:-1], case.sizes[1:], strict=True))
    at_the_end = (1 - (1 - case.activity) ** case.steps) / case.steps
    moved = 2 * itemsize * ((case.activity + at_the_end) * first + sum(above))
    return moved / bandwidth(itemsize * (first + sum(above)), itemsize)


def bandwidth(size: int, itemsize: int) -> float:
    """Bytes a second read and written by scaling an array of `size` bytes, the best of five."""
    array = np.ones(size // itemsize, f"f{itemsize}")
    passes = max(1, int(2e7) // size)
    times = []
    for _ in range(6):
        started = time.process_time()
        for _ in range(passes):
            np.multiply(array, array.dtype.type(1), out=array)
        times.append(time.process_time() - started)
    return 2 * size * passes / min(times[1:])


if __name__ == "__main__":
    main()
