"""The demo's drift scenario: compiled, by NumPy steps, and in layers on Lava's own runtime.

The whole stage of learning as the demo plays it: a trained network, samples of the drifted sensor
in six stages, one in three predicted before it is learned from. All must predict the same; written
as JSON with the ratios of the seconds, which grow with the samples alike (`--samples`).

    python tests/benchmarks/bench_drift_speed.py
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fixed_training import trained
from timing import RESULTS, Row, row, timed, write_rows

from onchip.deploy.backends.table import build
from onchip.deploy.cli import stages
from onchip.deploy.cli.data import DataChoice, take
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.quantization.network import quantize
from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.runtime import supervisor
from onchip.models.description import describe_model
from onchip.network.learning import with_learning
from onchip.network.partition import split_trunk
from onchip.program.graphs import as_graph

BACKENDS = ("lava-compiled", "lava-fused", "lava")
"""From the fastest to the slowest; each is compared to the next."""

NAMES = {"lava": "lava on Lava's runtime"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=FULL.stream_samples)
    parser.add_argument("--checkpoints", type=Path, default=None, help="folder to keep them in")
    parser.add_argument("--out", type=Path, default=RESULTS / "drift_speed.json")
    args = parser.parse_args()
    scenario = replace(FULL, stream_samples=args.samples)
    with tempfile.TemporaryDirectory() as folder:
        model, _, _ = trained(FULL.model, 0, args.checkpoints or Path(folder))
    spec = with_learning(
        as_graph(describe_model(model)),
        plastic=FULL.plastic,
        learning_rate=FULL.rates(0),
        feedback=FULL.feedback,
    )
    data = stages.load_data(DataChoice(FULL.dataset, FULL.split, 0, FULL.time_steps), FULL)
    rows = list(measure(scenario, {"float": spec, "integers": quantize(spec)}, data))
    write_rows(args.out, rows, stream_samples=args.samples, dataset=f"{FULL.dataset}, drifted")


def measure(scenario: Any, specs: dict[str, Any], data: stages.Data) -> Iterator[Row]:
    """Both ways in each precision."""
    stream = take(data.drifted_train, scenario.stream_samples, np.random.default_rng(0))
    for name, spec in specs.items():
        features = stages.see(spec, data, stream[0])
        found: dict[str, Any] = {}

        def learn(backend: str, spec: Any = spec, features: Any = features, found: Any = found):
            supervisor.DEFAULT = PROCESSES if backend == "lava" else ONE_PROCESS
            found[backend] = stages.learn_in_lava(scenario, spec, features, stream[1], backend)

        with build(split_trunk(spec)[1], BACKENDS[0]):
            pass  # its kernels are compiled, and kept
        seconds = {backend: timed(lambda b=backend: learn(b)) for backend in BACKENDS}
        for faster, slower in itertools.pairwise(BACKENDS):
            ours, theirs = (found[backend][0].correct for backend in (faster, slower))
            if not np.array_equal(ours, theirs):
                raise SystemExit(
                    f"{name}: {faster} and {slower} predict differently; no speed to compare"
                )
            yield row(
                f"{faster}, drift scenario, {name}",
                f"{NAMES.get(slower, slower)}, the same",
                seconds[faster],
                seconds[slower],
            )


if __name__ == "__main__":
    main()
