"""N-MNIST with the recommended settings, and the rates its networks start with; written as JSON.

A seed decides the initial weights, the order of the data, augmentation and the scaled start. The
data are recordings of a real sensor (Orchard et al. 2015), read by tonic from the folder that is
named; a part of the data set is enough, and the result says how many recordings there were.

    python tests/benchmarks/bench_nmnist.py --data-root FOLDER --seeds 0 1 2

FOLDER holds NMNIST/Train and NMNIST/Test. Without it nothing is measured (exit code 2).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import torch

from onchip.files.writing import write_text
from onchip.models import (
    FrameDataset,
    build_model,
    load_dataset,
    recommended_network,
    recommended_training,
    train,
)
from onchip.models.networks.activity import firing_rates
from onchip.models.training.scaling import scale_to_data

RESULTS = Path(__file__).parent / "results" / "nmnist.json"
ARCHITECTURES: tuple[tuple[str, dict[str, Any], int | None], ...] = (
    ("mlp", {}, None),
    ("convnet", {}, None),
    ("vgg", recommended_network("vgg"), 32),
    ("vgg", {}, 32),
    ("vggf", {}, 32),
    ("vggf", {"paper_code": True}, 32),
    ("resnet34", {}, 32),
)
"""(name, options, side of the frames) of the networks whose rates are measured."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds NMNIST/")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs = [one_run(args.data_root, seed) for seed in args.seeds]
    accuracies = [run["accuracy"] for run in runs]
    settings = dataclasses.asdict(recommended_training("convnet", dataset="nmnist"))
    content = {
        "dataset": "nmnist",
        "split": "standard",
        "sensor": "ATIS",
        "settings": {"model": "convnet", "training": settings},
        "versions": {name: version(name) for name in ("onchip", "torch", "numpy")},
        "summary": {"mean": mean(accuracies), "spread": pstdev(accuracies)},
        "runs": runs,
        "rates_at_the_start": [rates(args.data_root, *network) for network in ARCHITECTURES],
    }
    write_text(args.out, json.dumps(content, indent=1) + "\n")
    print(content["summary"])


def one_run(data_root: Path, seed: int) -> dict[str, Any]:
    """Train the recommended network with one seed; accuracies are those on the test part."""
    train_set, test_set = load_dataset("nmnist", data_root=data_root, seed=seed)
    config = recommended_training("convnet", dataset="nmnist", seed=seed)
    result = train(built("convnet", train_set, seed), train_set, test_set, config)
    print(f"seed {seed}: {result.accuracy:.4f} in {result.seconds:.0f} s", flush=True)
    return {
        "seed": seed,
        "accuracy": result.accuracy,
        "accuracy_by_epoch": [entry["test_accuracy"] for entry in result.history],
        "train_samples": len(train_set),
        "test_samples": len(test_set),
        "seconds": round(result.seconds, 1),
    }


def rates(data_root: Path, name: str, options: dict[str, Any], side: int | None) -> dict[str, Any]:
    """Spikes per neuron and step of every layer on the test part, as built and scaled."""
    train_set, test_set = load_dataset("nmnist", data_root=data_root, size=side)
    model, shown = built(name, train_set, 0, **options), test_set.frames[::5]
    before = firing_rates(model, shown)
    scale_to_data(model, train_set.frames)
    return {
        "model": name,
        "options": options,
        "as_built": before,
        "scaled_start": firing_rates(model, shown),
    }


def built(name: str, data: FrameDataset, seed: int, **options: Any) -> torch.nn.Module:
    """The network for frames of this data set."""
    return build_model(
        name, seed=seed, input_shape=data.frames.shape[2:], classes=data.classes, **options
    )


if __name__ == "__main__":
    main()
