"""The part of a network that is frozen and can run ahead, and the rest that learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from onchip.network.graph import Network as Graph
from onchip.network.spec import is_convolution
from onchip.network.transforms import Convolution

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


def trunk_names(network: Graph) -> frozenset[str]:
    """Return the populations that convolutions lead to, and all those below them."""
    names = {p.name for p in network.populations}
    found: set[str] = set()
    for population in reversed(network.populations):
        into = [c for c in network.connections if c.target == population.name]
        if population.name in found or any(isinstance(c.transform, Convolution) for c in into):
            found |= {population.name, *(c.source for c in into if c.source in names)}
    return frozenset(found)
