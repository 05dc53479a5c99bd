"""A whole learning network in Lava: stock layers, fast layers and fused, against each other.

Per algorithmic step of a 784-256-10 network that learns online in all layers (10 % of the inputs
spike): the stock layered network on Lava's own runtime by the sequenced schedule, and in one OS
process the same with this project's models of the synapses, the fused process, the plain NumPy
loop, and the floor: one process that does nothing at all, with a learning phase. Also reading the
weights at once against Lava's Var.get, the drift scenario, and steps per second against the width
and the number of layers.

    python tests/benchmarks/bench_network.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from bench_engine import network as dense_network
from bench_engine import plain_loop
from threadpoolctl import threadpool_limits
from timing import RESULTS, Row, compare, row, timed, write_rows

from onchip import NetworkSpec
from onchip.deploy.backends.table import build
from onchip.deploy.quantization.network import quantize
from onchip.execution import PROCESSES
from onchip.lava.network import LavaNetwork
from onchip.lava.runtime.memory import read_var  # before lava, which it makes ready to be imported
from onchip.lava.runtime.supervisor import Supervisor
from onchip.network.learning import with_learning

# isort: split

from lava.magma.core.run_configs import Loihi2SimCfg
from processes.floor import Floor

TIME_STEPS = 10
SIZES = (784, 256, 10)
WIDTHS = (64, 128, 256, 512, 1024)
DEPTHS = (1, 2, 3, 4, 6)
BACKENDS = ("lava", "lava-fast", "lava-fused", "numpy")
STOCK = "lava on Lava's runtime"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "network.json")
    args = parser.parse_args()
    with threadpool_limits(1):
        rows = [*whole_network(), *integers(), snapshot()]
        scaling = {"width": by_width(), "depth": by_depth()}
    facts = {"widths": list(WIDTHS), "depths": list(DEPTHS), "scaling": scaling}
    write_rows(args.out, rows, sizes=list(SIZES), time_steps=TIME_STEPS, **facts)


def whole_network() -> Iterator[Row]:
    """Learning in floating point, and what the fused process takes over loop and floor."""
    spec, name = network(SIZES), "784-256-10 float"
    frames, labels = samples(SIZES, 20)
    loop = plain_loop(spec, frames[0], int(labels[0]), np.float64)
    with ExitStack() as stack:
        stock = stack.enter_context(build(spec, "lava", runtime=PROCESSES))
        fast, fused = (stack.enter_context(build(spec, b)) for b in ("lava-fast", "lava-fused"))
        floor = stack.enter_context(floor_of_lava())
        few = {"per": 200, "baseline_per": 20, "repeats": 5, "warm_up": 1}
        run_stock = learning(stock, frames[:2], labels[:2])
        yield compare(
            f"lava-fused {name}", learning(fused, frames, labels), STOCK, run_stock, **few
        )
        few["per"] = 50
        yield compare(
            f"lava-fast {name}", learning(fast, frames[:5], labels[:5]), STOCK, run_stock, **few
        )
        yield over_loop_and_floor(
            learning(fused, frames, labels), lambda: [loop() for _ in frames], floor
        )


def over_loop_and_floor(
    run_fused: Callable[[], Any], run_loop: Callable[[], Any], run_floor: Callable[[], Any]
) -> Row:
    """The fused process against the sum of the plain loop and the floor, all three in turn."""
    times = [[timed(run) for run in (run_fused, run_loop, run_floor)] for _ in range(21)][1:]
    fused, loop, floor = (float(t) / 200 for t in np.median(times, axis=0))
    print(f"fused {fused:.3e} s, plain loop {loop:.3e} s, floor of Lava {floor:.3e} s a step")
    return row(
        "lava-fused 784-256-10 float", "plain NumPy loop + Lava's floor", fused, loop + floor
    )


def integers() -> Iterator[Row]:
    """The same network in integers."""
    spec = quantize(network(SIZES))
    frames, labels = samples(SIZES, 20)
    with build(spec, "lava", runtime=PROCESSES) as stock, build(spec, "lava-fast") as fast:
        few = {"per": 50, "baseline_per": 10, "repeats": 5, "warm_up": 1}
        run_stock = learning(stock, frames[:1], labels[:1])
        run_fast = learning(fast, frames[:5], labels[:5])
        yield compare("lava-fast 784-256-10 integers", run_fast, STOCK, run_stock, **few)
        with build(spec, "lava-fused") as fused:
            run_fused = learning(fused, frames[:5], labels[:5])
            yield compare("lava-fused 784-256-10 integers", run_fused, STOCK, run_stock, **few)


def snapshot() -> Row:
    """The 200704 weights of 784 -> 256 out of a running network."""
    with LavaNetwork(network(SIZES), runtime=PROCESSES) as running:
        running.run(samples(SIZES, 1)[0])
        weights = running.layers[0].synapses.weights
        return compare(
            "read_var of 200704 weights",
            lambda: read_var(weights),
            "Var.get",
            weights.get,
            repeats=5,
            warm_up=1,
        )


def by_width() -> dict[str, list[float]]:
    """Algorithmic steps per second of width-width-10 networks, by backend."""
    return scaled([(width, width, 10) for width in WIDTHS])


def by_depth() -> dict[str, list[float]]:
    """Algorithmic steps per second of 128-128-...-10 networks of so many layers, by backend."""
    return scaled([(128,) * depth + (10,) for depth in DEPTHS])


def scaled(networks: Sequence[tuple[int, ...]]) -> dict[str, list[float]]:
    """Steps per second of each network on each backend."""
    stock = {STOCK: [speed(sizes, "lava", PROCESSES) for sizes in networks]}
    return stock | {backend: [speed(sizes, backend) for sizes in networks] for backend in BACKENDS}


def speed(sizes: tuple[int, ...], backend: str, runtime: str | None = None) -> float:
    """Algorithmic steps per second: the median of three runs."""
    count = 2 if backend == "lava" else 10
    frames, labels = samples(sizes, count)
    with build(network(sizes), backend, runtime=runtime) as execution:
        run = learning(execution, frames, labels)
        run()
        seconds = float(np.median([timed(run) for _ in range(3)]))
    print(sizes, backend, f"{count * TIME_STEPS / seconds:.0f} steps/s", flush=True)
    return count * TIME_STEPS / seconds


def learning(execution: Any, frames: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
    """What learns from these samples once."""
    return lambda: execution.learn(frames, labels)


@contextmanager
def floor_of_lava() -> Iterator[Callable[[], None]]:
    """Runs one process that does nothing for 200 steps."""
    supervisor = Supervisor(Floor(), Loihi2SimCfg())
    supervisor.start()
    try:
        yield lambda: supervisor.run(200)
    finally:
        supervisor.close()


def network(sizes: tuple[int, ...]) -> NetworkSpec:
    """A dense network that learns online in all layers, its rate too small to change its spikes.

    The transposes of its feedback are frozen: reading them live would cost stock Lava more.
    """
    spec = dense_network(np.random.default_rng(0), sizes)
    return with_learning(spec, learning_rate=1e-3, feedback="symmetric")


def samples(sizes: tuple[int, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random events: 10 % of the inputs spike."""
    rng = np.random.default_rng(1)
    frames = (rng.random((count, TIME_STEPS, sizes[0])) < 0.1).astype(np.uint8)
    return frames, rng.integers(0, sizes[-1], count)


if __name__ == "__main__":
    main()
