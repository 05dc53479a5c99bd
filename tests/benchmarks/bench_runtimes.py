"""Lava networks in one OS process against the same models on Lava's own runtime.

Per algorithmic step of networks that learn online in all layers (10 % of the inputs spike): wall
time, and CPU time of all processes, with the fast models of the synapses and with stock ones; both
runtimes in turn, one BLAS thread each. Also the seconds that a network takes to start after the
first of its kind, and what importing costs.

    python tests/benchmarks/bench_runtimes.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench_network import TIME_STEPS, network, samples
from lava.magma.core.run_configs import Loihi2SimCfg
from threadpoolctl import threadpool_limits
from timing import RESULTS, write_rows

from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg

SIZES = ((64, 32, 10), (784, 256, 10), (128, 128, 128, 128, 128, 128, 10))
CONFIGS: dict[str, Callable[..., Any]] = {"lava-fast": FastSimCfg, "lava": Loihi2SimCfg}
REPEATS = 9


class Compared(NamedTuple):
    """One network on both runtimes: medians per algorithmic step, and their ratios."""

    name: str
    baseline: str
    ratio: float
    seconds: float
    baseline_seconds: float
    cpu_ratio: float
    cpu_seconds: float
    baseline_cpu_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "runtimes.json")
    args = parser.parse_args()
    with threadpool_limits(1):
        rows = [compare(sizes, backend) for sizes in SIZES for backend in CONFIGS]
        start = start_seconds()
    facts = {"start_seconds": start, "import_seconds": import_seconds(), "time_steps": TIME_STEPS}
    print(facts)
    write_rows(args.out, rows, **facts)  # type: ignore[arg-type]


def compare(sizes: tuple[int, ...], backend: str) -> Compared:
    """The same network on both runtimes, in turn."""
    spec, count = network(sizes), 4
    frames, labels = samples(sizes, count)
    made = {
        runtime: LavaNetwork(
            spec, run_config=CONFIGS[backend](select_tag="floating_pt"), runtime=runtime
        )
        for runtime in (ONE_PROCESS, PROCESSES)
    }
    few = {ONE_PROCESS: count, PROCESSES: 1}
    times: dict[str, list[tuple[float, float]]] = {runtime: [] for runtime in made}
    for repeat in range(REPEATS + 1):
        for runtime, learner in made.items():
            taken = measured(learner, frames[: few[runtime]], labels[: few[runtime]])
            if repeat:
                times[runtime].append(taken)
    for learner in made.values():
        learner.close()
    medians = {r: np.median(t, axis=0) / (few[r] * TIME_STEPS) for r, t in times.items()}
    (wall, cpu), (slow_wall, slow_cpu) = medians[ONE_PROCESS], medians[PROCESSES]
    name = f"{backend} {'-'.join(map(str, sizes))}"
    seconds = (slow_wall / wall, wall, slow_wall, slow_cpu / cpu, cpu, slow_cpu)
    row = Compared(name, "Lava's runtime", *(float(value) for value in seconds))
    print(
        f"{name}: wall {row.ratio:.2f} x ({1e3 * wall:.3f} / {1e3 * slow_wall:.3f} ms), "
        f"CPU {row.cpu_ratio:.2f} x ({1e3 * cpu:.3f} / {1e3 * slow_cpu:.3f} ms)",
        flush=True,
    )
    return row


def measured(learner: LavaNetwork, frames: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and the network's own."""
    processes = list(children(learner))
    before = time.process_time() + sum(map(cpu_seconds, processes))
    began = time.perf_counter()
    learner.learn(frames, labels)
    wall = time.perf_counter() - began
    return wall, time.process_time() + sum(map(cpu_seconds, processes)) - before


def children(learner: LavaNetwork) -> Iterator[int]:
    """The ids of a network's OS processes."""
    runtime = learner.supervisor.require_runtime()
    infrastructure = getattr(runtime, "_messaging_infrastructure", None)
    return (actor.pid for actor in getattr(infrastructure, "actors", ()))


def cpu_seconds(pid: int) -> float:
    """CPU seconds of an OS process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_seconds() -> dict[str, float]:
    """From a specification to a network that can run, once its kind has been built before."""
    spec, seconds = network(SIZES[1]), {}
    for runtime in (ONE_PROCESS, PROCESSES):
        taken = []
        for _ in range(6):
            began = time.perf_counter()
            learner = LavaNetwork(spec, run_config=FastSimCfg(), runtime=runtime)
            taken.append(time.perf_counter() - began)
            learner.close()
        seconds[runtime] = float(np.median(taken[1:]))
    return seconds


def import_seconds() -> dict[str, float]:
    """CPU seconds of a Python that imports a package, medians, less those of one that does not."""
    found = {}
    for name in ("onchip", "onchip.lava"):
        times = [[child_cpu(f"import {module}") for module in (name, "sys")] for _ in range(5)]
        found[name] = float(np.median([ours - empty for ours, empty in times]))
    return found


def child_cpu(code: str) -> float:
    """CPU seconds of a Python that runs `code`."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    return (
        after.children_user
        + after.children_system
        - (before.children_user + before.children_system)
    )


if __name__ == "__main__":
    main()
