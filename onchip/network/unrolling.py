"""A network whose convolutions have a copy of their weights at every position.

Shared, the meaning in simulators: one kernel, which learns the sum over all positions of what each
of them would learn. Unrolled, the meaning on a chip whose synapses store their weights: a kernel
for each position, which learns by itself. Before learning both are the same network, in every
spike. Of the first update (the first step's online, the first sample's accumulated) at the same
learning rate

    sum over positions of the unrolled change = the shared change,

so with the learning rate times the number of positions the mean of the copies moves as the shared
weight does. From the second update on they are two algorithms: the copies drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from onchip.checks import require_choice
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.local import LocalConvolution
from onchip.network.parts import Connection
from onchip.network.transforms import Bias


def unrolled(network: Network, names: Iterable[str] | None = None) -> Network:
    """Return the network with its convolutions, and the biases of maps that learn, unrolled.

    `names` are those of populations, whose incoming convolutions become `LocalConvolution`; None
    takes all that learn. Rules, feedback and everything else stay. Raises ValueError for names
    without a convolution and for convolutions that enlarge maps.
    """
    found = {c.target for c in network.connections if isinstance(c.transform, Convolution)}
    learning = {
        c.target for c in network.connections if c.plastic and isinstance(c.transform, Convolution)
    }
    chosen = learning if names is None else set(names)
    for name in sorted(chosen):
        require_choice("population with a convolution", name, sorted(found))
    if not chosen:
        raise ValueError(
            f"network: none of its convolutions learns; name those to unroll, of "
            f"{', '.join(sorted(found)) or 'which it has none'}"
        )
    connections = tuple(
        _unrolled(network, c) if c.target in chosen else c for c in network.connections
    )
    return replace(network, connections=connections)


def unrolled_convolution(convolution: Convolution) -> LocalConvolution:
    """Return a convolution with a copy of its kernel for each position."""
    positions = convolution.output_shape[1:]
    weight = np.broadcast_to(convolution.weight, (*positions, *convolution.weight.shape))
    return LocalConvolution(
        weight, convolution.input_shape, convolution.stride, convolution.padding
    )


def _unrolled(network: Network, connection: Connection) -> Connection:
    transform = connection.transform
    if isinstance(transform, EnlargingConvolution):
        raise ValueError(
            f"connection {connection.source!r} to {connection.target!r}: a convolution that "
            "enlarges maps cannot be unrolled; leave its population out"
        )
    if isinstance(transform, Convolution):
        return replace(connection, transform=unrolled_convolution(transform))
    shape = network.population(connection.target).shape
    if isinstance(transform, Bias) and connection.plastic and len(shape) > 1:
        size = int(np.prod(shape))
        copies = np.repeat(transform.weight, size // len(transform.weight))
        return replace(connection, transform=Bias(copies, (size,)))
    return connection
