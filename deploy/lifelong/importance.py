"""How much each weight matters to the classes known so far, and how much it is slowed for that.

    F[i, j] = sum over sessions of the mean over their samples of (dL / dW[i, j])^2
    M[i, j] = 1 / (1 + strength F[i, j] / mean F),        dW[i, j] = -eta M[i, j] (its gradient)

dL / dW is the gradient that the head's rule makes of a sample, at the weights with which a session,
or the training of the base, ended: F is the diagonal of the Fisher information, as in elastic
weight consolidation (Kirkpatrick et al. 2017), summed over tasks; the mean is that of the base.
That method draws each weight back to its old value, which is a second number for each synapse. Here
weights that matter move less instead, so that one number is enough, the share M of the rate
(`onchip.network.shares`), which a synapse's tag holds. The host computes it, from samples that it
sees anyway, and writes it between sessions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.deploy.quantization.graph_worth import dequantize_graph
from onchip.engine.engine import Engine
from onchip.network.graph import Network
from onchip.program.chip_network import ChipNetwork
from onchip.program.graphs import INTEGERS, numbers_of
from onchip.program.new_classes import add_classes

Array = np.ndarray


class Importance:
    """F of the weights of `head`, a network in floating point that learns, and M for `strength`.

    Raises ValueError for a strength below 0 and for a head without a learning section.
    """

    def __init__(self, head: Network, strength: float) -> None:
        """Nothing is known yet."""
        require_between("importance: strength", strength, 0, 1e9)
        if head.learning is None:
            raise ValueError("importance: the head does not learn, so nothing is to be slowed")
        self.strength, self._head = strength, _slowly(head)
        self._sums: dict[str, Array] = {}
        self._unit = 0.0

    def add(self, head: Any, spikes: Array, outputs: Array) -> None:
        """Add F of samples [n, T, features] of classes `outputs` [n], at the weights of `head`.

        `head` may have more outputs than before, and may be in integers: of those the values that
        they are worth count.
        """
        whole = numbers_of(head) == INTEGERS
        worth = dequantize_graph(head, _grown(self._head, head)) if whole else head
        for name, found in squared_gradients(_slowly(worth), spikes, outputs).items():
            held = self._sums.get(name, np.zeros((0, *found.shape[1:])))
            self._sums[name] = found + np.pad(
                held, [(0, len(found) - len(held)), *[(0, 0)] * (found.ndim - 1)]
            )
        if not self._unit:
            self._unit = float(np.mean(np.concatenate([f.ravel() for f in self._sums.values()])))

    def shares(self) -> dict[str, Array]:
        """Return M by the names of the head's connections that learn."""
        unit = self._unit or 1.0  # no gradient at all: nothing matters
        return {name: 1 / (1 + self.strength * f / unit) for name, f in self._sums.items()}

    def shares_of(self, head: Any) -> dict[str, Array]:
        """Return M for a head with new outputs, whose weights have a share of 1."""
        named = dict(zip(head.names, head.connections, strict=True))
        found = {}
        for name, held in self.shares().items():
            whole = np.ones(named[name].transform.weight.shape)
            whole[: len(held)] = held
            found[name] = whole
        return found


def squared_gradients(network: Network, spikes: Array, outputs: Array) -> dict[str, Array]:
    """Return the mean over samples of each weight's squared gradient, by connections' names.

    `network` accumulates its updates at a rate of 1, so that what a sample changes is its gradient.
    """
    engine = Engine(network)
    first = engine.state()
    names = [n for n, c in zip(network.names, network.connections, strict=True) if c.plastic]
    before = _weights(network, names)
    sums = {name: np.zeros(before[name].shape) for name in names}
    for frames, label in zip(spikes, outputs, strict=True):
        engine.learn(frames[np.newaxis], np.array([label]))
        after = _weights(engine.snapshot(), names)
        for name in names:
            sums[name] += (after[name] - before[name]) ** 2
        engine.restore(first)
    return {name: total / len(outputs) for name, total in sums.items()}


def _weights(network: Network, names: list[str]) -> dict[str, Array]:
    named = zip(network.names, network.connections, strict=True)
    return {name: np.array(c.transform.weight) for name, c in named if name in names}


def _slowly(head: Network) -> Network:
    """The head with one update a sample at a rate of 1, without shares."""
    assert head.learning is not None
    learning = replace(head.learning, mode="accumulate", update_delay=0, shares=None)
    rules = (c.rule and replace(c.rule, learning_rate=1.0) for c in head.connections)
    connections = (replace(c, rule=r) for c, r in zip(head.connections, rules, strict=True))
    return replace(head, connections=tuple(connections), learning=learning)


def _grown(head: Network, other: ChipNetwork) -> Network:
    """The head in floating point with as many outputs as another."""
    missing = other.classes - head.classes
    return add_classes(head, missing) if missing else head
