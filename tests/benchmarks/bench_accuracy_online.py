"""Learning from scratch, online, one sample at a time, on digits-dvs; written as JSON.

The trainer's OTTT_O with a batch of one and Adam: an update at every step of every sample,
nothing kept, nothing seen more than `--passes` times. A seed decides the split, the recordings, the
initial weights and the order. The sensor is simulated. The seeds are a study
(`onchip.deploy.studies`), which goes on where it was interrupted.

    python tests/benchmarks/bench_accuracy_online.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from statistics import mean, pstdev

import torch
from study_runs import run_all

from onchip.deploy.studies.study import TASK, Step, Study
from onchip.files.writing import write_text
from onchip.models import TrainingConfig, build_model, train
from onchip.models.data import load_dataset

RESULTS = Path(__file__).parent / "results" / "accuracy_online.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once; times are of one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = TrainingConfig(
        method="ottt_o",
        epochs=args.passes,
        batch_size=1,
        optimizer="adam",
        learning_rate=args.learning_rate,
    )
    runs = all_runs(config, args.seeds, args.threads, args.jobs)
    passes = list(zip(*(run["accuracy_by_pass"] for run in runs), strict=True))
    content = {
        "dataset": "digits-dvs",
        "split": "random",
        "sensor": "simulated",
        "settings": {"model": "convnet", "training": dataclasses.asdict(config)},
        "versions": {name: version(name) for name in ("onchip", "torch", "numpy")},
        "summary": [{"mean": mean(values), "spread": pstdev(values)} for values in passes],
        "runs": runs,
    }
    text = json.dumps(content, indent=1) + "\n"
    write_text(args.out, text)
    print(content["summary"])


def all_runs(config: TrainingConfig, seeds: list[int], threads: int, jobs: int) -> list[dict]:
    """Train with each seed in a process of its own."""
    settings = dataclasses.asdict(config)
    settings.pop("seed")
    step = Step(TASK, {"settings": settings}, function=f"{Path(__file__).resolve()}:one_run")
    study = Study((step,), ("last_accuracy",), grid={"seed": seeds}, threads=threads)
    runs = run_all("accuracy-online", study, jobs)
    return [{name: run[name] for name in run if name != "last_accuracy"} for run in runs]


def one_run(settings: dict, seed: int) -> dict[str, object]:
    """Train from scratch with one seed."""
    config = TrainingConfig(**settings, seed=seed)
    train_set, test_set = load_dataset("digits-dvs", split="random", seed=config.seed)
    model = build_model(
        "convnet",
        seed=config.seed,
        input_shape=train_set.frames.shape[2:],
        classes=train_set.classes,
        time_steps=train_set.frames.shape[1],
    )
    result = train(model, train_set, test_set, config)
    accuracies = [entry["test_accuracy"] for entry in result.history]
    return {
        "seed": config.seed,
        "last_accuracy": accuracies[-1],
        "accuracy_by_pass": accuracies,
        "train_samples": len(train_set.labels),
        "test_samples": len(test_set.labels),
        "seconds": round(result.seconds, 1),
    }


if __name__ == "__main__":
    main()
