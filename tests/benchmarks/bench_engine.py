"""What a learning step of the NumPy engines takes, next to a plain NumPy loop of the equations.

Online learning, exact feedback, one sample at a time, all layers plastic; inputs spike at the given
rate. The plain loop is in floating point; the integer engine is timed against the same loop.
Written as JSON; run it with one BLAS thread:

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_engine.py
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from timing import RESULTS, Row, compare, write_rows

from onchip import LIF, DenseSpec, Engine, LeakyIntegrator, NetworkSpec, Surrogate
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.learning import with_learning

SIZES = ((64, 32, 10), (784, 256, 10), (784, 512, 512, 10))
TIME_STEPS, DECAY, LEARNING_RATE, SHARPNESS = 10, 0.5, 1e-3, 4.0
BASELINE = "plain NumPy loop"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=0.1, help="share of inputs that spike a step")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS / "engine.json")
    args = parser.parse_args()
    rows = [row for sizes in SIZES for row in measure(sizes, args.rate, args.repeats)]
    facts = {"unit": "one algorithmic step of learning", "time_steps": TIME_STEPS}
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    write_rows(args.out, rows, **facts, input_rate=args.rate, OMP_NUM_THREADS=threads)


def measure(sizes: tuple[int, ...], rate: float, repeats: int) -> list[Row]:
    """The engines of each precision on one network and one sample."""
    rng = np.random.default_rng(0)
    spec = network(rng, sizes)
    frames = (rng.random((1, TIME_STEPS, sizes[0])) < rate).astype(np.uint8)
    labels = np.array([3])
    shape = "-".join(map(str, sizes))

    def one(name: str, engine: Any, dtype: type) -> Row:
        plain = plain_loop(spec, frames[0], int(labels[0]), dtype)
        run = lambda: engine.learn(frames, labels)  # noqa: E731
        return compare(
            f"{name} {shape}", run, f"{BASELINE}, {np.dtype(dtype).name}", plain,
            repeats=repeats, warm_up=10, per=TIME_STEPS,
        )  # fmt: skip

    fixed = quantize(with_learning(spec, learning_rate=0.05), Quantization(seed=0))
    return [
        one("float64", Engine(spec), np.float64),
        one("float32", Engine(spec, np.float32), np.float32),
        one("integers", Engine(fixed), np.float64),
    ]


def network(rng: np.random.Generator, sizes: tuple[int, ...]) -> NetworkSpec:
    """Dense layers with biases; the hidden ones spike at moderate rates."""
    layers = []
    for index, (pre, post) in enumerate(itertools.pairwise(sizes)):
        last = index == len(sizes) - 2
        surrogate = Surrogate("sigmoid", SHARPNESS)
        neuron = LeakyIntegrator(DECAY) if last else LIF(DECAY, 1.0, surrogate=surrogate)
        weight = rng.normal(0, 2 / np.sqrt(pre), (post, pre))
        layers.append(DenseSpec(str(index), weight, neuron, rng.normal(0.1, 0.1, post)))
    spec = NetworkSpec(tuple(layers), (sizes[0],), TIME_STEPS)
    return with_learning(spec, learning_rate=LEARNING_RATE, mse_weight=0.0)


def plain_loop(
    spec: NetworkSpec, frames: np.ndarray, label: int, dtype: type
) -> Callable[[], np.ndarray]:
    """The equations as a competent user writes them: a function that learns from one sample."""
    W = [layer.weight.astype(dtype) for layer in spec.layers]
    b = [layer.bias.astype(dtype) for layer in spec.layers]
    inputs, y = frames.astype(dtype), np.eye(spec.classes, dtype=dtype)[label]
    last = len(W) - 1

    def learn() -> np.ndarray:
        u = [np.zeros(len(w), dtype) for w in W]
        s = [np.zeros(len(w), dtype) for w in W]
        a = [np.zeros(w.shape[1], dtype) for w in W]
        c = 0.0
        outputs = []
        for x in inputs:
            c = DECAY * c + 1
            for i in range(last + 1):
                a[i] = DECAY * a[i] + x
                u[i] = DECAY * (u[i] - s[i]) + W[i] @ x + b[i]
                if i < last:
                    s[i] = (u[i] >= 1).astype(dtype)
                x = s[i]
            o = u[last]
            outputs.append(o)
            p = np.exp(o - o.max())
            g = (p / p.sum() - y) / len(inputs)
            for i in range(last, -1, -1):
                if i > 0:
                    t = np.tanh(SHARPNESS / 2 * (u[i - 1] - 1))
                    below = (W[i].T @ g) * (SHARPNESS / 4 * (1 - t * t))
                W[i] -= LEARNING_RATE * np.outer(g, a[i])
                b[i] -= LEARNING_RATE * c * g
                if i > 0:
                    g = below
        return np.stack(outputs)

    return learn


if __name__ == "__main__":
    main()
