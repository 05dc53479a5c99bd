"""Offline accuracy on digits-dvs by architecture, method, split and seed, written as JSON.

A cell that the file already holds with the same settings is not trained again; the others are a
study (`onchip.deploy.studies`), which goes on where it was interrupted. Accuracy is that after the
last epoch, nothing is selected on the test set; the sensor of digits-dvs is simulated. The vgg is
the small one of `recommended_network`, of which `bench_vgg_cost.py` measures time and memory.

    python tests/benchmarks/bench_accuracy_offline.py --models mlp --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import mean, pstdev

import torch
from study_runs import run_all

from onchip.deploy.studies.study import TASK, Step, Study
from onchip.files.writing import write_text
from onchip.models import (
    TrainingConfig,
    build_model,
    recommended_network,
    recommended_training,
    train,
)
from onchip.models.data import load_dataset

RESULTS = Path(__file__).parent / "results" / "accuracy_offline.json"
KEYS = ("model", "method", "split", "seed")
CHOSEN_ON = {
    "convnet": "test accuracy of the contiguous split, seed 0",
    "mlp": "test accuracy of the contiguous split, seed 0",
    "vgg": "held-out blocks of the contiguous training part, see vgg_settings.json",
}
"""Model -> what its settings were chosen by."""


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    cells = read_cells(args.out)
    wanted = []
    for split, *chosen in itertools.product(args.splits, args.models, args.methods, args.seeds):
        model, method, seed = chosen
        settings = cell_settings(model, method, seed, args.epochs)
        key = (model, method, split, seed)
        kept = key in cells and with_defaults(cells[key]["settings"]) == settings
        if args.fresh or not kept:
            wanted.append({**dict(zip(KEYS, key, strict=True)), "settings": settings})
    cells |= trained(wanted, args.threads, args.jobs)
    write(args.out, cells)
    for row in summarise(cells):
        print(
            f"{row['model']:8} {row['method']:7} {row['split']:11} mean {100 * row['mean']:.2f} % "
            f"+- {100 * row['spread']:.2f} over {len(row['seeds'])} seeds"
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["convnet", "mlp", "vgg"])
    parser.add_argument("--methods", nargs="+", default=["ottt_a", "ottt_o", "bptt"])
    parser.add_argument("--splits", nargs="+", default=["random", "contiguous"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="other than the recommended number")
    parser.add_argument("--fresh", action="store_true", help="train what the file holds, too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="cells at once; times are of one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def cell_settings(model: str, method: str, seed: int, epochs: int | None) -> dict[str, object]:
    """Everything that decides a cell's result but the data, as JSON gives it back."""
    changes = {} if epochs is None else {"epochs": epochs}
    training = recommended_training(model, method, seed=seed, **changes)
    shape = {"input_shape": (2, 32, 32), "classes": 10, "time_steps": 10}
    network = build_model(model, seed=seed, **shape, **recommended_network(model))
    settings = {"network": network.config, "training": dataclasses.asdict(training)}
    return json.loads(json.dumps(settings))


def with_defaults(settings: dict) -> dict[str, object]:
    """Settings of an earlier run, training options that came after it at their defaults."""
    return {
        **settings,
        "training": {**dataclasses.asdict(TrainingConfig()), **settings["training"]},
    }


def trained(wanted: list[dict], threads: int, jobs: int) -> dict[tuple, dict]:
    """Train cells, each in a process of its own -> the cells by their keys."""
    if not wanted:
        return {}
    step = Step(TASK, function=f"{Path(__file__).resolve()}:train_cell")
    study = Study((step,), ("accuracy",), grid={"cell": wanted}, threads=threads)
    cells = run_all("accuracy-offline", study, jobs)
    return {tuple(cell[key] for key in KEYS): cell for cell in cells}


def train_cell(cell: dict) -> dict[str, object]:
    """Train one cell -> its keys, what came of it and its settings."""
    name, settings = cell["model"], cell["settings"]
    training = settings["training"]
    train_set, test_set = load_dataset("digits-dvs", split=cell["split"])
    model = build_model(name, seed=training["seed"], **settings["network"])
    config = recommended_training(name, **training)
    result = train(model, train_set, test_set, config)
    return {
        **{key: cell[key] for key in KEYS},
        "dataset": "digits-dvs",
        "train_samples": len(train_set.labels),
        "test_samples": len(test_set.labels),
        "accuracy": result.accuracy,
        "train_accuracy": result.history[-1]["train_accuracy"],
        "seconds": round(result.seconds, 1),
        "settings": settings,
    }


def read_cells(path: Path) -> dict[tuple, dict]:
    if not path.is_file():
        return {}
    content = json.loads(path.read_text())
    return {tuple(cell[key] for key in KEYS): cell for cell in content["cells"]}


def summarise(cells: dict[tuple, dict]) -> list[dict[str, object]]:
    """Mean and population standard deviation over the seeds of each model, method and split."""
    groups: dict[tuple, list[dict]] = {}
    for key, cell in sorted(cells.items()):
        groups.setdefault(key[:3], []).append(cell)
    return [
        {
            **dict(zip(KEYS, key, strict=False)),
            "seeds": [cell["seed"] for cell in group],
            "mean": mean(cell["accuracy"] for cell in group),
            "spread": pstdev(cell["accuracy"] for cell in group),
        }
        for key, group in groups.items()
    ]


def write(path: Path, cells: dict[tuple, dict]) -> None:
    content = {
        "dataset": "digits-dvs",
        "sensor": "simulated",
        "settings_chosen_on": CHOSEN_ON,
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("onchip", "torch", "numpy", "scikit-learn")},
        },
        "summary": summarise(cells),
        "cells": [cell for _, cell in sorted(cells.items())],
    }
    text = json.dumps(content, indent=1) + "\n"
    write_text(path, text)


if __name__ == "__main__":
    main()
