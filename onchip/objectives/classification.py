"""The instantaneous loss and its error, the factor that is broadcast.

    L[n] = ((1 - alpha) CE(o[n], y) + alpha MSE(o[n], onehot y)) / T,    e[n] = dL[n] / do[n]

MSE is the mean over classes. T is the number of steps of a sample, so that the sum over steps is a
mean. Source: Xiao et al. 2022, section 5 and appendix (alpha = 0.05 on CIFAR, 0.001 on
CIFAR10-DVS).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.namespace import array_namespace
from onchip.objectives.base import Objective
from onchip.objectives.given import check_labels, held

Array = Any


@dataclass(frozen=True)
class Classification(Objective):
    """One class a sample; `mse_weight` alpha in [0, 1] of the loss above.

    Targets are integer labels [samples], or one-hot [samples, T, classes] where they change from
    step to step.
    """

    mse_weight: float = 0.05

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("classification: mse_weight", self.mse_weight, 0, 1)

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`: labels, or one-hot vectors."""
        if np.ndim(given) == 3:
            return held("targets", given, samples, time_steps, outputs)
        labels = check_labels(given, samples, outputs)
        one_hot = np.eye(outputs)[labels][:, np.newaxis]
        return np.broadcast_to(one_hot, (samples, time_steps, outputs))

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """As `Objective.error`."""
        return instantaneous_error(output, target, time_steps, self.mse_weight)


def softmax(outputs: Array) -> Array:
    """Softmax over the last axis, shifted by the maximum so that it never overflows."""
    xp = array_namespace(outputs)
    exponentials = xp.exp(outputs - xp.max(outputs, axis=-1, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=-1, keepdims=True)


def instantaneous_loss(outputs: Array, targets: Array, time_steps: int, mse_weight: float) -> Array:
    """L[n] for each sample: `outputs` and one-hot `targets` [batch, classes] -> [batch]."""
    xp = array_namespace(outputs)
    shifted = outputs - xp.max(outputs, axis=-1, keepdims=True)
    log_normaliser = xp.log(xp.sum(xp.exp(shifted), axis=-1))
    cross_entropy = log_normaliser - xp.sum(shifted * targets, axis=-1)
    difference = outputs - targets
    squared = xp.mean(difference * difference, axis=-1)
    return ((1 - mse_weight) * cross_entropy + mse_weight * squared) / time_steps


def instantaneous_error(
    outputs: Array, targets: Array, time_steps: int, mse_weight: float
) -> Array:
    """e[n] = dL[n]/do[n] for each sample: [batch, classes] -> [batch, classes]."""
    classes = outputs.shape[-1]
    cross_entropy = softmax(outputs) - targets
    squared = (2 / classes) * (outputs - targets)
    return ((1 - mse_weight) * cross_entropy + mse_weight * squared) / time_steps
