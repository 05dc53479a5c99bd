"""An engine's state as a flat dictionary of arrays, "layer.array" -> array, and its checks.

"u" and "spikes" [batch, ...] are those of all populations. Of plastic ones in floating point
"weight", "bias" and "recurrent_weight" are laid out as in `DenseSpec`; "trace" [batch, pre],
"recurrent_trace" [batch, post], "bias_trace" []. In integers (whole numbers) "weight",
"bias_weight" and "recurrent_weight" are as in `FixedDenseSpec`; "tag" [post, inputs] and "x1"
[inputs] have the always-on unit last; "epochs" [1] says how far the random numbers are used up. The
arrays of further connections are "from_SOURCE_weight" and so on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np

from onchip.arithmetic.accumulator import TAG_LIMITS
from onchip.arithmetic.loihi import MEMBRANE_MAX, TRACE_MAX, WEIGHT_LIMITS

State = dict[str, np.ndarray]
"""Array name -> array; "layer.array" for a whole network."""

INTEGER_LIMITS = {
    "u": (-MEMBRANE_MAX, MEMBRANE_MAX),
    "spikes": (0, 1),
    "weight": WEIGHT_LIMITS,
    "tag": TAG_LIMITS,
    "x1": (0, TRACE_MAX),
    "x2": (0, TRACE_MAX),
    "i": (-MEMBRANE_MAX - 1, MEMBRANE_MAX + 1),
    "b": (0, MEMBRANE_MAX),
    "epochs": (0, 2**62),
}
"""The ranges of a state's integers, by the ends of their names."""


def flatten(states: Mapping[str, State]) -> State:
    """Layer name -> state as one dictionary, "layer.array" -> a copy."""
    return {
        f"{layer}.{name}": np.array(array)
        for layer, state in states.items()
        for name, array in state.items()
    }


def unflatten(state: State, layer: str) -> State:
    """The arrays of one layer by their own names, copied."""
    prefix = f"{layer}."
    return {
        name.removeprefix(prefix): np.array(array)
        for name, array in state.items()
        if name.rpartition(".")[0] == layer
    }


def check_state(
    state: Mapping[str, np.ndarray],
    present: State,
    batched: Collection[str],
    limits: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> None:
    """Raise ValueError unless `state` fits the engine whose own state is `present`.

    `batched` are the names of arrays whose first axis is the batch, whose size a state brings
    along; `limits` are the least and the largest value of arrays by the ends of their names.
    """
    missing, unknown = sorted(set(present) - set(state)), sorted(set(state) - set(present))
    if missing or unknown:
        raise ValueError(
            f"state: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}; restore it "
            "into an engine of the network it was taken from"
        )
    batches = {}
    for name, own in present.items():
        of_batch = name in batched
        _check_array(name, np.asarray(state[name]), own, of_batch)
        _check_values(name, np.asarray(state[name]), _limits(name, limits))
        if of_batch:
            batches[name] = len(state[name])
    if len(set(batches.values())) > 1:
        raise ValueError(f"state: its batches differ, {batches}; take all arrays from one state")


def _limits(name: str, limits: Mapping[str, tuple[int, int]]) -> tuple[int, int] | None:
    last = name.rpartition(".")[2]
    return next((limit for end, limit in limits.items() if last.endswith(end)), None)


def _check_array(name: str, array: np.ndarray, own: np.ndarray, batched: bool) -> None:
    expected = (array.shape[:1] if batched else own.shape[:1]) + own.shape[1:]
    if array.shape != expected or (batched and array.ndim == 0):
        shown = ["batch", *own.shape[1:]] if batched else list(own.shape)
        raise ValueError(
            f"state: {name} has shape {array.shape}, this network needs {shown}; restore it into "
            "an engine of the network it was taken from"
        )
    if array.dtype != own.dtype:
        raise ValueError(
            f"state: {name} has type {array.dtype}, this engine has {own.dtype}; restore it into "
            "an engine of the type it was taken from"
        )


def _check_values(name: str, array: np.ndarray, limits: tuple[int, int] | None) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"state: {name} has values that are NaN or infinite; take another state")
    if limits is None or array.size == 0:
        return
    low, high = limits
    if array.min() < low or array.max() > high:
        worst = array.min() if array.min() < low else array.max()
        raise ValueError(
            f"state: {name} holds {worst}; it must lie in {low}..{high}, take another state"
        )
