"""What FPTT and liquid time constants reach on the add task, their memory and speed, as JSON.

One thread; losses are mean squared errors (guessing: 0.167), seconds those of the process.

    python tests/benchmarks/bench_fptt.py [--only memory speed short digits]

Longer sequences are in bench_fptt_long.py. With --only, the other sections of the file stay as they
are.
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timing
import torch
from torch import Tensor
from torch.nn import functional

from onchip.files.writing import write_json
from onchip.models.fptt.cells import LiquidLayer, cell_step
from onchip.models.fptt.config import RunConfig
from onchip.models.fptt.optimizer import FPTTConfig
from onchip.models.fptt.tasks import GUESSING, AddTask
from onchip.models.fptt.training import make_learner, make_network, train
from onchip.models.training.memory import training_peak_bytes

RESULTS = Path(__file__).parent / "results" / "fptt.json"

SHORT = {"steps": 60, "hidden": 32, "batch": 32, "parts": 10, "updates": 1500}
SHORT_RUNS = [
    {"cell": cell, "method": method, "target": "running" if method == "fptt" else "final"}
    for cell in ("ltc", "lif", "adaptive")
    for method in ("fptt", "bptt")
]
DIGITS = {
    "task": "digits", "cell": "ltc-adaptive", "steps": 64, "parts": 4, "batch": 32, "updates": 40,
    "learning_rate": 0.01, "oracle": True,
}  # fmt: skip
PART = 20
"""Steps of a part where memory is compared: as many at every length of the sequence."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    kept = json.loads(args.out.read_text()) if args.out.exists() else {}
    content = {
        "machine": {"processor": platform.machine(), "system": platform.system(), "threads": 1},
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "guessing": GUESSING,
        **{name: kept[name] for name in SECTIONS if name in kept},
        **{name: SECTIONS[name]() for name in args.only},
    }
    write_json(args.out, content)


def learned(settings: dict[str, Any]) -> dict[str, Any]:
    """One run's summary, printed as it is made."""
    result = train(RunConfig(**settings))
    config = result.config
    print(
        f"{config.task} T={config.steps} {config.cell} {config.method} {config.target}: "
        f"best {result.best:.5f}, "
        f"best mean {result.best_mean:.5f}, last {result.last:.5f}, {result.cpu_seconds:.0f} s",
        flush=True,
    )
    return result.summary()


def memory_rows(lengths: tuple[int, ...]) -> list[dict[str, Any]]:
    """Peak bytes of tensors of one batch by method and length, and how the longest compares."""
    rows = []
    for method in ("fptt", "bptt"):
        peaks = {steps: peak_bytes(method, steps) for steps in lengths}
        growth = peaks[max(lengths)] / peaks[min(lengths)]
        rows.append({"method": method, "peak_bytes": peaks, "longest_to_shortest": growth})
        print(f"{method}: {peaks}, {growth:.3f} times", flush=True)
    return rows


def peak_bytes(method: str, steps: int) -> int:
    """Of one batch in parts of `PART` steps; the batch itself, made before, is not counted."""
    config = RunConfig(method=method, steps=steps, parts=steps // PART)
    learner, _ = make_learner(config, make_network(config))
    batch = AddTask(steps).draw(config.batch, torch.Generator().manual_seed(0))
    return training_peak_bytes(lambda *_: learner.learn(batch))


def speed_rows() -> list[timing.Row]:
    """The scan and its own backward pass against a loop of steps under autograd."""
    rows = []
    for cell in ("ltc", "ltc-adaptive", "adaptive", "lif"):
        torch.manual_seed(0)
        layer, x = LiquidLayer(2, 64, cell), torch.rand(PART, 64, 2)
        target = torch.rand(64, 64)
        rows.append(
            timing.compare(
                f"{cell}, {PART} steps and their gradient",
                lambda layer=layer, x=x, target=target: scanned(layer, x, target),
                "cell_step under autograd",
                lambda layer=layer, x=x, target=target: looped(layer, x, target),
                per=PART,
            )
        )
    return rows


def scanned(layer: LiquidLayer, x: Tensor, target: Tensor) -> None:
    layer.zero_grad()
    functional.mse_loss(layer(x)[1].u, target).backward()


def looped(layer: LiquidLayer, x: Tensor, target: Tensor) -> None:
    layer.zero_grad()
    state = layer.initial_state(x.shape[1])
    for step in x:
        state = cell_step(layer, step, state)
    functional.mse_loss(state.u, target).backward()


SECTIONS = {
    "memory": lambda: memory_rows((200, 1000)),
    "speed": lambda: [row._asdict() for row in speed_rows()],
    "short": lambda: [learned({**SHORT, **run}) for run in SHORT_RUNS],
    "digits": lambda: learned({**DIGITS, "fptt": FPTTConfig(alpha=0.1)}),
}


if __name__ == "__main__":
    main()
