"""Settings of the small VGG, compared on held-out blocks of the training data, written as JSON.

A block is a fifth of digits-dvs's contiguous training part: digits of other writers than those
learned from, and blocks differ, so that more than one is held out in turn. The test samples are not
used. A candidate that the file already holds with the same settings is not trained again.

    python tests/benchmarks/bench_vgg_settings.py
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from onchip.files.writing import write_text
from onchip.models import TrainingConfig, build_model, recommended_network, train
from onchip.models.data import FrameDataset, load_dataset

RESULTS = Path(__file__).parent / "results" / "vgg_settings.json"
SPLIT = "contiguous"
BLOCKS = 5
"""Parts of the training data, in order, one of which is held out."""
NETWORK = recommended_network("vgg")
TRAINING: dict[str, Any] = {"batch_size": 32, "learning_rate": 5e-3, "max_shift": 1}
STRONG = {"epochs": 16, "max_rotation": 10.0, "max_zoom": 0.15}
STRONGER = {"epochs": 16, "max_rotation": 15.0, "max_zoom": 0.2}
WIDE = {"channels": (32, "P", 64, "P", 64, "P", 32)}
CANDIDATES: dict[str, dict[str, Any]] = {
    "mild": {"epochs": 8, "max_rotation": 7.0, "max_zoom": 0.1},
    "strong": STRONG,
    "stronger": STRONGER,
    "stronger, shift 2": {"epochs": 16, "max_rotation": 12.0, "max_zoom": 0.2, "max_shift": 2},
    "strong, smoothed labels": {**STRONG, "label_smoothing": 0.1},
    "strong, events dropped": {**STRONG, "event_drop": 0.3},
    "strong, dropout": STRONG,
    "stronger, wide": STRONGER,
    "stronger, 32 epochs": {**STRONGER, "epochs": 32},
    "stronger, 48 epochs": {**STRONGER, "epochs": 48},
}
"""Name -> changes of TRAINING."""
NETWORKS: dict[str, dict[str, Any]] = {
    "strong, dropout": {"dropout": 0.1},
    "stronger, wide": WIDE,
}
"""Name -> changes of NETWORK."""
CHOSEN = "stronger, 48 epochs: the best mean of those tried on blocks 0, 2 and 4"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES), choices=CANDIDATES)
    parser.add_argument("--blocks", nargs="+", type=int, default=[0, 2, 4])
    parser.add_argument("--seeds", nargs="+", type=int, default=[10])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    runs = json.loads(args.out.read_text())["runs"] if args.out.is_file() else []
    for name, block, seed in itertools.product(args.candidates, args.blocks, args.seeds):
        settings = candidate(name, block, seed)
        if any(run["settings"] == settings for run in runs):
            continue
        runs.append({"candidate": name, **measure(settings), "settings": settings})
        write(args.out, runs)
        accuracy = 100 * runs[-1]["validation_accuracy"]
        print(f"{name:24} block {block} seed {seed}: {accuracy:.2f} %", flush=True)


def parts(block: int) -> tuple[FrameDataset, FrameDataset]:
    """(what is learned from, the block that is held out), both of the training part."""
    whole, _ = load_dataset("digits-dvs", split=SPLIT)
    first, end = (round(place * len(whole) / BLOCKS) for place in (block, block + 1))
    held_out = np.arange(first, end)
    return whole.subset(np.delete(np.arange(len(whole)), held_out)), whole.subset(held_out)


def candidate(name: str, block: int, seed: int) -> dict[str, Any]:
    """All that decides a run's result but the data, as JSON gives it back."""
    settings = {
        "held_out_block": block,
        "seed": seed,
        "network": {**NETWORK, **NETWORKS.get(name, {})},
        "training": {**TRAINING, **CANDIDATES[name], "method": "ottt_a", "seed": seed},
    }
    return json.loads(json.dumps(settings))


def measure(settings: dict[str, Any]) -> dict[str, object]:
    """Train and measure on the held-out block after the last epoch."""
    learned, held_out = parts(settings["held_out_block"])
    model = build_model(
        "vgg",
        seed=settings["seed"],
        input_shape=learned.frames.shape[2:],
        classes=learned.classes,
        time_steps=learned.frames.shape[1],
        **settings["network"],
    )
    result = train(model, learned, held_out, TrainingConfig(**settings["training"]))
    return {
        "validation_accuracy": result.accuracy,
        "by_epoch": [round(entry["test_accuracy"], 4) for entry in result.history],
        "train_accuracy": result.history[-1]["train_accuracy"],
        "seconds": round(result.seconds, 1),
    }


def summarise(runs: list[dict]) -> dict[str, dict[str, Any]]:
    """By candidate: validation accuracy by held-out block, and the mean over the blocks tried.

    Means over different blocks do not compare: some blocks are harder than others.
    """
    groups: dict[str, list[dict]] = {}
    for run in runs:
        groups.setdefault(run["candidate"], []).append(run)
    return {
        name: {
            "by_held_out_block": {
                run["settings"]["held_out_block"]: run["validation_accuracy"] for run in group
            },
            "mean": mean(run["validation_accuracy"] for run in group),
        }
        for name, group in groups.items()
    }


def write(path: Path, runs: list[dict]) -> None:
    content = {
        "dataset": "digits-dvs",
        "split": SPLIT,
        "validation": f"one of {BLOCKS} blocks of the training part; no test sample is used",
        "chosen": CHOSEN,
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "summary": summarise(runs),
        "runs": runs,
    }
    text = json.dumps(content, indent=1) + "\n"
    write_text(path, text)


if __name__ == "__main__":
    main()
