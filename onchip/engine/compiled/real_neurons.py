"""Neurons, surrogates and the output's error in loops, as in `onchip.neurons` and `objectives`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from onchip.engine.compiled.columns import HARD, INTEGRATOR, LINEAR, RECTANGLE, SIGMOID, TRIANGLE
from onchip.engine.compiled.jit import inner, summing

Array = np.ndarray

C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13 = (1 / math.factorial(n) for n in range(2, 14))
"""What the series of exp(r) multiplies r^2, r^3, ... with. Names: loops over tuples are slow."""


@inner
def advance(
    kind: int, u: Array, spikes: Array, current: Array, decay: Any, threshold: Any, fired: Array
) -> int:
    """One step of a population's neurons, in place; returns how many fired, listed in `fired`."""
    if kind == INTEGRATOR:
        for j in range(u.size):
            u[j] = decay * u[j] + current[j]
        return 0
    if kind == LINEAR:
        for j in range(u.size):
            u[j] = current[j]
        return 0
    if kind == HARD:
        for j in range(u.size):
            u[j] = decay * (u[j] * (1 - spikes[j])) + current[j]
    else:
        for j in range(u.size):
            u[j] = decay * (u[j] - threshold * spikes[j]) + current[j]
    count = 0
    for j in range(u.size):
        fires = u[j] >= threshold
        spikes[j] = fires
        fired[count] = j
        count += fires
    return count


@inner
def multiply_by_derivative(
    factor: Array, u: Array, kind: int, parameter: Any, threshold: Any
) -> None:
    """factor *= sigma'((u - Vth) / Vth) / Vth, in place."""
    if kind == SIGMOID:
        sharpness, peak = parameter / threshold, parameter / 4 / threshold
        for j in range(u.size):
            factor[j] *= peak * squared_sech(sharpness * abs(u[j] - threshold))
    elif kind == RECTANGLE:
        for j in range(u.size):
            inside = abs((u[j] - threshold) / threshold) < parameter / 2
            factor[j] *= (1.0 if inside else 0.0) / parameter / threshold
    elif kind == TRIANGLE:
        for j in range(u.size):
            rising = 1 - abs((u[j] - threshold) / threshold) / parameter
            factor[j] *= max(rising, 0.0) / parameter / threshold
    else:
        for j in range(u.size):
            denominator = 1 + parameter * abs((u[j] - threshold) / threshold)
            factor[j] *= 1 / (denominator * denominator) / threshold


@summing
def squared_sech(x: float) -> float:
    """1 - tanh(x / 2)^2 for x >= 0, which is 4 e / (1 + e)^2 with e = exp(-x).

    Made of operations that a processor does for several numbers at once. With x = k ln 2 - r and
    |r| <= ln 2 / 2, e is exp(r) 2^-k; the series of exp(r) is exact to 1e-17. Beyond 42 the result
    is below 1e-17 and stays what it is there.
    """
    x = min(x, 42.0)
    k = int(x * 1.4426950408889634 + 0.5)
    r = k * 0.6931471803691238 - x + k * 1.9082149292705877e-10  # ln 2 in two parts
    e = ((C13 * r + C12) * r + C11) * r + C10
    e = (((e * r + C9) * r + C8) * r + C7) * r + C6
    e = (((e * r + C5) * r + C4) * r + C3) * r + C2
    e = (e * r + 1.0) * r + 1.0
    scale = float(np.int64(1) << np.int64(k))
    return 4 * e * scale / ((scale + e) * (scale + e))


@inner
def find_error(output: Array, label: int, mse_weight: Any, steps: Any, error: Array) -> bool:
    """e of `onchip.objectives.classification`; returns whether the output is finite."""
    classes, largest, total, finite = output.size, output[0], 0.0, True
    for j in range(classes):
        finite = finite and np.isfinite(output[j])
        largest = max(largest, output[j])
    for j in range(classes):
        error[j] = np.exp(output[j] - largest)
        total += error[j]
    for j in range(classes):
        target = 1.0 if j == label else 0.0
        squared = (2 / classes) * (output[j] - target)
        entropy = error[j] / total - target
        error[j] = ((1 - mse_weight) * entropy + mse_weight * squared) / steps
    return finite
