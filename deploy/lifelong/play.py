"""A protocol played: a network that knows the base learns session by session, and is tested."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from onchip.checks import require_choice
from onchip.deploy.backends.backend import FIXED, PRECISIONS
from onchip.deploy.backends.host import trunk_spikes
from onchip.deploy.backends.table import build
from onchip.deploy.lifelong.heads import readout_head, with_readout
from onchip.deploy.lifelong.importance import Importance
from onchip.deploy.lifelong.integer_prototypes import IntegerPrototypes, calibrate
from onchip.deploy.lifelong.learners import (
    Learner,
    MeanLearner,
    PrototypeLearner,
    ThreeFactorLearner,
)
from onchip.deploy.lifelong.local_heads import learning_network
from onchip.deploy.lifelong.metrics import Course
from onchip.deploy.lifelong.protocol import ORIGINAL, Protocol
from onchip.deploy.lifelong.prototypes import Prototypes, base_prototypes
from onchip.deploy.lifelong.replay import ReplayBuffer
from onchip.deploy.lifelong.slowing import Slowing
from onchip.deploy.lifelong.splits import Split
from onchip.deploy.lifelong.ways import DIRECT, MEANS, PROTOTYPES, THREE_FACTOR, Way
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.network.partition import split_trunk
from onchip.network.shares import with_shares
from onchip.program.graphs import as_graph

Array = np.ndarray

HEAD_PASSES, HEAD_RATE = 2, 0.1
"""A direct readout is made offline: prototypes, then so many passes over the base by its rule."""

BASE_SEEN = 20
"""How many samples a base prototype counts as: it goes on at an alpha of 1 / 21."""


class SensorData(NamedTuple):
    """Frames [samples, T, *input_shape] and labels [samples] of both parts, before one sensor."""

    train_frames: Array
    train_labels: Array
    test_frames: Array
    test_labels: Array


@dataclass(frozen=True)
class Run:
    """What one way made of a protocol.

    `presented` samples were learned from, replays included, in `seconds`; `buffer_bits` is the
    memory of the stored spikes. `network` is the head at the end (None where there is none).
    """

    course: Course
    samples: int
    presented: int
    seconds: float
    buffer_bits: int
    network: Any = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, without the network."""
        return {
            **self.course.as_json(),
            "samples_learned": self.samples,
            "presented": self.presented,
            "seconds": self.seconds,
            "buffer_bytes": self.buffer_bits // 8,
        }


class Stage:
    """A base network, the data and what all ways share: the trunk's spikes, computed once.

    `network` was trained offline on the protocol's base classes, its output i for class
    `protocol.order[i]`; `data` by sensor. Raises ValueError for a network of other outputs, a split
    of other data, and a protocol that needs a sensor which is not there.
    """

    def __init__(
        self,
        network: Any,
        data: Mapping[str, SensorData],
        protocol: Protocol,
        split: Split,
        backend: str = "lava-fused",
        precision: str = "float",
        seed: int = 0,
        spikes: dict[tuple[bool, str, str], Array] | None = None,
    ) -> None:
        """Check that all fits; `spikes` may be shared by stages of one network and data."""
        require_choice("precision", precision, PRECISIONS)
        self.network: Network = without_learning(as_graph(network))
        if self.network.classes != len(protocol.base):
            raise ValueError(
                f"network: it has {self.network.classes} outputs, but the protocol's base are "
                f"{len(protocol.base)} classes; train it on those alone"
            )
        for _, sensor in protocol.tasks():
            require_choice("protocol: sensor of a session", sensor, data)
        split.check(data[ORIGINAL].train_labels)
        self.data, self.protocol, self.split = data, protocol, split
        self.backend, self.fixed, self.seed = backend, precision == FIXED, seed
        self._spikes = {} if spikes is None else spikes
        self._outputs = {label: i for i, label in enumerate(protocol.order)}

    def play(self, way: Way) -> Run:
        """Learn and test; all that is random comes from the seed."""
        learner, buffer = self._learner(way)
        rows, seconds, samples = [self._tested(learner, 0)], 0.0, 0
        for index, session in enumerate(self.protocol.sessions):
            chosen = np.array(self.split.sessions[index])
            spikes = self._trunk("train", session.sensor)[chosen]
            outputs = self._numbered(self.data[session.sensor].train_labels[chosen])
            started = time.perf_counter()
            learner.learn(spikes, outputs, len(session.new))
            seconds += time.perf_counter() - started
            samples += len(outputs)
            rows.append(self._tested(learner, index + 1))
        known = [len(self.protocol.known(i)) for i in range(len(rows))]
        tests = [len(self._test(*task)[1]) for task in self.protocol.tasks()]
        course = Course(np.array(rows), np.array(tests), np.array(known))
        bits = 0 if buffer is None else buffer.bits
        head = getattr(learner, "head", None)
        return Run(course, samples, learner.presented, seconds, bits, head)

    def deployed(self, way: Way) -> Any:
        """Return the whole network of a three-factor way as it is deployed, in its precision."""
        return self._deployed(way)[0]

    def _deployed(self, way: Way) -> tuple[Any, Importance | None]:
        """The network of a three-factor way, and what matters in it where that is asked for."""
        network, importance = self.network, None
        if way.head == DIRECT:
            network = with_readout(network, self._direct_weights)
        learning = learning_network(network, way, self.seed)
        if way.importance:
            head = split_trunk(learning)[1]
            importance = Importance(head, way.importance)
            importance.add(head, *self._base())
            learning = with_shares(learning, importance.shares())
        if self.fixed:
            learning = quantize(learning, Quantization(seed=self.seed))
        return learning, importance

    def _learner(self, way: Way) -> tuple[Learner, ReplayBuffer | None]:
        if way.learner == THREE_FACTOR:
            buffer = self._buffer(way) if way.replays else None
            network, importance = self._deployed(way)
            slowing = Slowing(way.known_share, importance)
            options = (self.backend, buffer, way.replays, slowing)
            return ThreeFactorLearner(split_trunk(network)[1], *options), buffer
        require_choice("way: learner", way.learner, (PROTOTYPES, MEANS))
        spikes, outputs = self._base()
        counts = spikes.sum(axis=1, dtype=np.int64)
        steps = self.network.time_steps
        if way.learner == MEANS:
            base = len(self.protocol.base)
            means = (counts, outputs, base, self.backend, steps, self.fixed)
            return MeanLearner(*means), None
        prototypes = self._prototypes(way, counts, outputs)
        return PrototypeLearner(prototypes, self.backend, steps), None

    def _prototypes(self, way: Way, counts: Array, outputs: Array) -> Prototypes:
        classes = range(len(self.protocol.base))
        weights = base_prototypes(counts, outputs, classes)
        known = (weights, classes, [BASE_SEEN] * len(weights))
        if not self.fixed:
            return Prototypes(*known, novelty=way.novelty)
        scales = calibrate(weights, counts, self.network.time_steps, self.seed)
        return IntegerPrototypes(*known, scales, novelty=way.novelty)

    @functools.cached_property
    def _direct_weights(self) -> Array:
        """Weights of a readout on the trunk [classes, features]: prototypes less their mean, taught
        on the base in floating point."""
        spikes, outputs = self._base(fixed=False)
        weights = base_prototypes(spikes.sum(axis=1), outputs, range(len(self.protocol.base)))
        head = readout_head(weights - weights.mean(axis=0), self.network.time_steps)
        head = with_learning(head, learning_rate=HEAD_RATE, mse_weight=0.0)
        with build(head) as network:
            for number in range(HEAD_PASSES):
                order = np.random.default_rng([self.seed, 3, number]).permutation(len(outputs))
                network.learn(spikes[order], outputs[order])
            learned: Array = network.snapshot().connections[0].transform.weight
        return learned

    def _buffer(self, way: Way) -> ReplayBuffer:
        buffer = ReplayBuffer(way.kept, self.seed)
        spikes, outputs = self._base()
        for i in np.random.default_rng([self.seed, 4]).permutation(len(outputs)):
            buffer.add(spikes[i], int(outputs[i]))
        return buffer

    def _base(self, fixed: bool | None = None) -> tuple[Array, Array]:
        """Spikes and outputs of the base, of the trunk in integers where `fixed` (as the stage)."""
        chosen = np.array(self.split.base)
        labels = self.data[ORIGINAL].train_labels[chosen]
        return self._trunk("train", ORIGINAL, fixed)[chosen], self._numbered(labels)

    def _tested(self, learner: Learner, session: int) -> list[float]:
        """Accuracy on every task whose classes are known after so many sessions, else NaN."""
        known, row = set(self.protocol.known(session)), []
        for classes, sensor in self.protocol.tasks():
            spikes, outputs = self._test(classes, sensor)
            right = known.issuperset(classes)
            row.append(
                float((learner.predict(spikes) == outputs).mean()) if right else float("nan")
            )
        return row

    def _test(self, classes: tuple[int, ...], sensor: str) -> tuple[Array, Array]:
        """Spikes and outputs of a task's tests: test samples, or those held out for choosing."""
        part = "train" if self.split.held_out else "test"
        everything = range(len(self.data[sensor].test_labels))
        chosen = np.array(self.split.held_out or everything)
        labels = getattr(self.data[sensor], f"{part}_labels")[chosen]
        among = np.isin(labels, classes)
        return self._trunk(part, sensor)[chosen[among]], self._numbered(labels[among])

    def _numbered(self, labels: Array) -> Array:
        return np.array([self._outputs[int(label)] for label in labels], np.int64)

    def _trunk(self, part: str, sensor: str, fixed: bool | None = None) -> Array:
        """The trunk's spikes for a part of a sensor's data, in integers where `fixed`."""
        integers = self.fixed if fixed is None else fixed
        key = (integers, part, sensor)
        if key not in self._spikes:
            network = quantize(self.network) if integers else self.network
            frames = getattr(self.data[sensor], f"{part}_frames")
            self._spikes[key] = trunk_spikes(network, frames)
        return self._spikes[key]
