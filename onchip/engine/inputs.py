"""Checks of what an execution is given: frames, labels, targets and states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from onchip.checks import plain_array

if TYPE_CHECKING:
    from onchip.program.graphs import AnyNetwork


def check_frames(frames: np.ndarray, spec: AnyNetwork) -> np.ndarray:
    """`frames` as [samples, T, *input_shape]; ValueError when they do not fit the network.

    A frame has the network's input_shape; either may be the other flattened in C order.
    """
    frames = plain_array("frames", frames)
    expected, frame = (spec.time_steps, *spec.input_shape), frames.shape[2:]
    flat = len(frame) <= 1 or len(spec.input_shape) == 1
    same = math.prod(frame) == spec.input_size if flat else frame == spec.input_shape
    if frames.ndim < 2 or len(frames) == 0 or frames.shape[1] != spec.time_steps or not same:
        raise ValueError(
            f"frames have shape {frames.shape}; the network needs [samples >= 1, "
            f"{', '.join(map(str, expected))}]: frame the data with its time_steps and sensor size"
        )
    check_numbers(frames)
    return frames.reshape(len(frames), *expected)


def check_samples(frames: np.ndarray, spec: AnyNetwork, binary: bool) -> np.ndarray:
    """`check_frames`, and `check_binary` where spikes are `binary`: [samples, T, *input_shape]."""
    frames = check_frames(frames, spec)
    if binary:
        check_binary(frames)
    return frames


def check_batch(frame: np.ndarray, batch: int) -> None:
    """Raise ValueError unless a frame [batch, ...] has as many samples as `reset` was for."""
    if len(frame) != batch:
        raise ValueError(f"frame: {len(frame)} samples, but reset was for {batch}; call reset")


def check_binary(frames: np.ndarray) -> None:
    """Raise ValueError for frames that hold anything but 0 and 1, naming the value."""
    if frames.dtype.kind in "bu" and frames.max(initial=0) <= 1:
        return
    other = frames[(frames != 0) & (frames != 1)]
    if other.size:
        raise ValueError(
            f"frames hold the value {other[0]}; these synapses take binary spikes (0 or 1): "
            "frame the events with binary=True; real-valued pictures need a network in floating "
            "point whose first layer is a convolution"
        )


def check_numbers(frames: np.ndarray) -> None:
    """Raise ValueError unless frames [samples, T, ...] are finite numbers, naming the sample."""
    if frames.dtype.kind not in "biuf":
        raise ValueError(f"frames have type {frames.dtype}; they must be numbers")
    if frames.dtype.kind != "f":
        return
    held = frames.ndim > 1 and frames.strides[1] == 0  # all steps are the same memory
    finite = np.isfinite(frames[:, :1] if held else frames).reshape(len(frames), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            "frames have values that are NaN or infinite, first in sample "
            f"{int(np.argmin(finite))}; repair the data"
        )


def check_saved_state(
    state: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], *, whole: bool
) -> dict[str, np.ndarray]:
    """The arrays of a saved state, which must have these names and shapes and be finite.

    With `whole` they must be integers (of any type). Raises ValueError naming the array.
    """
    if state.keys() != shapes.keys():
        odd = sorted(set(state) ^ set(shapes))
        raise ValueError(
            f"state: {', '.join(odd)} {'is' if len(odd) == 1 else 'are'} missing or not of this "
            "network; restore only what the same kind of execution of the same spec returned"
        )
    arrays = {name: np.asarray(values) for name, values in state.items()}
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise ValueError(f"state {name!r} has shape {array.shape}; it needs {shapes[name]}")
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise ValueError(f"state {name!r} holds what is no finite number; save it again")
        if whole and (array != np.rint(array)).any():
            raise ValueError(f"state {name!r} holds fractions; this network is in integers")
        if whole and (np.abs(array.astype(np.float64)) >= 2**31).any():
            raise ValueError(f"state {name!r} holds integers of more than 32 bits; save it again")
    return arrays
