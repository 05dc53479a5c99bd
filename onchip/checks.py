"""Argument checks that name the object, the value and the limit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onchip.spec import NetworkSpec


def require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`; the message lists them."""
    valid = list(choices)
    if value not in valid:
        raise ValueError(f"{name} {value!r} is unknown; choose one of {', '.join(valid)}")


def require_between(
    name: str, value: float, low: float, high: float, *, open_low: bool = False
) -> None:
    """Raise ValueError unless `low <= value <= high` (`low < value` with `open_low`)."""
    is_number = isinstance(value, (int, float, np.number)) and math.isfinite(value)
    if not is_number or value > high or value < low or (open_low and value == low):
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} is {value!r}; it must lie in {bracket}{low}, {high}]")


def frozen_array(name: str, value: Any, ndim: int) -> np.ndarray:
    """A read-only float64 C-ordered copy of `value`, checked for dimensions and finite values."""
    try:
        array = np.array(value, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not a numeric array ({error}); pass numbers") from None
    if array.ndim != ndim:
        raise ValueError(f"{name} has shape {array.shape}; it needs {ndim} dimensions")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"{name} has {bad} values that are NaN or infinite; retrain or repair the weights"
        )
    array.setflags(write=False)
    return array


def check_output(output: np.ndarray) -> None:
    """Raise FloatingPointError for NaN or infinite outputs: learning has diverged."""
    if not np.isfinite(output).all():
        raise FloatingPointError(
            "the readout's output is NaN or infinite: learning diverged; lower the learning rate"
        )


def check_frames(frames: np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """`frames` as [samples, T, *input_shape]; ValueError when they do not fit the network."""
    frames = np.asarray(frames)
    expected = (spec.time_steps, *spec.input_shape)
    fits = frames.ndim >= 2 and len(frames) > 0 and frames.shape[1] == spec.time_steps
    if not fits or int(np.prod(frames.shape[2:])) != spec.input_size:
        raise ValueError(
            f"frames have shape {frames.shape}; the network needs [samples >= 1, "
            f"{', '.join(map(str, expected))}]: frame the data with its time_steps and sensor size"
        )
    return frames.reshape(len(frames), *expected)


def check_labels(labels: np.ndarray, samples: int, classes: int) -> np.ndarray:
    """`labels` as int64 [samples]; ValueError for a wrong count, type or class."""
    labels = np.asarray(labels)
    if labels.shape != (samples,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels have shape {labels.shape} and type {labels.dtype}; "
            f"they must be {samples} integers"
        )
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise ValueError(
            f"label {outside[0]} is out of range; the network has classes 0 to {classes - 1}"
        )
    return labels.astype(np.int64)
