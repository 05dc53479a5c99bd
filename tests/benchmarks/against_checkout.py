"""This checkout against another one: engine, fused network, layered network, training step.

One Python process for each checkout does the same work in turn, so that a noisy machine hits both
alike; the ratio is the median CPU time of the other checkout over that of this one.

    git worktree add /tmp/before COMMIT
    python tests/benchmarks/against_checkout.py --before /tmp/before
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[2]
SIZES, TIME_STEPS, CLASSES = (784, 256, 10), 10, 10
ROUNDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, default=HERE / "tests/benchmarks/results/before.json")
    args = parser.parse_args()
    from timing import row, write_rows

    ours, theirs = Worker(HERE), Worker(args.before)
    rows = []
    for name in WORK:
        times = np.array([in_turn(ours, theirs, name, n) for n in range(args.rounds + 3)])
        this, before = np.median(times[3:], axis=0)
        rows.append(row(name, "the release before", float(this), float(before)))
    write_rows(args.out, rows, sizes=list(SIZES), time_steps=TIME_STEPS, rounds=args.rounds)


def in_turn(ours: Worker, theirs: Worker, name: str, count: int) -> tuple[float, float]:
    """CPU seconds of both; the one that goes first changes every time."""
    if count % 2:
        this = ours.time(name)
        return this, theirs.time(name)
    before = theirs.time(name)
    return ours.time(name), before


class Worker:
    """A Python process that imports the packages of one checkout and times work on demand."""

    def __init__(self, checkout: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--worker", str(checkout.resolve())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def time(self, name: str) -> float:
        """CPU seconds of one round of the named work."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(name, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())


def serve(checkout: Path) -> None:
    """Answer names of work with the CPU seconds that they took, until the input ends."""
    _import_from(checkout)
    made: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in made:
            made[name] = WORK[name]()
        start = time.process_time()
        made[name]()
        print(time.process_time() - start, flush=True)


def _import_from(checkout: Path) -> None:
    """Have the packages of a checkout imported, whatever is installed."""
    from importlib.machinery import ModuleSpec
    from importlib.util import spec_from_file_location

    inside = _prefix(checkout)
    os.environ["BENCH_PREFIX"] = inside
    folders = {"onchip": "onchip", f"{inside}models": "models", f"{inside}deploy": "deploy"}

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
            if name not in folders:
                return None
            folder = checkout / folders[name]
            start, places = folder / "__init__.py", [str(folder)]
            return spec_from_file_location(name, start, submodule_search_locations=places)

    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]


def _prefix(checkout: Path) -> str:
    """What models and deploy are imported with: nothing in old checkouts."""
    return "onchip." if '"onchip.models"' in (checkout / "pyproject.toml").read_text() else ""


def packages() -> tuple[Any, Any, Any]:
    """onchip, and its models and deploy under the names of either checkout."""
    import importlib

    onchip = importlib.import_module("onchip")
    inside = os.environ["BENCH_PREFIX"]
    models, deploy = (importlib.import_module(f"{inside}{name}") for name in ("models", "deploy"))
    return onchip, models, deploy


def network() -> tuple[Any, np.ndarray, np.ndarray]:
    onchip, _, _ = packages()
    rng = np.random.default_rng(0)
    lif = onchip.LIF(surrogate=onchip.Surrogate("triangle"))
    layers = tuple(
        onchip.DenseSpec(
            f"fc{i}",
            rng.normal(0, 1.5 / np.sqrt(pre), (post, pre)),
            onchip.LeakyIntegrator() if post == CLASSES else lif,
            bias=rng.normal(0, 0.1, post),
        )
        for i, (pre, post) in enumerate(itertools.pairwise(SIZES))
    )
    spec = onchip.NetworkSpec(layers, SIZES[:1], TIME_STEPS)
    frames = (rng.random((4, TIME_STEPS, SIZES[0])) < 0.1).astype(np.uint8)
    spec = onchip.with_learning(spec, learning_rate=0.02, feedback="symmetric")
    return spec, frames, np.arange(4)


def learning(backend: str, integers: bool = False) -> Callable[[], Any]:
    spec, frames, labels = network()
    _, _, deploy = packages()
    execution = deploy.build(quantized(deploy, spec) if integers else spec, backend)
    return lambda: execution.learn(frames, labels)


def quantized(deploy: Any, spec: Any) -> Any:
    """The integers of a network; older checkouts have another name for the function."""
    name = "quantize_network" if "quantize_network" in deploy.__all__ else "quantize"
    return getattr(deploy, name)(spec)


def engine() -> Callable[[], Any]:
    spec, frames, labels = network()
    onchip, _, _ = packages()
    made = onchip.Engine(spec)
    return lambda: [made.learn(frames[i : i + 1], labels[i : i + 1]) for i in range(len(frames))]


def training() -> Callable[[], Any]:
    """One epoch of two batches of a small convolutional network."""
    import torch

    _, models, _ = packages()
    torch.set_num_threads(1)
    data = models.FrameDataset(
        "random",
        "all",
        (np.random.default_rng(0).random((32, 6, 2, 16, 16)) < 0.2).astype(np.uint8),
        np.arange(32) % 10,
        10,
    )
    net = models.build_model("convnet", input_shape=(2, 16, 16), classes=10, time_steps=6, seed=0)
    config = models.TrainingConfig(epochs=1, batch_size=16)
    return lambda: models.train(net, data, data, config, progress=False)


WORK: dict[str, Callable[[], Callable[[], Any]]] = {
    "engine, floats": engine,
    "engine, integers": lambda: learning("numpy", integers=True),
    "lava-fused, floats": lambda: learning("lava-fused"),
    "lava-fused, integers": lambda: learning("lava-fused", integers=True),
    "lava-fast, floats": lambda: learning("lava-fast"),
    "lava-fast, integers": lambda: learning("lava-fast", integers=True),
    "training epoch": training,
}


if __name__ == "__main__":
    serve(Path(sys.argv[2])) if sys.argv[1:2] == ["--worker"] else main()
