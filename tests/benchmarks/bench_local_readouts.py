"""A step of learning by DECOLLE against one by OTTT, of the same network and samples.

784-256-256-10, every hidden layer learns, 10 % of the inputs spike. OTTT sends the error through
frozen transposes and learns its readout, too; DECOLLE's readouts are fixed. Both take turns, one
sample at a time, on each backend; one BLAS thread. Written as JSON:

    python tests/benchmarks/bench_local_readouts.py
"""

from __future__ import annotations

import argparse
import itertools
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from timing import RESULTS, row, timed, write_rows

from onchip.deploy import build
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.readouts import local_readouts
from onchip.network.transforms import Dense
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator

SIZES, RATE, BACKENDS = (784, 256, 256, 10), 0.1, ("lava-fused", "lava-fast")
RULES = ("ottt", "decolle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="steps of a sample")
    parser.add_argument("--repeats", type=int, default=30, help="samples of each")
    parser.add_argument("--out", type=Path, default=RESULTS / "local_readouts.json")
    args = parser.parse_args()
    with threadpool_limits(1):
        seconds = measured(args.steps, args.repeats)
    name = "-".join(map(str, SIZES))
    rows = [
        row(f"{b} {name}, decolle", f"{b}, ottt", seconds[b, "decolle"], seconds[b, "ottt"])
        for b in BACKENDS
    ]
    for kind, each in seconds.items():
        print(f"{' '.join(kind)}: {1 / each:.0f} updates a second")
    facts = {"unit": "one algorithmic step of learning", "input_rate": RATE, "blas_threads": 1}
    write_rows(args.out, rows, **facts, time_steps=args.steps)


def measured(steps: int, repeats: int) -> dict[tuple[str, str], float]:
    """Median seconds of a step of learning, by backend and rule."""
    rng = np.random.default_rng(0)
    frames = (rng.random((repeats + 1, 1, steps, SIZES[0])) < RATE).astype(np.uint8)
    labels = rng.integers(0, SIZES[-1], (repeats + 1, 1))
    kinds = list(itertools.product(BACKENDS, RULES))
    times: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        built = {(b, r): stack.enter_context(build(network(r, steps), b)) for b, r in kinds}
        for sample, label in zip(frames, labels, strict=True):
            for kind, execution in built.items():
                times[kind].append(timed(lambda e=execution, s=sample, y=label: e.learn(s, y)))
    return {kind: float(np.median(each[1:])) / steps for kind, each in times.items()}


def network(rule: str, steps: int) -> Network:
    """The same network with the learning of a rule."""
    rng = np.random.default_rng(1)
    names = [INPUT, "h1", "h2", "out"]
    hidden = [Population(name, (256,), LIF()) for name in names[1:-1]]
    pairs = zip(itertools.pairwise(names), itertools.pairwise(SIZES), strict=True)
    connections = [
        Connection(*ends, Dense(rng.normal(0, 2 / np.sqrt(pre), (post, pre))))
        for ends, (pre, post) in pairs
    ]
    out = Population("out", (SIZES[-1],), LeakyIntegrator())
    plain = Network((*hidden, out), tuple(connections), (SIZES[0],), steps)
    if rule == "decolle":
        return with_learning(local_readouts(plain), learning_rate=0.01, rule=rule)
    return with_learning(plain, learning_rate=0.01, rule=rule, feedback="symmetric")


if __name__ == "__main__":
    main()
