"""Synapses in Loihi's integers as a slow loop: one synapse and one position at a time.

The equations as they are written, in Python's own integers. Of the packages only numbers are used:
those of the network, the draws of random numbers and the error of the output.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from onchip.arithmetic.draws import LearningDraws
from onchip.network.convolution import Convolution
from onchip.network.local import LocalConvolution
from onchip.network.transforms import Bias, Dense

Index = tuple[int, ...]
WIDTHS = {"x1": 7, "x2": 7, "y1": 7, "y2": 7, "y3": 7, "t": 9}
FACTOR_TAU = 65535


def pairs_of(transform: Any) -> Iterator[tuple[int, int, Index]]:
    """(output, input, weight) of every synapse of a transform."""
    if isinstance(transform, Dense):
        for post, pre in np.ndindex(transform.weight.shape):
            yield post, pre, (post, pre)
    elif isinstance(transform, LocalConvolution):
        _, height, width = transform.output_shape
        for post, pre, place in convolution_pairs(transform.kernel):
            y, x = divmod(post % (height * width), width)
            yield post, pre, (y, x, *place)
    elif isinstance(transform, Bias):
        size = math.prod(transform.shape)
        for post in range(size):
            yield post, 0, (post * transform.shape[0] // size,)
    else:
        yield from convolution_pairs(transform)


def convolution_pairs(convolution: Convolution) -> Iterator[tuple[int, int, Index]]:
    channels, rows, columns = convolution.input_shape
    outputs, height, width = convolution.output_shape
    _, _, kernel_rows, kernel_columns = convolution.weight.shape
    (down, across), (above, beside) = convolution.stride, convolution.padding
    for o, y, x in itertools.product(range(outputs), range(height), range(width)):
        for c, i, j in itertools.product(
            range(channels), range(kernel_rows), range(kernel_columns)
        ):
            row, column = y * down + i - above, x * across + j - beside
            if 0 <= row < rows and 0 <= column < columns:
                yield (
                    (o * height + y) * width + x,
                    (c * rows + row) * columns + column,
                    (o, c, i, j),
                )


def even(weights: np.ndarray) -> dict[Index, int]:
    """Weights as synapses load them: without their lowest bit."""
    return {k: int(weights[k]) // 2 * 2 for k in np.ndindex(weights.shape)}


def stochastic(value: float, random: float) -> int:
    floor = math.floor(value)
    return floor + (random < value - floor)


def kept(value: int, decay: float) -> int:
    """What 12 bits of a decay leave, truncated towards zero."""
    return int(math.copysign((abs(value) * round(4096 * decay)) >> 12, value))


def clipped(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


class LoopSynapses:
    """The synapses of one connection that learn, each pair (output, input) by itself."""

    def __init__(self, synapses: Any, phase: int) -> None:
        self.rule, self.phase = synapses.plasticity, phase
        weights = synapses.weights
        self.pairs = list(pairs_of(synapses.transform))
        inputs = synapses.transform.inputs + synapses.always_on
        if synapses.always_on:
            last = synapses.transform.inputs
            self.pairs += [(post, last, (post, last)) for post in range(len(weights))]
        self.weights = even(weights)
        self.tag = dict.fromkeys(self.weights, self.rule.first_tag)
        self.x1, self.x2 = [0] * inputs, [0] * inputs
        self.draws = LearningDraws(self.rule)

    def learn(self, spikes: list[int], y: dict[str, list[int]]) -> None:
        """One epoch."""
        draws = next(self.draws)
        rule = self.rule
        self.x1 = self._traces(self.x1, spikes, rule.impulse, rule.tau, draws.x)
        if rule.second is not None:
            self.x2 = self._traces(self.x2, spikes, *rule.second, draws.x)
        y = {name: [self._decayed(v, draws.y) for v in values] for name, values in y.items()}
        new = [
            self._updated(variable, products, y, draws.synapse, lowest)
            for variable, products, lowest in (
                (self.weights, rule.dw, -256),
                (self.tag, rule.dt, -257),
            )
        ]
        self.weights, self.tag = new

    def _traces(self, values, spikes, impulse, tau, random) -> list[int]:
        found = []
        for value, spike in zip(values, spikes, strict=True):
            for step in range(1, self.rule.epoch + 1):
                value = stochastic(np.exp(-1 / tau) * value, random)
                if spike and step == self.phase:
                    value = min(value + impulse, 127)
            found.append(value)
        return found

    def _decayed(self, value: int, random: float) -> int:
        for _ in range(self.rule.epoch):
            value = stochastic(np.exp(-1 / FACTOR_TAU) * value, random)
        return value

    def _updated(self, variable, products, y, random, lowest) -> dict[Index, int]:
        if not products:
            return variable
        totals = {k: v << 7 for k, v in variable.items()}
        for product in products:
            change: dict[Index, int] = defaultdict(int)
            if "t" in product.factors:
                for post, pre, index in self.pairs:  # others are no synapses
                    change[index] = self._value(product, index, pre, post, y)
            else:
                for post, pre, index in self.pairs:
                    change[index] += self._value(product, index, pre, post, y)
            for k in totals:
                totals[k] = clipped(totals[k] + change[k], -(2**15) - 1, 2**15 - 1)
        high = 255
        return {
            k: clipped((a >> 7) + (random < (a % 128) / 128), lowest, high)
            for k, a in totals.items()
        }

    def _value(self, product, index, pre, post, y) -> int:
        value, width = product.mantissa, 4
        for factor in product.factors:
            if factor == "t":
                value *= self.tag[index]
            elif factor in ("x1", "x2"):
                value *= getattr(self, factor)[pre]
            else:
                value *= y[factor][post]
            width += WIDTHS[factor]
        value = (value >> max(0, width - 15)) << (product.exponent + 7)
        return clipped(value, -(2**15) - 1, 2**15 - 1)
