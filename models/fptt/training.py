"""A training run and what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from onchip.models.fptt.cells import LiquidLayer, spread_time_constants
from onchip.models.fptt.config import OPTIMIZERS, RunConfig
from onchip.models.fptt.labelled import LABELLED
from onchip.models.fptt.learners import Batch, BPTTLearner, FPTTLearner, Learner
from onchip.models.fptt.networks import LiquidNetwork, parameter_count, seeded_network
from onchip.models.fptt.optimizer import FPTT
from onchip.models.fptt.tasks import AddTask, Sequences

AVERAGED = 100
"""Updates that a reported mean of losses is taken over."""


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    `losses` of the last output of every batch, before that output's update (the add task), or the
    means of epochs (labelled sequences). `accuracy` on the test part after every epoch, empty for
    the add task. `cpu_seconds` of this process. `network` is the trained one.
    """

    config: RunConfig
    parameters: int
    losses: list[float]
    accuracy: list[float]
    cpu_seconds: float
    network: LiquidNetwork | None = None

    @property
    def best(self) -> float:
        """The lowest loss of a batch (or epoch); see `best_mean` for one not helped by chance."""
        return min(self.losses)

    @property
    def best_mean(self) -> float:
        """The lowest mean of `AVERAGED` losses in a row (of all where there are fewer)."""
        width = min(AVERAGED, len(self.losses))
        sums = torch.tensor([0.0, *self.losses], dtype=torch.float64).cumsum(0)
        return float((sums[width:] - sums[:-width]).min()) / width

    @property
    def last(self) -> float:
        """Mean of the last `AVERAGED` losses."""
        end = self.losses[-AVERAGED:]
        return sum(end) / len(end)

    def summary(self) -> dict[str, Any]:
        """Settings and outcome, plain for JSON, without the curve."""
        outcome = {
            "parameters": self.parameters,
            "done": len(self.losses),
            "best_loss": self.best,
            "best_mean_loss": self.best_mean,
            "last_loss": self.last,
            "averaged": min(AVERAGED, len(self.losses)),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }
        if self.accuracy:
            outcome |= {"accuracy": self.accuracy[-1], "best_accuracy": max(self.accuracy)}
        return {"settings": asdict(self.config), **outcome}

    def as_json(self) -> dict[str, Any]:
        """The summary with the curves."""
        return {**self.summary(), "losses": self.losses, "accuracies": self.accuracy}


Report = Callable[[str], None]
Keep = Callable[[LiquidNetwork, int], None]
Run = Iterator[tuple[float, float | None]]
"""Loss and, if tested, accuracy of one batch or epoch after the other."""


def train(
    config: RunConfig, report: Report = print, every: int = 0, keep: Keep | None = None
) -> RunResult:
    """Train the network of `config`; the same seed gives the same result on the same machine.

    After each `every` updates or epochs (never with 0) `report` gets a line and `keep` the network
    and what is done. Raises FloatingPointError where the loss is no longer finite.
    """
    network = make_network(config)
    learner, optimizer = make_learner(config, network)
    generator = torch.Generator().manual_seed(config.seed)
    begin: Callable[..., Run] = _add_run if config.task == "add" else _labelled_run
    run = begin(config, network, learner, generator)
    losses: list[float] = []
    accuracy: list[float] = []
    started = time.process_time()
    for n in range(config.updates):
        _set_rate(optimizer, config, n)
        loss, tested = next(run)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"run: the loss is {loss} after {n + 1} of {config.updates} updates; lower the "
                f"learning rate {config.learning_rate:g}"
            )
        losses.append(loss)
        accuracy += [] if tested is None else [tested]
        if every and (n + 1) % every == 0:
            report(_line(n + 1, losses, accuracy))
            if keep is not None:
                keep(network, n + 1)
    seconds = time.process_time() - started
    return RunResult(config, parameter_count(network), losses, accuracy, seconds, network)


def make_network(config: RunConfig) -> LiquidNetwork:
    """The network of a run before training."""
    ends, branches = (2, 1), 1
    if config.task != "add":
        task = LABELLED[config.task]
        ends, branches = (task.inputs, task.classes), task.branches
    inputs, outputs = ends
    network = seeded_network(config.seed, inputs, config.sizes, outputs, config.cell, branches)
    if config.slowest is not None:
        layers = (m for m in network.modules() if isinstance(m, LiquidLayer))
        generator = torch.Generator().manual_seed(config.seed)
        spread_time_constants(layers, config.slowest, generator)
    return network


def make_learner(
    config: RunConfig, network: LiquidNetwork
) -> tuple[Learner, torch.optim.Optimizer]:
    """FPTT or BPTT on `network`, and the optimizer under it."""
    make = OPTIMIZERS[config.optimizer]
    optimizer = make(network.parameters(), lr=config.learning_rate)
    loss = functional.mse_loss if config.task == "add" else functional.cross_entropy
    if config.method == "bptt":
        return BPTTLearner(network, optimizer, loss, config.fptt.clip), optimizer
    fptt = FPTT(network, optimizer, config.fptt)
    running = config.target == "running"
    return (
        FPTTLearner(network, fptt, loss, config.parts, config.weighting, running, config.oracle),
        optimizer,
    )


def accuracy_on(network: LiquidNetwork, data: Sequences, batch: int = 512) -> float:
    """Share of the sequences whose largest output at the last step is their label."""
    with torch.no_grad():
        right = sum(_right(network, part) for part in data.batches(batch))
    return right / len(data)


def _right(network: LiquidNetwork, batch: Batch) -> int:
    outputs: Tensor = network(batch.x)[0]
    return int((outputs.argmax(dim=1) == batch.target).sum())


def _add_run(
    config: RunConfig, network: LiquidNetwork, learner: Learner, generator: torch.Generator
) -> Iterator[tuple[float, None]]:
    """Fresh batches without end; there are no epochs."""
    task = AddTask(config.steps)
    while True:
        yield learner.learn(task.draw(config.batch, generator)), None


def _labelled_run(
    config: RunConfig, network: LiquidNetwork, learner: Learner, generator: torch.Generator
) -> Iterator[tuple[float, float]]:
    """Epochs, each with its mean loss and the accuracy on the test part after it."""
    load = LABELLED[config.task].load
    train_set, test_set = load(config.data_root, config.steps, config.seed, config.limit)
    while True:
        losses = [learner.learn(batch) for batch in train_set.batches(config.batch, generator)]
        learner.end_epoch()
        yield sum(losses) / len(losses), accuracy_on(network, test_set)


def _set_rate(optimizer: torch.optim.Optimizer, config: RunConfig, done: int) -> None:
    """The learning rate after `done` updates."""
    share = done / config.updates if config.schedule == "cosine" else 0.0
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _line(done: int, losses: list[float], accuracy: list[float]) -> str:
    end = losses[-AVERAGED:]
    line = f"{done}: loss {sum(end) / len(end):.5f}, best {min(losses):.5f}"
    return f"{line}, test accuracy {accuracy[-1]:.4f}" if accuracy else line
