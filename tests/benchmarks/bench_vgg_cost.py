"""Time and memory of training the small VGG by OTTT and by BPTT on digits-dvs, written as JSON.

Time: updates on batches of the training part, augmentation included, of both in turn, so that a
noisy machine hits both alike. Memory: the bytes of all tensors that one update allocates (see
`onchip.models.training.memory`), on one batch. Accuracies are in accuracy_offline.json.

    python tests/benchmarks/bench_vgg_cost.py
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from timing import RESULTS, compare, write_rows

from onchip.models import build_model, recommended_network, recommended_training
from onchip.models.config import METHODS, make_optimizer
from onchip.models.data import FrameDataset, load_dataset
from onchip.models.training.batches import batch_tensors, epoch_batches
from onchip.models.training.feedback import make_feedback
from onchip.models.training.memory import training_peak_bytes
from onchip.models.training.updates import UPDATES, Learner

NAMES = {"ottt_a": "OTTT_A", "ottt_o": "OTTT_O", "bptt": "BPTT"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="updates of each that are timed")
    parser.add_argument("--out", type=Path, default=RESULTS / "vgg_cost.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    train_set, _ = load_dataset("digits-dvs", split="random")
    peaks = {method: peak_bytes(method, train_set) for method in METHODS}
    print({method: f"{peak / 2**20:.2f} MiB" for method, peak in peaks.items()}, flush=True)
    rows = [
        compare(
            f"{NAMES[method]}, one update",
            updates(method, train_set),
            f"{NAMES['bptt']}, one update",
            updates("bptt", train_set),
            repeats=args.repeats,
        )
        for method in METHODS
        if method != "bptt"
    ]
    size = recommended_training("vgg").batch_size
    write_rows(
        args.out,
        rows,
        torch=version("torch"),
        threads=1,
        samples=len(train_set),
        batch_size=size,
        updates_per_epoch=math.ceil(len(train_set) / size),
        time_steps=train_set.frames.shape[1],
        network=recommended_network("vgg"),
        peak_bytes=peaks,
    )


def learner(method: str, train_set: FrameDataset) -> Learner:
    """The recommended network and optimizer of a method."""
    model = build_model(
        "vgg",
        input_shape=train_set.frames.shape[2:],
        classes=train_set.classes,
        time_steps=train_set.frames.shape[1],
        **recommended_network("vgg"),
    )
    config = recommended_training("vgg", method)
    optimizer = make_optimizer(config, model.parameters())
    return Learner(model, optimizer, make_feedback(model, config.feedback), config.mse_weight)


def updates(method: str, train_set: FrameDataset) -> Callable[[], None]:
    """A function that draws the next batch and learns from it, epoch after epoch."""
    own, config = learner(method, train_set), recommended_training("vgg", method)
    batches = (batch for n in itertools.count() for batch in epoch_batches(train_set, config, n))

    def learn() -> None:
        frames, labels = next(batches)
        UPDATES[method](own, *batch_tensors(own.model, frames, labels, config.label_smoothing))

    return learn


def peak_bytes(method: str, train_set: FrameDataset) -> int:
    """Peak of one update on the first batch of an epoch."""
    own, config = learner(method, train_set), recommended_training("vgg", method)
    frames, labels = next(epoch_batches(train_set, config, 0))
    x, targets = batch_tensors(own.model, frames, labels, config.label_smoothing)
    return training_peak_bytes(lambda x, y: UPDATES[method](own, x, y), x, targets)


if __name__ == "__main__":
    main()
