"""What 20,000 samples through one running network leave behind: nothing.

Counts open files, threads, OS processes, shared memory and resident memory of this process and of
Lava's while a network learns from a long stream, fused and layered. Written as JSON with the growth
after the first 500 samples; backends that are not asked for stay in the file as they were.

    python tests/benchmarks/bench_streaming.py --samples 20000
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy.backends.table import build
from onchip.execution import ONE_PROCESS, RUNTIMES
from onchip.files.writing import write_text
from onchip.network.learning import with_learning

RESULTS = Path(__file__).parent / "results" / "streaming.json"
SIZES = {"lava-fused": (784, 64, 10), "lava-fast": (64, 32, 10), "lava": (64, 32, 10)}
TIME_STEPS = 10
PART = 100
SETTLED = 500
"""Samples after which everything must stay as it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20000)
    parser.add_argument("--backends", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--runtime", choices=RUNTIMES, default=ONE_PROCESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    kept = json.loads(args.out.read_text())["runs"] if args.out.is_file() else []
    runs = {run["backend"]: run for run in kept}
    runs |= {backend: soak(backend, args.samples, args.runtime) for backend in args.backends}
    text = json.dumps({"runs": list(runs.values())}, indent=1) + "\n"
    write_text(args.out, text)


def soak(backend: str, samples: int, runtime: str) -> dict[str, Any]:
    """Learn from `samples` random samples; what was held at every 100th of them."""
    rng = np.random.default_rng(0)
    sizes = SIZES[backend]
    seen: list[dict[str, int]] = []

    def on_sample() -> None:
        nonlocal finished
        finished += 1
        if finished % 100 == 0:
            seen.append({"samples": finished, **held()})

    finished = 0
    with build(network(rng, sizes), backend, runtime=runtime) as execution:
        for _ in range(0, samples, PART):  # the outputs of a part are not kept
            execution._network.stream(stream(rng, sizes, PART), PART, on_sample)
    settled = [entry for entry in seen if entry["samples"] >= SETTLED]
    growth = {name: settled[-1][name] - settled[0][name] for name in settled[0]}
    spread = {name: span([entry[name] for entry in settled]) for name in settled[0]}
    del growth["samples"], spread["samples"]
    print(backend, "growth", growth, "spread", spread, flush=True)
    return {
        "backend": backend,
        "runtime": runtime,
        "sizes": list(sizes),
        "samples": samples,
        "settled_after": SETTLED,
        "time_steps": TIME_STEPS,
        "growth": growth,
        "spread": spread,
        "held": seen[:: max(1, len(seen) // 10)],
    }


def network(rng: np.random.Generator, sizes: tuple[int, ...]) -> NetworkSpec:
    """A dense network of these sizes that learns in all layers."""
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    layers = [
        DenseSpec(f"fc{i + 1}", rng.normal(0, 1.5 / np.sqrt(pre), (post, pre)), LIF())
        for i, (post, pre) in enumerate(pairs[:-1])
    ]
    post, pre = pairs[-1]
    readout = DenseSpec("readout", rng.normal(0, pre**-0.5, (post, pre)), LeakyIntegrator())
    spec = NetworkSpec((*layers, readout), (sizes[0],), TIME_STEPS)
    return with_learning(spec, learning_rate=1e-4, feedback="symmetric")


def stream(rng: np.random.Generator, sizes: tuple[int, ...], samples: int) -> Iterator[Any]:
    """Random events, made as they are asked for."""
    for _ in range(samples):
        frames = (rng.random((TIME_STEPS, sizes[0])) < 0.1).astype(np.uint8)
        yield frames, int(rng.integers(sizes[-1]))


def held() -> dict[str, int]:
    """Of this process and its children: open files, processes, shared memory and KiB resident."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    own = [Path("/proc/self"), *(Path("/proc") / child for child in children)]
    return {
        "open_files": sum(len(list((process / "fd").iterdir())) for process in own),
        "threads": sum(len(list((process / "task").iterdir())) for process in own),
        "processes": len(own),
        "shared_memory_segments": len(set().union(*map(segments, own))),
        "resident_kib": sum(resident(process) for process in own),
    }


def segments(process: Path) -> set[str]:
    """The shared memory that a process has mapped; /dev/shm itself has that of other programs."""
    lines = (process / "maps").read_text().splitlines()
    return {line.split()[-1] for line in lines if "/dev/shm/" in line}


def resident(process: Path) -> int:
    """KiB of memory that a process holds for itself."""
    lines = (process / "status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def span(values: list[int]) -> int:
    """Largest minus smallest."""
    return max(values) - min(values)


if __name__ == "__main__":
    main()
