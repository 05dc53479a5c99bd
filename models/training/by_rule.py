"""Training of a graph by any learning rule, offline: batches, epochs and an optimizer.

The gradients are those of the rule, as on the chip, of which an optimizer makes the updates: at
every step of a sample (mode "online") or once a batch ("accumulate").
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.engine.learner import NO_LEARNING
from onchip.models.config import TrainingConfig, learning_rate_at, make_optimizer
from onchip.models.torch_graph import TorchGraph
from onchip.models.training.batches import CheckedFrames, epoch_batches
from onchip.models.training.evaluation import BATCH
from onchip.models.training.standardized import StandardizedOptimizer
from onchip.network.graph import Network


@dataclass(frozen=True, eq=False)
class RuleTraining:
    """What a run gave: the trained `network`, its test `accuracy` after the last epoch, `history`.

    Each entry of `history` has epoch, train_accuracy, test_accuracy and seconds.
    """

    network: Network
    accuracy: float
    history: tuple[dict[str, Any], ...]


def train_by_rule(
    network: Network,
    train_set: Any,
    test_set: Any,
    config: TrainingConfig,
    *,
    standardized: bool = False,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> RuleTraining:
    """Train a graph by the rules of its connections in float32; `report` gets each epoch's entry.

    `train_set` and `test_set` have `frames` [samples, T, *input_shape] and integer `labels`.
    `config` gives epochs, batches, augmentation, the optimizer and its rate; mode, objective,
    feedback and update delay are the network's own. With `standardized` the optimizer moves what
    standardized weights are made of, as the trainer of chains does, at the same rates
    (`onchip.models.training.standardized`); without it the weights themselves. Raises ValueError
    for a network without a learning section, for data that do not fit, and when outputs stop being
    numbers.
    """
    if network.learning is None:
        raise ValueError(NO_LEARNING)
    if config.patience:
        raise ValueError(
            f"training: patience is {config.patience}, but training by a rule of a graph knows no "
            "loss; leave it 0"
        )
    optimizer: Any = functools.partial(make_optimizer, config)
    if standardized:
        optimizer = functools.partial(StandardizedOptimizer, network, config)
    learner = TorchGraph(network, np.float32, optimizer)
    frames = CheckedFrames(np.asarray(train_set.frames), train_set.labels, network.classes, "")
    history = []
    for epoch in range(config.epochs):
        started = time.perf_counter()
        right = _one_epoch(learner, frames, config, epoch)
        history.append(
            {
                "epoch": epoch + 1,
                "train_accuracy": right / len(frames.labels),
                "test_accuracy": accuracy(learner, test_set),
                "seconds": time.perf_counter() - started,
            }
        )
        report(history[-1])
    return RuleTraining(learner.snapshot(), history[-1]["test_accuracy"], tuple(history))


def accuracy(execution: Any, dataset: Any) -> float:
    """Share of samples whose label is the argmax of sum_n o[n], in [0, 1], of any execution."""
    right = 0
    for start in range(0, len(dataset.labels), BATCH):
        part = slice(start, start + BATCH)
        outputs = execution.run(dataset.frames[part])
        right += int((outputs.sum(1).argmax(1) == dataset.labels[part]).sum())
    return right / len(dataset.labels)


def _one_epoch(
    learner: TorchGraph, frames: CheckedFrames, config: TrainingConfig, epoch: int
) -> int:
    """Learn from every sample once; returns how many were right before they were learned from."""
    right, samples = 0, len(frames.labels)
    for index, (batch, labels) in enumerate(epoch_batches(frames, config, epoch)):
        assert learner.optimizer is not None
        rate = learning_rate_at(config, epoch + index * config.batch_size / samples)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        outputs = learner.learn(batch, labels)
        right += int((outputs.sum(1).argmax(1) == labels).sum())
    return right
