"""The instantaneous loss and its error, the factor that is broadcast.

    L[n] = ((1 - alpha) CE(o[n], y) + alpha MSE(o[n], onehot y)) / T,    e[n] = dL[n] / do[n]

MSE is the mean over classes. T is the number of steps of a sample, so that the sum over steps is a
mean. Source: Xiao et al. 2022, section 5 and appendix (alpha = 0.05 on CIFAR, 0.001 on
CIFAR10-DVS).
"""

from __future__ import annotations

from typing import Any

from onchip.namespace import array_namespace

Array = Any


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
