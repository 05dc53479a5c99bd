"""Learning online from a stream of labelled samples, stage by stage, and what it brought back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from onchip.deploy.backends.rates import Rate, at_rate
from onchip.deploy.backends.table import build
from onchip.program.graphs import AnyNetwork


class StreamLearning(NamedTuple):
    """`spec`: the network as it was learned; `correct` [n]: whether the predictions at `positions`
    [n] of the stream were right, each before its sample was learned from; `seconds` of learning.
    """

    spec: AnyNetwork
    positions: np.ndarray
    correct: np.ndarray
    seconds: float


def learn_in_stages(
    spec: AnyNetwork,
    frames: np.ndarray,
    labels: np.ndarray,
    learning_rates: Sequence[Rate],
    backend: str = "lava-fused",
    measure: int = 1,
    progress: bool = False,
) -> StreamLearning:
    """Learn from each sample once, in as many equal stages as there are `learning_rates`.

    `frames` [samples, T, *input_shape], `labels` [samples]. For each stage the network is built on
    `backend` with what it has learned so far. Every `measure`-th sample of a stage is predicted,
    with learning off, before it is learned from. Raises ValueError for a stage without samples and
    for what `onchip.deploy.backends.table.build` and `Execution.learn` refuse.
    """
    if not 1 <= len(learning_rates) <= len(labels):
        raise ValueError(
            f"stream: {len(labels)} samples do not fill {len(learning_rates)} stages; "
            "pass at least one learning rate and one sample for each"
        )
    positions, correct, seconds = [], [], 0.0
    stages = np.array_split(np.arange(len(labels)), len(learning_rates))
    for rate, stage in zip(learning_rates, stages, strict=True):
        with build(at_rate(spec, rate), backend) as network:
            result = network.learn(frames[stage], labels[stage], measure, progress)
            spec = network.snapshot()
        measured = stage[::measure] if measure else stage[:0]
        positions.append(measured)
        if result.predictions is not None:
            correct.append(result.predictions == labels[measured])
        seconds += result.seconds
    found = np.concatenate(correct) if correct else np.zeros(0, bool)
    return StreamLearning(spec, np.concatenate(positions), found, seconds)


def recovery(offline: float, drifted: float, recovered: float) -> float:
    """(recovered - drifted) / (offline - drifted): 1 is all that the drift took, 0 without a fall.

    Accuracies on test samples: of the original sensor, and of the drifted one before and after
    learning.
    """
    fall = offline - drifted
    return (recovered - drifted) / fall if fall > 0 else 0.0
