"""FPTT and BPTT on the add task over 200, 500 and 1000 steps, a record for each run, as JSON.

One thread; mean squared errors (guessing: 0.167), seconds those of the process. FPTT takes parts of
20 steps at every length, so that its memory is the same. Time constants of the start are spread up
to the length of the sequence. Both methods see as many sequences; FPTT makes an update after each
part, BPTT after each batch. A run whose record is there is not made again, so that the script goes
on where it was stopped; --again makes all of them anew.

    python tests/benchmarks/bench_fptt_long.py [--steps 200 500 1000] [--seeds 0 1 2] [--again]
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from onchip.files.writing import write_json
from onchip.models.fptt.config import RunConfig
from onchip.models.fptt.optimizer import FPTTConfig
from onchip.models.fptt.tasks import GUESSING
from onchip.models.fptt.training import train

RESULTS = Path(__file__).parent / "results" / "fptt_long.json"
PART = 20
"""Steps of a part."""
BATCHES = {200: 2500, 500: 600, 1000: 600}
"""Batches of 64 sequences, by the length of the sequences."""
SHORT = {"weighting": "correct", "fptt": FPTTConfig(alpha=0.1)}
LONG = {"weighting": "published", "fptt": FPTTConfig(alpha=0.5)}
"""Of FPTT over 200 steps, and over more: the paper's alpha, which its weights of the parts go with.
Each is the better one there (seed 0)."""
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", nargs="+", type=int, choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=list(SEEDS))
    parser.add_argument("--again", action="store_true", help="make the runs that are there anew")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, config in wanted(args):
        content = json.loads(args.out.read_text()) if args.out.exists() else {}
        rows = content.get("runs", [])
        if not args.again and any(made_by(row, name, config) for row in rows):
            continue
        row = {"method": name, "updates": updates_of(config), **record(config)}
        where = f"{name}, T = {config.steps}, seed {config.seed}"
        losses = f"best {row['best_loss']:.5f}, last {row['last_loss']:.5f}"
        print(f"{where}: {losses}, {row['cpu_seconds']} s", flush=True)
        rows = sorted([*(r for r in rows if order(r) != order(row)), row], key=order)
        write_json(args.out, {**facts(), "runs": rows})


def wanted(args: argparse.Namespace) -> Iterator[tuple[str, RunConfig]]:
    """The runs that were asked for; `CONTROLS` are of one seed at 200 steps."""
    for seed in args.seeds:
        for steps in args.steps:
            for name in args.methods:
                if name not in CONTROLS or (seed, steps) == (0, 200):
                    yield name, configured(name, steps, seed)


def configured(name: str, steps: int, seed: int) -> RunConfig:
    """The settings of a run: 64 liquid cells, batches of 64, Adam at 0.003."""
    own = SHORT if steps == min(BATCHES) else LONG
    return RunConfig(
        steps=steps, slowest=steps, parts=steps // PART, updates=BATCHES[steps], seed=seed,
        **own, **METHODS[name],
    )  # fmt: skip


METHODS: dict[str, dict[str, Any]] = {
    "fptt": {"method": "fptt"},
    "bptt": {"method": "bptt"},
    "fptt, constant rate": {"method": "fptt", "schedule": "constant"},
    "fptt, lif": {"method": "fptt", "cell": "lif"},
}
CONTROLS = ("fptt, constant rate", "fptt, lif")


def updates_of(config: RunConfig) -> int:
    """Updates of the weights in a run."""
    return config.updates * (config.parts if config.method == "fptt" else 1)


def made_by(row: dict[str, Any], name: str, config: RunConfig) -> bool:
    """Whether a record is of this run, with these very settings."""
    return bool(row["method"] == name and row["settings"] == json.loads(json.dumps(asdict(config))))


def record(config: RunConfig) -> dict[str, Any]:
    """A run's summary, and its losses in means of a twentieth of the run."""
    result = train(config, every=max(1, config.updates // 10))
    width = max(1, config.updates // 20)
    means = [sum(part) / len(part) for part in
             (result.losses[n : n + width] for n in range(0, config.updates, width))]  # fmt: skip
    return {**result.summary(), "means": [round(mean, 6) for mean in means]}


def order(row: dict[str, Any]) -> tuple[int, str, int]:
    """Where a record stands in the file."""
    return row["settings"]["steps"], row["method"], row["settings"]["seed"]


def facts() -> dict[str, Any]:
    """The machine, the versions and what guessing costs."""
    return {
        "machine": {"processor": platform.machine(), "system": platform.system(), "threads": 1},
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "guessing": GUESSING,
    }


if __name__ == "__main__":
    main()
