"""The derivatives of neurons as the kernels of integers have them: kinds, widths and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.integer_surrogates import (
    cached_fast_sigmoid,
    cached_sigmoid,
    integer_width,
)
from onchip.engine.compiled.columns import RECTANGLE, SIGMOID, TRIANGLE
from onchip.program.program import Neurons

Array = np.ndarray

DERIVATIVES = {
    "rectangle": RECTANGLE,
    "triangle": TRIANGLE,
    "sigmoid": SIGMOID,
    "fast_sigmoid": SIGMOID,
}
"""Surrogate -> the kind; both sigmoids are tables."""


def derivative_of(population: Neurons) -> tuple[int, int, Array]:
    """Return the kind of a derivative, its width or shift, and its table, whoever asks for it."""
    neuron, table = _neuron(population), np.zeros(257, np.int64)
    surrogate = getattr(neuron, "surrogate", None)
    if surrogate is None:
        return 0, 0, table
    kind, threshold = DERIVATIVES[surrogate.name], int(neuron.v_threshold)
    parameter = float(surrogate.parameter)
    if kind != SIGMOID:
        return kind, integer_width(threshold, parameter), table
    make = cached_fast_sigmoid if surrogate.name == "fast_sigmoid" else cached_sigmoid
    values = make(threshold, parameter)
    table[:-1] = values.values
    return kind, values.shift, table


def _neuron(population: Neurons) -> Any:
    computes: Any = population.computes
    return computes.neuron
