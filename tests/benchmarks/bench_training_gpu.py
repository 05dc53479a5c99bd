"""Training throughput and peak memory of the paper's VGG on a GPU, written as JSON.

For methods, numbers of steps, precisions and memory layouts: samples per second and the largest
memory, of the package and of a baseline that does what the published implementation is described to
do (`two_pass`: two forward passes a step, one on spikes and one on traces). `--compile`
measures each case once more with the package's neurons compiled. Both learn from the same picture
at every step, 3x32x32 as in CIFAR-10, in turn. Before that their updates are compared, on the CPU
in float64 (`update_control`).

The layout is that of the weights and of the input. The package keeps its maps channels last
whatever it is given; the baseline keeps what it gets. Under autocast the baseline's membranes and
traces are in half precision, as autocast leaves them, and its small float16 gradients are lost;
the package's membranes and traces stay float32.

    python tests/benchmarks/bench_training_gpu.py
    python tests/benchmarks/bench_training_gpu.py --device cpu --batch 4 --channels small
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timing import RESULTS, Row, compare, write_rows
from torch import Tensor
from two_pass import ALPHA, TRAINERS
from update_control import MOMENTUM, RATE, spread, update_difference

from onchip.models import build_model
from onchip.models.architectures.vgg import PAPER_CHANNELS
from onchip.models.config import AUTOCAST
from onchip.models.networks.acceleration import compiled_neurons
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.feedback import make_feedback
from onchip.models.training.memory import peak_tensor_bytes
from onchip.models.training.updates import UPDATES, Learner

SHAPE, CLASSES = (3, 32, 32), 10
CHANNELS = {"paper": PAPER_CHANNELS, "small": (8, 16, "P", 16, 16, "P", 16)}
PRECISIONS = {"fp32": None, **AUTOCAST}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
TOLERANCE = 1e-9
"""Largest difference of the updates in float64: sums differ in order between the two."""


class Case(NamedTuple):
    """One thing to measure; all but numbers are names in the tables here."""

    method: str
    time_steps: int
    precision: str
    layout: str
    channels: str
    device: str
    batch: int
    compiled: bool


Learn = Callable[[], None]
"""Learns from one batch and waits until it is done."""


def main() -> int:
    args = _arguments()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("bench_training_gpu: no CUDA device here; --device cpu tries the script out")
        return 2
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    torch.backends.cudnn.benchmark = True
    differences = {method: _difference(args, method) for method in args.methods}
    print(f"updates differ by {differences} of a parameter's largest")
    if not max(differences.values()) < TOLERANCE:
        raise SystemExit("the baseline and the package compute different updates")
    rows, measured = [], []
    for case in _cases(args):
        with compiled_neurons(case.device) if case.compiled else contextlib.nullcontext():
            row, figures = measure(case, args.repeats, args.warm_up)
        rows.append(row)
        measured.append({**case._asdict(), **figures})
    if args.out is not None:
        write(args, rows, differences, measured)
    return 0


def write(
    args: argparse.Namespace, rows: list[Row], differences: dict[str, float], measured: list[Any]
) -> None:
    """The JSON, with the card."""
    card = torch.cuda.get_device_name() if args.device == "cuda" else "cpu"
    facts = {"card": card, "torch": version("torch"), "cuda": torch.version.cuda}
    facts |= {"tf32": args.tf32, "memory": MEMORY[args.device], "input_shape": list(SHAPE)}
    facts |= {"channels": list(CHANNELS[args.channels]), "update_differences": differences}
    write_rows(args.out, rows, **facts, measured=measured)
    print(f"{card}: {args.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, nargs="+", default=[6, 10])
    parser.add_argument("--channels", choices=list(CHANNELS), default="paper")
    for name, table in (("methods", TRAINERS), ("layouts", LAYOUTS)):
        parser.add_argument(f"--{name}", nargs="+", choices=list(table), default=list(table))
    parser.add_argument(
        "--precisions", nargs="+", choices=list(PRECISIONS), default=["fp32", "bf16"]
    )
    parser.add_argument("--compile", action="store_true", help="also with compiled neurons")
    parser.add_argument("--tf32", action="store_true", help="float32 products in TF32")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON (training_gpu.json; none on the CPU)")
    args = parser.parse_args()
    if args.out is None and args.device == "cuda":
        args.out = RESULTS / "training_gpu.json"
    return args


def _cases(args: argparse.Namespace) -> list[Case]:
    every = itertools.product(
        (False, True) if args.compile else (False,),
        args.methods,
        args.steps,
        args.precisions,
        args.layouts,
    )
    return [
        Case(*chosen, args.channels, args.device, args.batch, compiled)
        for compiled, *chosen in every
    ]


def measure(case: Case, repeats: int, warm_up: int) -> tuple[Row, dict[str, float]]:
    """Median seconds of a batch of both, in turn, and the peak bytes of one batch of each alone."""
    ours, theirs = package(case), published(case)
    name = f"{case.method.upper()}, T={case.time_steps}, {case.precision}, {case.layout}"
    name += ", compiled" if case.compiled else ""
    made = compare(name, ours, "two forward passes", theirs, repeats=repeats, warm_up=warm_up)
    del ours, theirs
    figures = {
        "samples_per_second": case.batch / made.seconds,
        "baseline_samples_per_second": case.batch / made.baseline_seconds,
        "peak_bytes": peak_bytes(case, package),
        "baseline_peak_bytes": peak_bytes(case, published),
    }
    print("   ", {name: round(value) for name, value in figures.items()}, flush=True)
    return made, figures


MEMORY = {
    "cuda": "torch.cuda.max_memory_allocated, weights, momentum and input included",
    "cpu": "largest number of bytes of tensors that one batch allocated",
}


def peak_bytes(case: Case, make: Callable[[Case], Learn]) -> int:
    """The peak of one batch, see `MEMORY`, after one that creates the optimizer's state."""
    run = make(case)
    run()
    if case.device == "cpu":
        return peak_tensor_bytes(run)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated()


def package(case: Case) -> Learn:
    """The package's trainer."""
    model, optimizer = network(case)
    learner = Learner(model, optimizer, make_feedback(model, "exact"), ALPHA)
    frames, targets = batch(case)
    return _measured(case, lambda: UPDATES[case.method](learner, frames, targets))


def published(case: Case) -> Learn:
    """The baseline."""
    trainer = TRAINERS[case.method](*network(case))
    frames, targets = batch(case)
    return _measured(case, lambda: trainer.learn(frames, targets))


def _measured(case: Case, learn: Callable[[], object]) -> Learn:
    kind = PRECISIONS[case.precision]

    def run() -> None:
        with contextlib.nullcontext() if kind is None else torch.autocast(case.device, kind):
            learn()
        if case.device == "cuda":
            torch.cuda.synchronize()

    return run


def network(case: Case) -> tuple[SpikingNetwork, torch.optim.Optimizer]:
    """The VGG with the published code's deviations on the device, and SGD with momentum."""
    model = build_model(
        "vgg",
        input_shape=SHAPE,
        classes=CLASSES,
        time_steps=case.time_steps,
        channels=CHANNELS[case.channels],
        paper_code=True,
    ).to(case.device, memory_format=LAYOUTS[case.layout])
    return model, torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)


def batch(case: Case) -> tuple[Tensor, Tensor]:
    """Normal pictures [batch, T, 3, 32, 32], the same at all steps, and one-hot targets."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn((case.batch, *SHAPE), generator=generator).to(case.device)
    pictures = pictures.contiguous(memory_format=LAYOUTS[case.layout])
    frames = pictures.unsqueeze(1).expand(-1, case.time_steps, -1, -1, -1)
    return frames, torch.eye(CLASSES, device=case.device)[torch.arange(case.batch) % CLASSES]


def _difference(args: argparse.Namespace, method: str) -> float:
    """`update_difference` of this case, with parameters at which every layer fires."""
    case = Case(method, 3, "fp32", "contiguous", args.channels, "cpu", 2, compiled=False)
    frames, targets = batch(case)
    return update_difference(spread(network(case)[0], frames), method, frames, targets)


if __name__ == "__main__":
    sys.exit(main())
