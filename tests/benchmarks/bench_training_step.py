"""Training-step time and memory of OTTT_A and OTTT_O on the paper's VGG, written as JSON.

The baseline does what the published implementation is described to do (`two_pass`), on the same
parameters, which are spread until every layer fires. Its updates must be those of the package
(`update_control`). It has the deviations of the published code, so the network is built with
`paper_code=True`.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_training_step.py
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from timing import RESULTS, Row, compare, write_rows
from torch import Tensor
from two_pass import ALPHA, TRAINERS
from update_control import MOMENTUM, RATE, spread, update_difference

from onchip.models import build_model
from onchip.models.networks.activity import firing_rates
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.feedback import make_feedback
from onchip.models.training.memory import peak_tensor_bytes
from onchip.models.training.updates import UPDATES, Learner

SHAPE, CLASSES = (2, 48, 48), 10
BASELINE = "two forward passes, one on spikes and one on traces"
TOLERANCE = 1e-9
"""Of the updates in float64: sums differ in order between the two."""

CHECKED = 2
"""Samples of the batch that updates are compared on."""

Learn = Callable[[], object]
"""Learns from one batch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--time-steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory-batch-size", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--methods", nargs="+", choices=list(TRAINERS), default=list(TRAINERS))
    parser.add_argument("--out", type=Path, default=RESULTS / "training_step.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    measured = _kept(args.out, set(TRAINERS) - set(args.methods))
    for method in args.methods:
        measured[method] = measure(method, args)
        write(args, measured)


def _kept(path: Path, methods: set[str]) -> dict[str, Any]:
    """What the file has of other methods than those that are measured."""
    found = json.loads(path.read_text()).get("measured", {}) if path.exists() else {}
    return {method: figures for method, figures in found.items() if method in methods}


def measure(method: str, args: argparse.Namespace) -> dict[str, Any]:
    """The row, the difference of the updates and the peaks of a method."""
    size, steps, few = args.batch_size, args.time_steps, args.memory_batch_size
    difference = checked(method, CHECKED, steps)
    return {
        "row": step_times(method, size, steps, args.repeats)._asdict(),
        "update_difference": difference,
        "peak_bytes": {n: peak_bytes(package, method, few, n) for n in (4, 64)},
        "baseline_peak_bytes": {4: peak_bytes(published, method, few, 4)},
    }


def write(args: argparse.Namespace, measured: dict[str, Any]) -> None:
    """The JSON of the methods so far."""
    rows = [Row(**measured[method]["row"]) for method in TRAINERS if method in measured]
    facts = {"threads": args.threads, "memory_batch_size": args.memory_batch_size}
    rates = firing_rates(network(args.time_steps), batch(CHECKED, args.time_steps)[0])
    facts |= {"torch": version("torch"), "input_shape": list(SHAPE), "firing_rates": rates}
    write_rows(args.out, rows, **facts, unit="CPU seconds of an update", measured=measured)


def checked(method: str, size: int, time_steps: int) -> float:
    """The difference of the updates in float64; ends the run where it is one."""
    difference = update_difference(network(time_steps), method, *batch(size, time_steps))
    print(f"{method}: updates differ from the baseline's by {difference:.1e} of the largest")
    if not difference < TOLERANCE:
        raise SystemExit("the baseline and the package compute different updates")
    return difference


def step_times(method: str, size: int, time_steps: int, repeats: int) -> Row:
    """Both trainers on one batch, the update included."""
    ours, theirs = package(method, size, time_steps), published(method, size, time_steps)
    name = f"{method.upper()}, VGG, batch {size}, T={time_steps}"
    return compare(
        name, ours, BASELINE, theirs, repeats=repeats, warm_up=1, clock=time.process_time
    )


def package(method: str, size: int, time_steps: int) -> Learn:
    """The package's trainer."""
    model, optimizer = with_optimizer(time_steps)
    learner = Learner(model, optimizer, make_feedback(model, "exact"), ALPHA)
    frames, targets = batch(size, time_steps)
    return lambda: UPDATES[method](learner, frames, targets)


def published(method: str, size: int, time_steps: int) -> Learn:
    """The baseline."""
    trainer = TRAINERS[method](*with_optimizer(time_steps))
    frames, targets = batch(size, time_steps)
    return lambda: trainer.learn(frames, targets)


def with_optimizer(time_steps: int) -> tuple[SpikingNetwork, torch.optim.Optimizer]:
    """A copy of the network, and plain SGD with momentum."""
    model = copy.deepcopy(network(time_steps))
    return model, torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)


@cache
def network(time_steps: int) -> SpikingNetwork:
    """The paper's VGG with the published code's deviations, every layer of which fires."""
    model = build_model(
        "vgg", input_shape=SHAPE, classes=CLASSES, time_steps=time_steps, paper_code=True
    )
    return spread(model, batch(8, 4)[0])


def batch(size: int, time_steps: int) -> tuple[Tensor, Tensor]:
    """Binary frames [size, T, 2, 48, 48] and one-hot targets."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand((size, time_steps, *SHAPE), generator=generator) < 0.2).to(torch.uint8)
    return frames, torch.eye(CLASSES)[torch.arange(size) % CLASSES]


def peak_bytes(
    make: Callable[[str, int, int], Learn], method: str, size: int, time_steps: int
) -> int:
    """Largest number of bytes of tensors alive in one batch, after one that makes the state."""
    learn = make(method, size, time_steps)
    learn()
    peak = peak_tensor_bytes(learn)
    print(f"{make.__name__}, {method}, T={time_steps}: {peak / 2**20:.1f} MiB", flush=True)
    return peak


if __name__ == "__main__":
    main()
