"""The part of a network that is frozen and can run ahead, and the rest that learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from onchip.network.spec import is_convolution

Network = TypeVar("Network")
"""A `NetworkSpec`, or an integer network with the same fields."""


def split_trunk(spec: Network) -> tuple[Network | None, Network]:
    """(the leading convolutions as a network of their own, or None; the dense rest).

    The trunk is frozen, so its spikes can be computed ahead of the part that learns.
    """
    layers: tuple[Any, ...] = spec.layers  # type: ignore[attr-defined]
    count = sum(is_convolution(layer) for layer in layers)
    if count == 0:
        return None, spec
    trunk: Any = replace(spec, layers=layers[:count], learning=None, metadata={})  # type: ignore[type-var]
    return trunk, replace(spec, layers=layers[count:], input_shape=(trunk.classes,))  # type: ignore[type-var]
