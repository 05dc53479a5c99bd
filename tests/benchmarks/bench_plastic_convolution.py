"""How many online updates a second a convolution that learns makes, as a whole network.

Frames of 32 channels of 16 x 16 pixels, a convolution of 3 x 3 to 64 channels that learns, a dense
readout of 10 classes that learns: each step of a sample is an update of all weights. Backends take
turns, one sample at a time, so that a noisy machine hits all alike; the baseline is the NumPy
engine. One BLAS thread. Written as JSON:

    python tests/benchmarks/bench_plastic_convolution.py
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from timing import RESULTS, row, timed, write_rows

from onchip.deploy import build
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator

SHAPE, CHANNELS, CLASSES, KERNEL = (32, 16, 16), 64, 10, 3
BACKENDS = ("numpy", "lava-fused", "lava-fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=0.1, help="share of inputs that spike a step")
    parser.add_argument("--steps", type=int, default=10, help="steps of a sample")
    parser.add_argument("--repeats", type=int, default=9, help="samples of each backend")
    parser.add_argument("--feedback", default="symmetric")
    parser.add_argument("--out", type=Path, default=RESULTS / "plastic_convolution.json")
    args = parser.parse_args()
    with threadpool_limits(1):
        seconds = measured(args)
    name = f"conv {SHAPE[0]}->{CHANNELS}, {SHAPE[1]}x{SHAPE[2]}, learning online"
    rows = [
        row(f"{backend} {name}", "numpy engine", seconds[backend], seconds["numpy"])
        for backend in BACKENDS[1:]
    ]
    updates = {backend: 1 / each for backend, each in seconds.items()}
    for backend, each in updates.items():
        print(f"{backend}: {each:.1f} updates a second")
    facts = {"unit": "one algorithmic step of learning", "updates_per_second": updates}
    options = {"input_rate": args.rate, "time_steps": args.steps, "feedback": args.feedback}
    write_rows(args.out, rows, **facts, **options, kernel=KERNEL, padding=1, blas_threads=1)


def measured(args: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a step of learning, by backend."""
    rng = np.random.default_rng(0)
    spec = network(rng, args.steps, args.feedback)
    shape = (args.repeats + 1, 1, args.steps, *SHAPE)
    frames = (rng.random(shape) < args.rate).astype(np.uint8)
    labels = rng.integers(0, CLASSES, (args.repeats + 1, 1))
    times: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
    with ExitStack() as stack:
        built = {name: stack.enter_context(build(spec, name)) for name in BACKENDS}
        for sample, label in zip(frames, labels, strict=True):
            for name, execution in built.items():
                times[name].append(timed(lambda e=execution, s=sample, y=label: e.learn(s, y)))
        require_equal([execution.snapshot() for execution in built.values()])
    return {name: float(np.median(each[1:])) / args.steps for name, each in times.items()}


def require_equal(learned: list[Network]) -> None:
    """All must have learned the same, or the times compare nothing."""
    for other in learned[1:]:
        pairs = zip(learned[0].connections, other.connections, strict=True)
        worst = max(np.abs(a.transform.weight - b.transform.weight).max() for a, b in pairs)
        if worst > 1e-9:
            raise ValueError(f"backends: their weights differ by {worst:.1e}; the limit is 1e-9")


def network(rng: np.random.Generator, steps: int, feedback: str) -> Network:
    """The network that learns."""
    scale = 1.5 / np.sqrt(SHAPE[0] * KERNEL**2)
    kernels = rng.normal(0.02, scale, (CHANNELS, SHAPE[0], KERNEL, KERNEL))
    conv = Convolution(kernels, SHAPE, (1, 1), (1, 1))
    size = int(np.prod(conv.output_shape))
    dense = Dense(rng.normal(0, 1 / np.sqrt(size), (CLASSES, size)))
    spec = Network(
        (
            Population("conv", conv.output_shape, LIF()),
            Population("out", (CLASSES,), LeakyIntegrator()),
        ),
        (Connection(INPUT, "conv", conv), Connection("conv", "out", dense)),
        SHAPE,
        steps,
    )
    options = {"plastic": ["conv", "out"], "feedback": feedback}
    return with_learning(spec, learning_rate=1e-3, **options)


if __name__ == "__main__":
    main()
