"""Peak training memory of OTTT and BPTT against the number of time steps, written as JSON.

Counted are the bytes of all tensors that one update allocates (see
`onchip.models.training.memory`), on a batch of digits-dvs size.

    python tests/benchmarks/bench_training_memory.py
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from onchip.files.writing import write_text
from onchip.models import build_model
from onchip.models.architectures.recommended import recommended_training
from onchip.models.config import METHODS
from onchip.models.training.memory import update_peak_bytes

RESULTS = Path(__file__).parent / "results" / "training_memory.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["convnet", "mlp"])
    parser.add_argument("--steps", nargs="+", type=int, default=[4, 16, 64])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for model in args.models:
        for method in METHODS:
            peaks = {n: peak_bytes(model, method, n, args.batch_size) for n in args.steps}
            growth = max(peaks.values()) / min(peaks.values()) - 1
            rows.append(
                {"model": model, "method": method, "peak_bytes": peaks, "growth": round(growth, 4)}
            )
            print(f"{model:8} {method:7} {peaks} grows by {100 * growth:.2f} %", flush=True)
    content = {
        "batch_size": args.batch_size,
        "input_shape": [2, 32, 32],
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "rows": rows,
    }
    text = json.dumps(content, indent=1) + "\n"
    write_text(args.out, text)


def peak_bytes(name: str, method: str, time_steps: int, batch_size: int) -> int:
    """Peak of one update of a freshly built model."""
    model = build_model(name, input_shape=(2, 32, 32), classes=10, time_steps=time_steps)
    rng = np.random.default_rng(0)
    frames = (rng.random((batch_size, time_steps, 2, 32, 32)) < 0.4).astype(np.uint8)
    labels = np.arange(batch_size) % 10
    return update_peak_bytes(model, recommended_training(name, method), frames, labels)


if __name__ == "__main__":
    main()
