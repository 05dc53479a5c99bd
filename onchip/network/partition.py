"""The part of a network that is frozen and can run ahead, and the rest that learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from onchip.network.convolution import Convolution
from onchip.network.graph import Network as Graph
from onchip.network.parts import INPUT, Connection
from onchip.network.spec import is_convolution

Network = TypeVar("Network")
"""A `NetworkSpec`, an integer network with the same fields, or a graph."""


def split_trunk(network: Network) -> tuple[Network | None, Network]:
    """(the convolutions and what is below them as a network of their own, or None; the rest).

    The trunk is frozen, so its spikes can be computed ahead of the part that learns. Raises
    ValueError for a graph whose rest reads more than one population of the trunk, or the input.
    """
    if isinstance(network, Graph):
        return _split_graph(network)  # type: ignore[return-value]
    layers: tuple[Any, ...] = network.layers  # type: ignore[attr-defined]
    count = sum(is_convolution(layer) for layer in layers)
    if count == 0:
        return None, network
    trunk: Any = replace(network, layers=layers[:count], learning=None, metadata={})  # type: ignore[type-var]
    rest: Any = replace(network, layers=layers[count:], input_shape=(trunk.classes,))  # type: ignore[type-var]
    return trunk, rest


def join_trunk(network: Any, rest: Any) -> Any:
    """`network` with what `split_trunk` parted from its trunk in another state, `rest`.

    `rest` may also be the whole network in another state, where nothing was parted.
    """
    if not isinstance(network, Graph):
        kept = network.layers[: len(network.layers) - len(rest.layers)]
        return replace(network, layers=(*kept, *rest.layers))
    trunk = trunk_names(network)
    found = (c for c in rest.connections if c.target not in trunk)
    connections = tuple(
        c if c.target in trunk else replace(next(found), source=c.source)
        for c in network.connections
    )
    return replace(network, connections=connections)


def trunk_names(network: Graph) -> frozenset[str]:
    """Return the populations that frozen convolutions lead to, and all whose spikes come to these.

    What learns, or depends on something that does, is none of them.
    """
    names = {p.name for p in network.populations}
    waiting = [c.target for c in network.connections if isinstance(c.transform, Convolution)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or name not in names:
            continue
        found.add(name)
        waiting += [c.source for c in network.connections if c.target == name]
    return frozenset(found - _changing(network))


def _changing(network: Graph) -> set[str]:
    """The populations whose spikes depend on what learns."""
    found = {c.target for c in network.connections if c.plastic}
    while True:
        above = {c.target for c in network.connections if c.source in found} - found
        if not above:
            return found
        found |= above


def _split_graph(network: Graph) -> tuple[Graph | None, Graph]:
    names = trunk_names(network)
    if not names:
        return None, network
    if network.populations[-1].name in names:
        raise ValueError(
            f"network: spikes of {network.populations[-1].name!r}, the readout, come to its "
            "convolutions, so the host cannot run them ahead; use backend torch or lava-fused, or "
            "run them in Lava (convolutions='lava')"
        )
    ordered = [p.name for p in network.populations if p.name in names]
    rest = [c for c in network.connections if c.target not in names]
    read = {c.source for c in rest if c.source in (*names, INPUT)}
    if read != {ordered[-1]}:
        raise ValueError(
            f"network: above its convolutions {', '.join(sorted(read))} are read, but the host can "
            f"hand on the spikes of {ordered[-1]!r} alone; use backend torch or lava-fused, or run "
            "them in Lava (convolutions='lava')"
        )
    trunk = replace(
        network,
        populations=tuple(p for p in network.populations if p.name in names),
        connections=tuple(c for c in network.connections if c.target in names),
        learning=None,
        metadata={},
    )
    return trunk, replace(
        network,
        populations=tuple(p for p in network.populations if p.name not in names),
        connections=tuple(_from_input(c, ordered[-1]) for c in rest),
        input_shape=(trunk.classes,),
    )


def _from_input(connection: Connection, interface: str) -> Connection:
    return replace(connection, source=INPUT) if connection.source == interface else connection
