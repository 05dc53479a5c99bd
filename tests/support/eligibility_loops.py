"""The eligibilities as sums over a sample's whole history, one step after the other.

They share no code with the packages but the neurons' own derivatives, and none of them is a
recursion where the packages have one, except for e-prop's, which is written as Bellec et al. do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onchip.neurons.alif import ALIF
from onchip.neurons.base import Neuron
from onchip.neurons.cuba import CuBa
from onchip.neurons.lava_lif import LavaLIF
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LinearReadout
from onchip.rules.current_box import CurrentBox
from onchip.rules.filtered import DoubleFiltered, Filtered, Instantaneous
from onchip.rules.recursive import Adaptive, ThroughReset


@dataclass
class History:
    """What the neurons of a population have done in a sample's steps, the last one at the end."""

    psi: list[np.ndarray] = field(default_factory=list)
    u: list[np.ndarray] = field(default_factory=list)
    spikes: list[np.ndarray] = field(default_factory=list)
    current: list[np.ndarray] = field(default_factory=list)


def eligibility(
    kind: Any, neuron: Neuron, inputs: list[np.ndarray], past: History, shape: tuple[int, ...]
) -> np.ndarray:
    """e[n] of the last step: `inputs` are the presynaptic spikes of all steps."""
    return FORMS[type(kind)](kind, neuron, inputs, past, shape)


def pair(post: np.ndarray, pre: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What belongs together, for a matrix of weights or one for each neuron."""
    return np.outer(post, pre) if len(shape) == 2 else (post * pre).reshape(shape)


def traces(inputs: list[np.ndarray], neuron: Neuron) -> list[np.ndarray]:
    """d membrane / d weight at every step, by the impulse response of the neuron's filters."""
    kernel = response(neuron, len(inputs))
    return [
        sum(kernel[n - m] * inputs[m] for m in range(n + 1))  # type: ignore[misc]
        for n in range(len(inputs))
    ]


def response(neuron: Neuron, length: int) -> list[float]:
    al, be = neuron.decay, getattr(neuron, "current_decay", 0.0)
    return [sum(al**j * be ** (k - j) for j in range(k + 1)) for k in range(length)]


def instantaneous(kind, neuron, inputs, past, shape):
    return pair(past.psi[-1], traces(inputs, neuron)[-1], shape)


def filtered(kind, neuron, inputs, past, shape):
    return weighted([kind.decay**age for age in range(len(inputs))], neuron, inputs, past, shape)


def double_filtered(kind, neuron, inputs, past, shape):
    k1, k2 = kind.decay, kind.second_decay
    kernel = [sum(k1**i * k2 ** (age - i) for i in range(age + 1)) for age in range(len(inputs))]
    return weighted(kernel, neuron, inputs, past, shape)


def weighted(kernel, neuron, inputs, past, shape):
    """The sum over all steps of psi a, each by the kernel at its age."""
    found, last = traces(inputs, neuron), len(inputs) - 1
    parts = [kernel[last - m] * pair(past.psi[m], found[m], shape) for m in range(last + 1)]
    return np.sum(parts, axis=0)


def through_reset(kind, neuron, inputs, past, shape):
    """psi[n] times the sum over m of j[m] and all slopes from m + 1 to n."""
    be, last = getattr(neuron, "current_decay", 0.0), len(inputs) - 1
    total, product = np.zeros(shape), np.ones_like(past.psi[0])
    for m in range(last, -1, -1):
        arrived = sum(be ** (m - q) * inputs[q] for q in range(m + 1) if be or q == m)
        total = total + pair(product, arrived, shape)
        if m:
            product = product * slope(neuron, past, m - 1)
    return total * pair(past.psi[-1], np.ones_like(inputs[-1]), shape)


def slope(neuron: Neuron, past: History, step: int) -> np.ndarray | float:
    """d u[step + 1] / d u[step]."""
    if isinstance(neuron, LinearReadout):
        return 0.0
    if not isinstance(neuron, LIF | CuBa | LavaLIF):
        return neuron.decay
    if neuron.reset == "soft":
        return neuron.decay * (1 - neuron.v_threshold * past.psi[step])
    return neuron.decay * (1 - past.spikes[step] - past.u[step] * past.psi[step])


def adaptive(kind, neuron, inputs, past, shape):
    assert isinstance(neuron, ALIF)
    found, ones = traces(inputs, neuron), np.ones_like(inputs[-1])
    threshold, smoothed = np.zeros(shape), np.zeros(shape)
    for psi, trace in zip(past.psi, found, strict=True):
        own = pair(psi, trace, shape) - neuron.strength * pair(psi, ones, shape) * threshold
        threshold = neuron.threshold_decay * threshold + own
        smoothed = kind.decay * smoothed + own
    return smoothed


def current_box(kind, neuron, inputs, past, shape):
    if not neuron.spiking:
        return pair(np.ones_like(past.psi[-1]), inputs[-1], shape)
    be = getattr(neuron, "current_decay", 0.0)
    sent = past.current[-1:] if not be else past.current
    i = sum(be ** (len(sent) - 1 - m) * value for m, value in enumerate(sent))
    inside = (i > kind.low * neuron.v_threshold) & (i < kind.high * neuron.v_threshold)
    return pair(inside * 1.0, inputs[-1], shape)


FORMS = {
    Instantaneous: instantaneous,
    Filtered: filtered,
    DoubleFiltered: double_filtered,
    ThroughReset: through_reset,
    Adaptive: adaptive,
    CurrentBox: current_box,
}
