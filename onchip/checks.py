"""Argument checks that name the object, the value and the limit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    pass


def require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`; the message lists them."""
    valid = list(choices)
    if value not in valid:
        raise ValueError(f"{name} {value!r} is unknown; choose one of {', '.join(valid)}")


def require_between(
    name: str, value: Any, low: float, high: float, *, open_low: bool = False
) -> None:
    """Raise ValueError unless `value` is a number in [low, high] (`open_low`: in (low, high])."""
    is_number = isinstance(value, (int, float, np.number)) and math.isfinite(value)
    if not is_number or value > high or value < low or (open_low and value == low):
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} is {value!r}; it must lie in {bracket}{low}, {high}]")


def plain_array(name: str, values: Any) -> np.ndarray:
    """`values` (an array, a list, a tensor of any device) as an array in this machine's byte order.

    Numbers wider than float64 are rounded to it. Raises ValueError for what is no array, and for
    one of which a part is masked.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked values; fill them or leave their samples out")
    try:
        array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except Exception as error:  # NumPy and torch raise anything, and over several lines
        reason = " ".join(str(error).split())
        raise ValueError(f"{name} cannot be read ({reason}); pass an array of numbers") from None
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_output(output: np.ndarray) -> None:
    """Raise FloatingPointError for NaN or infinite outputs: learning has diverged."""
    if not np.isfinite(output).all():
        raise FloatingPointError(
            "the readout's output is NaN or infinite: learning diverged; lower the learning rate"
        )
