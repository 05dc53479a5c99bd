"""Rows added to matrices whose rows are outputs: the recipes of `onchip.program.new_classes`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from onchip.arithmetic.integer_softmax import FixedError
from onchip.program.integer_layer_spec import split_bias

Recipe: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""From a matrix [outputs, inputs] to the same with more rows, the old ones as they were."""


def mean_of(count: int, whole: bool) -> Recipe:
    """Rows that are the mean of the old ones; of integers (`whole`) the even numbers below it."""

    def wider(rows: np.ndarray) -> np.ndarray:
        mean = rows.mean(axis=0)
        new = 2 * np.floor(mean / 2) if whole else mean
        return _with(rows, np.tile(new, (count, 1)))

    return wider


def mixed(count: int, rng: np.random.Generator) -> Recipe:
    """Old rows in turn, their values in another order: the same order whenever it is applied."""
    seeds = rng.integers(2**63, size=count)

    def wider(rows: np.ndarray) -> np.ndarray:
        new = [
            rows[i % len(rows)][np.random.default_rng(seed).permutation(rows.shape[1])]
            for i, seed in enumerate(seeds)
        ]
        return _with(rows, np.array(new))

    return wider


def zeros_of(count: int) -> Recipe:
    """Rows of zeros."""
    return lambda rows: _with(rows, np.zeros((count, rows.shape[1])))


def floored_bias(bias: np.ndarray, count: int) -> np.ndarray:
    """Integer biases [outputs] with new ones that a chip can hold, the next below their mean."""
    mean = np.floor(bias.mean(keepdims=True)).astype(np.int64)
    mantissas, exponents = split_bias(mean)
    return np.concatenate([bias, np.repeat(mantissas << exponents, count)])


def scaled_error(error: FixedError, before: int, after: int) -> FixedError:
    """Return an integer error's constants for more outputs: its squared part is a mean of them."""
    return replace(error, squared_multiplier=round(error.squared_multiplier * before / after))


def _with(rows: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, new.astype(rows.dtype)])
