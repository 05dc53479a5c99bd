"""Groups of neurons as a core stores them: the synapses onto each, and the inputs of a block.

A `Synapses` is what leads into a group: a transform's way forward, or its way back for an error. A
frozen convolution stores its kernels once in each core; all else stores every synapse.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onchip.arithmetic.loihi import TAG_BITS, WEIGHT_BITS
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, Connection, Population, Route
from onchip.network.transform import Transform
from onchip.network.transforms import Bias, Dense
from onchip.rules.filtered import Instantaneous

Array = np.ndarray

OUTSIDE = ""
"""Where the errors of readouts come from."""


@dataclass(frozen=True, eq=False)
class Synapses:
    """Synapses into a group from `source`: `bits` each, or kernels that are `shared` in a core.

    `back` leads from the transform's outputs to its inputs.
    """

    source: str
    transform: Transform
    bits: int = WEIGHT_BITS
    shared: bool = False
    back: bool = False

    @functools.cached_property
    def onto_each(self) -> Array:
        """The number of synapses onto each neuron of the group: int64 [neurons]."""
        t = self.transform
        if type(t) is Dense:
            own, others = _ends(t)[:: 1 if self.back else -1]
            return np.full(own, others, np.int64)
        if type(t) is Convolution:
            thin, channels = _thin(t), t.weight.shape[0 if self.back else 1]
            counts = channels * _reached(thin, np.ones(_ends(thin)[self.back]), self.back)
            copies = t.weight.shape[1 if self.back else 0]
            return np.tile(counts.reshape(-1).astype(np.int64), copies)
        return _reached(t, np.ones(_ends(t)[self.back]), self.back).reshape(-1).astype(np.int64)

    def read_by(self, members: Array) -> Array:
        """Return which inputs some of the neurons `members` (indices) read: bool [inputs]."""
        t = self.transform
        if type(t) is Dense:
            return np.ones(_ends(t)[self.back], bool)
        if isinstance(t, Bias):
            return np.ones(1, bool)
        block = np.zeros(len(self.onto_each))
        block[members] = 1
        if type(t) is not Convolution:
            return _reached(t, block, not self.back).reshape(-1) != 0
        mine, others = t.weight.shape[:2][:: -1 if self.back else 1]
        seen = block.reshape(mine, -1).any(axis=0).astype(float)
        read = _reached(_thin(t), seen, not self.back).reshape(-1) != 0
        return np.tile(read, others)

    def stored(self, members: Array) -> int:
        """Return the synapses that a core with the neurons `members` stores."""
        if self.shared:
            return int(self.transform.weight.size)
        return int(self.onto_each[members].sum())


def _thin(t: Convolution) -> Convolution:
    """The geometry of a convolution: one channel in and out, which all others repeat."""
    return Convolution(
        np.ones((1, 1, *t.weight.shape[2:])), (1, *t.input_shape[1:]), t.stride, t.padding
    )


def _ends(t: Transform) -> tuple[int, int]:
    """The number of inputs and of outputs."""
    return t.inputs, int(np.prod(t.output_shape))


def _reached(t: Transform, sent: Array, back: bool) -> Array:
    """How many synapses each output gets from inputs `sent`; `back` from outputs, each input."""
    weight = np.ones_like(t.weight)
    if back:
        signal: Array = t.send_back(sent.reshape(1, *t.output_shape), weight)
        return signal
    current: Array = t.transmit(sent.reshape(1, -1), weight)
    return current


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons that a core may hold together: a population, or what sums up its errors.

    `layer` is the population's name, `role` "neurons" or "feedback", `shape` the neurons'.
    """

    name: str
    layer: str
    role: str
    shape: tuple[int, ...]
    into: tuple[Synapses, ...]

    @functools.cached_property
    def order(self) -> Array:
        """The neurons in the order in which cores take them; of a map position by position.

        The channels of a position read the same inputs.
        """
        indices = np.arange(int(np.prod(self.shape))).reshape(self.shape[0], -1)
        return indices.T.reshape(-1)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(np.prod(self.shape))


def groups_of(network: Network) -> tuple[Group, ...]:
    """Return the groups of a network, each population before what sums up its errors.

    A population that an error is fed back to has a second compartment for each neuron, with the
    feedback's weights as its synapses. Errors come from outside the cores (a softmax is no neuron).
    """
    found: list[Group] = []
    for population in network.populations:
        into = tuple(_forward(network, population))
        name = population.name
        found.append(Group(name, name, "neurons", population.shape, into))
        ways = tuple(_backward(network, population))
        if ways:
            found.append(Group(f"{name}.feedback", name, "feedback", population.shape, ways))
    return tuple(found)


def _forward(network: Network, population: Population) -> Iterator[Synapses]:
    for c in network.connections:
        if c.target == population.name and (c.plastic or c.source != ALWAYS_ON):
            shared = isinstance(c.transform, Convolution) and not c.plastic
            yield Synapses(c.source, c.transform, _bits(network, c), shared)


def _bits(network: Network, c: Connection) -> int:
    """A weight, and what its rule keeps at the synapse."""
    if not c.plastic:
        return WEIGHT_BITS
    assert network.learning is not None
    kind = Instantaneous() if c.rule is None else c.rule.kind
    tags = len(kind.variables) + (network.learning.mode == "accumulate")
    return WEIGHT_BITS + tags * (TAG_BITS + 1)


def _backward(network: Network, population: Population) -> Iterator[Synapses]:
    routes = () if network.learning is None else network.learning.routes
    for route in routes:
        if route.target == population.name:
            outside = route.is_error or route.source in network.readouts
            sender = OUTSIDE if outside else f"{route.source}.feedback"
            yield _way(network, route, sender)


def _way(network: Network, route: Route, sender: str) -> Synapses:
    if route.matrix is not None:
        return Synapses(sender, Dense(route.matrix))
    transform = route.transform
    if transform is None:
        transform = next(
            c.transform
            for c in network.connections
            if (c.source, c.target, c.delay) == (route.target, route.source, 0)
        )
    return Synapses(sender, transform, shared=isinstance(transform, Convolution), back=True)
