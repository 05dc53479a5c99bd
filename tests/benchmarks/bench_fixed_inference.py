"""What integers cost trained networks in accuracy, before and after fine-tuning; written as JSON.

Trained on digits-dvs (random split, sensor simulated), quantized by
`onchip.deploy.quantization.network`, run by the integer engine on all test samples; then fine-tuned
for an epoch with the weights on the integers' grid and quantized on the same grid. Inference only:
no layer is plastic.

    python tests/benchmarks/bench_fixed_inference.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from fixed_training import summary, trained

from onchip.deploy.backends.table import build
from onchip.deploy.quantization.network import quantize
from onchip.files.writing import write_text
from onchip.models.description import describe_model
from onchip.models.training.fine_tuning import fine_tune, fine_tuning_config

RESULTS = Path(__file__).parent / "results" / "fixed_inference.json"
MODELS = ("convnet", "mlp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--checkpoints", type=Path, default=None, help="folder to keep them in")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = args.checkpoints or Path(folder)
        runs = [one_run(name, seed, kept) for name in args.models for seed in args.seeds]
    content = {
        "dataset": "digits-dvs",
        "split": "random",
        "sensor": "simulated",
        "versions": {name: version(name) for name in ("onchip", "numpy", "torch")},
        "summary": [summarise(name, runs) for name in args.models],
        "runs": runs,
    }
    text = json.dumps(content, indent=1) + "\n"
    write_text(args.out, text)


def one_run(name: str, seed: int, folder: Path) -> dict[str, Any]:
    """Accuracies of the float network, its integers, and those after fine-tuning."""
    model, training, (train_set, test_set) = trained(name, seed, folder)
    spec = describe_model(model)
    fixed = quantize(spec)

    def accuracy(network: Any) -> float:
        with build(network) as execution:
            return execution.evaluate(test_set.frames, test_set.labels)

    found = {"float": accuracy(spec), "fixed": accuracy(fixed)}
    steps = {layer.name: layer.weight_step for layer in fixed.layers}
    fine_tune(model, train_set, test_set, fine_tuning_config(training, 1, None), steps)
    found["fine_tuned"] = accuracy(quantize(describe_model(model), like=fixed))
    print(name, seed, found, flush=True)
    return {"model": name, "seed": seed, "test_samples": len(test_set.labels), **found}


def summarise(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds; `cost` is float minus integer accuracy."""
    mine = [run for run in runs if run["model"] == name]
    names = ("float", "fixed", "fine_tuned")
    columns = {key: np.array([run[key] for run in mine]) for key in names}
    costs = {
        "cost": columns["float"] - columns["fixed"],
        "cost_fine_tuned": columns["float"] - columns["fine_tuned"],
    }
    values = {**columns, **costs}
    return {"model": name, **{key: summary(list(map(float, v))) for key, v in values.items()}}


if __name__ == "__main__":
    main()
