"""What compiled learning takes, next to the NumPy engine: online, one sample after the other.

CPU time of calls on the same samples, taken in turn; how far the weights are apart afterwards is
written too, and for one network how far the time is from what moving its weights takes. Written as
JSON; run it with one BLAS thread:

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_compiled.py
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import bench_plastic_convolution
import numpy as np
from bench_engine import network
from timing import RESULTS, Row, row, write_rows

from onchip import Engine
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.chain import graph_of
from onchip.network.learning import with_learning, without_learning
from onchip.network.readouts import local_readouts


class Case(NamedTuple):
    """A network, what it is given, and how many times as fast it is meant to be."""

    numbers: str
    sizes: tuple[int, ...]
    rate: float
    steps: int
    wanted: float
    mode: str = "online"
    feedback: str = "exact"
    rule: str = "ottt"

    @property
    def name(self) -> str:
        """As a row is called."""
        shape = "-".join(map(str, self.sizes))
        if self.sizes == MAP:
            shape = "conv 32->64, 16x16"
        words = (self.mode, self.feedback, self.rule)
        more = "".join(f", {word}" for word in words if word not in ("online", "ottt", ""))
        return f"{self.numbers} {shape} at {self.rate:.0%}, T = {self.steps}{more}"


SMALL, MIDDLE, LARGE = (64, 128, 10), (784, 256, 10), (2312, 512, 256, 10)
CASES = (
    Case("float64", MIDDLE, 0.05, 10, 8),
    Case("float64", MIDDLE, 0.05, 10, 8, feedback="symmetric"),
    Case("float64", SMALL, 0.05, 10, 12),
    Case("float64", LARGE, 0.05, 10, 6),
    Case("float64", MIDDLE, 0.2, 10, 5),
    Case("float64", MIDDLE, 0.05, 200, 7),
    Case("float64", MIDDLE, 0.05, 10, 8, mode="accumulate"),
    Case("float32", MIDDLE, 0.05, 10, 8),
    Case("integers", MIDDLE, 0.05, 10, 20, feedback="symmetric"),
    Case("integers", SMALL, 0.05, 10, 20, feedback="symmetric"),
    Case("integers", LARGE, 0.05, 10, 12, feedback="symmetric"),
    Case("integers", MIDDLE, 0.05, 10, 12, mode="accumulate", feedback="symmetric"),
)
RULES = (
    Case("float64", MIDDLE, 0.05, 10, 5, feedback="direct", rule="e-prop"),
    Case("float64", MIDDLE, 0.2, 10, 5, feedback="direct", rule="e-prop"),
    Case("float64", MIDDLE, 0.05, 200, 5, feedback="direct", rule="e-prop"),
    Case("float64", MIDDLE, 0.05, 10, 5, "accumulate", "direct", "e-prop"),
    Case("float32", MIDDLE, 0.05, 10, 5, feedback="direct", rule="e-prop"),
    Case("float64", LARGE, 0.05, 10, 5, feedback="exact", rule="e-prop"),
    Case("float64", MIDDLE, 0.05, 10, 5, feedback="direct", rule="diagonal-rtrl"),
    Case("float64", MIDDLE, 0.05, 10, 5, feedback="", rule="erbp"),
    Case("float64", MIDDLE, 0.05, 10, 5, feedback="", rule="decolle"),
    Case("integers", MIDDLE, 0.05, 10, 5, feedback="", rule="decolle"),
    Case("integers", MIDDLE, 0.05, 10, 5, feedback="direct", rule="e-prop"),
)
"""Rules that synapses keep an eligibility for, or that have readouts of their own."""
MAP = (32, 64)
"""Channels of a convolution of 3 x 3 over 16 x 16 pixels, under a readout; all of it learns."""
CONVOLUTIONS = (
    Case("float64", MAP, 0.02, 10, 5, feedback="symmetric"),
    Case("float64", MAP, 0.1, 10, 5, feedback="symmetric"),
    Case("float64", MAP, 0.1, 10, 5, mode="accumulate", feedback="symmetric"),
    Case("integers", MAP, 0.1, 10, 5, feedback="symmetric"),
    Case("integers", MAP, 0.1, 10, 5, mode="accumulate", feedback="symmetric"),
)
FUSED = (
    Case("float64", MIDDLE, 0.05, 10, 4, feedback="symmetric"),
    Case("float64", LARGE, 0.05, 10, 5, feedback="symmetric"),
    Case("integers", MIDDLE, 0.05, 10, 4, feedback="symmetric"),
)
BLOCK = 10
"""Samples of a turn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    parser.add_argument("--out", type=Path, default=RESULTS / "compiled.json")
    args = parser.parse_args()
    rows, apart, wanted = [], {}, {}
    for case in (case for case in (*CASES, *RULES, *CONVOLUTIONS) if args.only in case.name):
        made, difference = measure(case, args.repeats)
        rows.append(made)
        apart[made.name], wanted[made.name] = difference, case.wanted
    for case in (case for case in FUSED if args.only in case.name):
        rows.append(measure_fused(case, args.repeats))
        wanted[rows[-1].name] = case.wanted
    facts = {"unit": "CPU seconds of one algorithmic step of learning", "wanted_ratios": wanted}
    bound = [memory_bound(made) for made in rows if made.name == CASES[4].name]
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    write_rows(
        args.out,
        rows,
        **facts,
        largest_relative_weight_difference=apart,
        memory_bound=bound[0] if bound else None,
        OMP_NUM_THREADS=threads,
    )


def specification(case: Case) -> Any:
    """The network of a case."""
    rate, rng = 0.05 if case.numbers == "integers" else 1e-3, np.random.default_rng(0)
    options: dict[str, Any] = {"learning_rate": rate, "mode": case.mode, "feedback": case.feedback}
    if case.sizes == MAP:
        spec = bench_plastic_convolution.network(rng, case.steps, case.feedback)
        options["plastic"] = ["conv", "out"]
    else:
        spec = replace(network(rng, case.sizes), time_steps=case.steps)
    if case.rule != "ottt":
        spec = graph_of(without_learning(spec))
        spec = local_readouts(spec) if case.rule == "decolle" else spec
        options |= {"rule": case.rule, "feedback": case.feedback or None}
    spec = with_learning(spec, **options)
    return quantize(spec, Quantization(seed=0)) if case.numbers == "integers" else spec


def samples_of(case: Case, count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many samples, with their labels."""
    shape = bench_plastic_convolution.SHAPE if case.sizes == MAP else case.sizes[:1]
    frames = np.random.default_rng(1).random((count, case.steps, *shape)) < case.rate
    return frames.astype(np.uint8), np.arange(count) % 10


def measure(case: Case, repeats: int) -> tuple[Row, float]:
    """The times of both, and how far their weights are apart afterwards."""
    spec, dtype = specification(case), np.float32 if case.numbers == "float32" else np.float64
    compiled, engine = Engine(spec, dtype, compiled=True), Engine(spec, dtype)
    block = max(1, BLOCK * 10 // case.steps) if case.sizes != MAP else BLOCK // 2
    frames, labels = samples_of(case, block)
    times = in_turn(
        lambda: learn(compiled, frames, labels), lambda: learn(engine, frames, labels), repeats
    )
    ours, theirs = np.median(times, axis=0) / block / case.steps
    return row(case.name, "NumPy engine", float(ours), float(theirs)), largest_gap(compiled, engine)


def learn(engine: Engine, frames: np.ndarray, labels: np.ndarray) -> None:
    """One sample after the other, as a network in use gets them."""
    for n in range(len(frames)):
        engine.learn(frames[n : n + 1], labels[n : n + 1])


def measure_fused(case: Case, repeats: int) -> Row:
    """The network as one Lava process, with and without kernels."""
    from onchip.lava.fused import FusedLavaNetwork

    spec = specification(case)
    frames, labels = samples_of(case, BLOCK)
    with (
        FusedLavaNetwork(spec, compiled=True) as fast,
        FusedLavaNetwork(spec, compiled=False) as as_before,
    ):
        times = in_turn(
            lambda: fast.learn(frames, labels), lambda: as_before.learn(frames, labels), repeats
        )
    ours, theirs = np.median(times, axis=0) / BLOCK / case.steps
    name = f"lava-fused, {case.name}"
    return row(name, "lava-fused by NumPy steps", float(ours), float(theirs))


def in_turn(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int
) -> list[tuple[float, float]]:
    """CPU seconds of both, call by call."""
    for _ in range(2):
        ours()
        theirs()
    return [(cpu_seconds(ours), cpu_seconds(theirs)) for _ in range(repeats)]


def cpu_seconds(run: Callable[[], Any]) -> float:
    """CPU time of one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def largest_gap(compiled: Engine, engine: Engine) -> float:
    """The largest difference of two engines' weights, as a share of the layer's largest weight."""
    left = compiled.state()
    return max(
        float(np.abs(left[name] - array).max() / np.abs(array).max())
        for name, array in engine.state().items()
        if name.endswith("weight")
    )


def memory_bound(measured: Row) -> dict[str, float]:
    """How many times a step takes what it takes to read and write the rows that it must.

    Those are the rows of spiking inputs, and at the sample's end once those of all that spiked. The
    bandwidth is that of scaling an array of the weights' size in place.
    """
    case = CASES[4]
    weights = np.ones((case.sizes[0], case.sizes[1]))
    scale = 1 + 1e-16
    passes = lambda: [np.multiply(weights, scale, out=weights) for _ in range(200)]  # noqa: E731
    times = [cpu_seconds(passes) for _ in range(5)]
    bandwidth = 2 * weights.nbytes * 200 / min(times)
    at_the_end = (1 - (1 - case.rate) ** case.steps) / case.steps
    moved = 2 * (case.rate + at_the_end) * weights.nbytes
    found = {"bytes_a_step": moved, "bytes_per_second": bandwidth}
    found["times_the_bound"] = measured.seconds * bandwidth / moved
    print(f"{case.name}: {found['times_the_bound']:.2f} times the memory bound")
    return found


if __name__ == "__main__":
    main()
