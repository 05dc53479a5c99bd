"""What learns in the sessions: one class for each kind of way.

All of them work on what the frozen trunk sends, spikes [samples, T, features], and number classes
as the network's outputs, in the order in which it met them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from onchip.deploy.backends.table import build
from onchip.deploy.lifelong.heads import class_means, integer_readout, readout_head
from onchip.deploy.lifelong.prototype_execution import PrototypeExecution
from onchip.deploy.lifelong.prototypes import Prototypes
from onchip.deploy.lifelong.replay import ReplayBuffer
from onchip.deploy.lifelong.slowing import NOTHING_SLOWED, Slowing
from onchip.deploy.quantization.network import quantize
from onchip.program.graphs import AnyNetwork
from onchip.program.new_classes import add_classes

Array = np.ndarray


class Learner(Protocol):
    """Learns session by session; `presented` counts the samples learned from, replays included."""

    presented: int

    def learn(self, spikes: Array, outputs: Array, new: int) -> None:
        """Learn from a session's samples [n, T, features], one at a time, once each.

        `outputs` [n] are their classes, of which the last `new` come for the first time.
        """

    def predict(self, spikes: Array) -> Array:
        """Return the classes of samples, learning off: int [n]."""


class ThreeFactorLearner:
    """A head that learns by its own rule on a backend, with samples of a buffer in between.

    `head` has a learning section, in floating point or in integers; `buffer` is None without
    replay, else `replays` samples of it follow each new one. `slowing` says what learns slower.
    """

    def __init__(
        self,
        head: AnyNetwork,
        backend: str,
        buffer: ReplayBuffer | None,
        replays: int,
        slowing: Slowing = NOTHING_SLOWED,
    ) -> None:
        self.head, self._backend = head, backend
        self._buffer, self._replays = buffer, replays
        self._slowing, self.presented = slowing, 0

    def learn(self, spikes: Array, outputs: Array, new: int) -> None:
        """As `Learner.learn`."""
        if new:
            self.head = add_classes(self.head, new)
        self.head = self._slowing.before(self.head, new)
        with build(self.head, self._backend) as network:
            self.presented += network.stream(self._samples(spikes, outputs)).learned
            self.head = network.snapshot()
        self._slowing.after(self.head, spikes, outputs)

    def predict(self, spikes: Array) -> Array:
        """As `Learner.predict`, on the backend."""
        with build(self.head, self._backend) as network:
            return network.run(spikes).predictions

    def _samples(self, spikes: Array, outputs: Array) -> Iterator[tuple[Array, int]]:
        for frames, label in zip(spikes, outputs.tolist(), strict=True):
            yield frames, label
            if self._buffer is not None:
                self._buffer.add(frames, label)
                for _ in range(self._replays):
                    yield self._buffer.draw()


class PrototypeLearner:
    """A head of prototypes that learns on the backend; there a dense readout predicts."""

    def __init__(self, prototypes: Prototypes, backend: str, time_steps: int) -> None:
        self.prototypes, self._backend, self._steps = prototypes, backend, time_steps
        self.presented = 0

    def learn(self, spikes: Array, outputs: Array, new: int) -> None:
        """As `Learner.learn`."""
        with PrototypeExecution(self.prototypes, self._steps, self._backend) as execution:
            execution.learn(spikes, outputs)
            self.prototypes = execution.snapshot()
        self.presented += len(outputs)

    def predict(self, spikes: Array) -> Array:
        """As `Learner.predict`."""
        with build(self.network(), self._backend) as network:
            winners = network.run(spikes).predictions
        return np.array(self.prototypes.labels)[winners]

    def network(self) -> Any:
        """Return the readout whose outputs are the prototypes, in their precision."""
        weights = self.prototypes.weights
        if weights.dtype.kind == "f":
            return readout_head(weights, self._steps)
        return integer_readout(weights, self._steps)


class MeanLearner:
    """Nearest mean of spike counts: sums and numbers of samples are kept by the host."""

    def __init__(
        self, counts: Array, outputs: Array, classes: int, backend: str, steps: int, integers: bool
    ) -> None:
        self._counts, self._outputs, self._classes = counts, outputs, classes
        self._backend, self._steps, self._integers = backend, steps, integers
        self.presented = 0

    def learn(self, spikes: Array, outputs: Array, new: int) -> None:
        """As `Learner.learn`."""
        self._counts = np.concatenate([self._counts, spikes.sum(axis=1, dtype=np.int64)])
        self._outputs = np.concatenate([self._outputs, outputs])
        self._classes += new
        self.presented += len(outputs)

    def predict(self, spikes: Array) -> Array:
        """As `Learner.predict`."""
        weights, bias = class_means(self._counts, self._outputs, range(self._classes))
        largest = np.abs(weights).max()
        if largest == 0:
            raise ValueError(
                "class means: the trunk is silent for every sample, so all means are 0; train it "
                "further, or check that the frames are those that it was trained on"
            )
        scale = 1 / largest
        head = readout_head(weights * scale, self._steps, bias * scale / self._steps)
        deployed = quantize(head) if self._integers else head
        with build(deployed, self._backend) as network:
            return network.run(spikes).predictions
