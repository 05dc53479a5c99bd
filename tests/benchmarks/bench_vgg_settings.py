"""Settings of the small VGG, compared on a validation part of the training data, written as JSON.

The validation part is the last fifth of digits-dvs's contiguous training part: digits of other
writers than those learned from. The test samples are not used. A candidate that the file already
holds with the same settings is not trained again.

    python tests/benchmarks/bench_vgg_settings.py
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import TrainingConfig, build_model, train
from models.data import FrameDataset, load_dataset
from models.files import replace_file

RESULTS = Path(__file__).parent / "results" / "vgg_settings.json"
SPLIT = "contiguous"
VALIDATION = 0.2
"""Share of the training part, its end."""
NETWORK = {"channels": (16, "P", 32, "P", 64, "P", 32), "classifier": "full", "hidden": (128,)}
TRAINING: dict[str, Any] = {"epochs": 8, "batch_size": 32, "learning_rate": 5e-3, "max_shift": 2}
CANDIDATES: dict[str, dict[str, Any]] = {
    "12 epochs": {"epochs": 12},
    "distorted": {"max_shift": 1, "max_rotation": 7.0, "max_zoom": 0.1},
}
"""Name -> changes of TRAINING."""
CHOSEN = "distorted: one validation sample less than the best, at two thirds of the time"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES), choices=CANDIDATES)
    parser.add_argument("--methods", nargs="+", default=["ottt_a"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[10])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    parts = validation_parts()
    runs = json.loads(args.out.read_text())["runs"] if args.out.is_file() else []
    for name in args.candidates:
        for method in args.methods:
            for seed in args.seeds:
                settings = candidate(name, method, seed)
                if any(run["settings"] == settings for run in runs):
                    continue
                runs.append({"candidate": name, **measure(settings, parts), "settings": settings})
                write(args.out, runs, parts)
                accuracy = 100 * runs[-1]["validation_accuracy"]
                print(f"{name:12} {method:7} seed {seed}: {accuracy:.2f} %", flush=True)


def validation_parts() -> tuple[FrameDataset, FrameDataset]:
    """(what is learned from, what is measured on), both of the training part."""
    whole, _ = load_dataset("digits-dvs", split=SPLIT)
    first = round((1 - VALIDATION) * len(whole))
    return whole.subset(np.arange(first)), whole.subset(np.arange(first, len(whole)))


def candidate(name: str, method: str, seed: int) -> dict[str, Any]:
    """All that decides a run's result but the data, as JSON gives it back."""
    settings = {
        "seed": seed,
        "network": NETWORK,
        "training": {**TRAINING, **CANDIDATES[name], "method": method, "seed": seed},
    }
    return json.loads(json.dumps(settings))


def measure(
    settings: dict[str, Any], parts: tuple[FrameDataset, FrameDataset]
) -> dict[str, object]:
    """Train and measure on the validation part after the last epoch."""
    learned, held_out = parts
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


def write(path: Path, runs: list[dict], parts: tuple[FrameDataset, FrameDataset]) -> None:
    content = {
        "dataset": "digits-dvs",
        "split": SPLIT,
        "learned_samples": len(parts[0]),
        "validation_samples": len(parts[1]),
        "chosen": CHOSEN,
        "validation": "the last fifth of the training part; no test sample is used",
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "runs": runs,
    }
    text = json.dumps(content, indent=1) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text))


if __name__ == "__main__":
    main()
