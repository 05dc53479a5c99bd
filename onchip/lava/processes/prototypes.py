"""The neurons of a head of prototypes: which one wins, which one learns, which one is taken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.lava.streaming import AHEAD
from onchip.program.prototypes import FREE, Choice, Scales, choose, length_of, similarities
from onchip.program.synapses import FACTOR_TAU


class PrototypeNeurons(AbstractProcess):
    """One neuron for each prototype, of which some are taken; an epoch is T + 1 Lava steps.

    In the first T the neurons add up their currents, which come a step late, and count the spikes
    x; in the last one they have w x and do, in this order: similarities, the winner, with a label
    the neuron that learns, a free one that is taken, its factors y1 and y2, and the answer. The
    decisions and their equations are those of `onchip.program.prototypes`; `scales` is of the
    network's precision, `labels` and `seen` [limit] are those to begin with (-1 for neurons that
    are free), `novelty` the similarity below which a neuron is taken.

    Ports: `a_in` [limit] currents; `s_in` [features] the spikes that made them, a step earlier;
    `target_in` [2], label and 1 to learn or 0 not to, in the last step; `y1_out`, `y2_out` [limit];
    `answer_host` [2 + limit] once a sample: the class of the winner, the prototype that learned
    (-1: none), the similarities (0 of free neurons). Variables: `labels` and `seen` [limit].
    """

    def __init__(
        self,
        *,
        scales: Scales,
        features: int,
        labels: np.ndarray,
        seen: np.ndarray,
        novelty: float,
        name: str,
    ) -> None:
        super().__init__(scales=scales, features=features, novelty=novelty, name=name)
        limit = (len(labels),)
        self.labels = Var(shape=limit, init=labels)
        self.seen = Var(shape=limit, init=seen)
        self.a_in = InPort(shape=limit)
        self.s_in = InPort(shape=(features,))
        self.target_in = InPort(shape=(2,))
        self.y1_out = OutPort(shape=limit)
        self.y2_out = OutPort(shape=limit)
        self.answer_host = OutPort(shape=(2 + len(labels),))
        self.answer_host.flag_external_pipe(buffer_size=AHEAD)


class _PrototypeNeuronsModel(PyLoihiProcessModel):
    """The steps of an epoch; subclasses declare the ports' types and `dtype`."""

    dtype: type
    labels: np.ndarray
    seen: np.ndarray

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._scales: Scales = proc_params["scales"]
        self._novelty: float = proc_params["novelty"]
        self._epoch: int = self._scales.plasticity.epoch
        self._no_spikes: np.ndarray = np.zeros(proc_params["features"], np.int64)
        self._counts = self._no_spikes

    def run_spk(self) -> None:
        """Add up; at an epoch's last step decide, teach and answer."""
        current, spikes, target = self._received()
        position = (self.time_step - 1) % self._epoch
        if position == 0:
            self._products, self._counts = np.zeros(current.shape), self._no_spikes
        self._products = self._products + current
        self._counts = self._counts + spikes.astype(np.int64)
        factors: np.ndarray = np.zeros((2, len(current)), self.dtype)
        if position == self._epoch - 1:
            self._decide(factors, int(target[0]), bool(target[1]))
        self.y1_out.send(factors[0])
        self.y2_out.send(factors[1])

    def _received(self: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.a_in.recv(), self.s_in.recv(), self.target_in.recv()

    def _decide(self: Any, factors: np.ndarray, label: int, learns: bool) -> None:
        taken = int((self.labels != FREE).sum())
        similar = similarities(self._products[:taken], self._counts, self._scales.norm)
        winner = int(self.labels[similar.argmax()]) if taken else FREE
        learned = FREE
        if learns and self._counts.any():
            learned = self._learn(factors, similar, label)
        answer = np.zeros(2 + len(self.labels))
        answer[:2], answer[2 : 2 + taken] = (winner, learned), similar
        self.answer_host.send(answer)

    def _learn(self: Any, factors: np.ndarray, similar: np.ndarray, label: int) -> int:
        taken, limit = len(similar), len(self.labels)
        known = self.labels[:taken], self.seen[:taken]
        choice = choose(*known, similar, label, self._novelty, limit)
        self.labels[choice.neuron] = label
        self.seen[choice.neuron] += 1
        factors[:, choice.neuron] = self._factors(choice)
        return choice.neuron

    def _factors(self, choice: Choice) -> np.ndarray:
        length = float(length_of(self._counts)[0])
        return np.array(self._scales.factors(length, choice.alpha, choice.similar))


@implements(proc=PrototypeNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PrototypeNeuronsModel(_PrototypeNeuronsModel):
    """CPU model of `PrototypeNeurons` in floating point."""

    dtype = float
    labels: np.ndarray = LavaPyType(np.ndarray, np.int64)
    seen: np.ndarray = LavaPyType(np.ndarray, np.int64)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    answer_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def _factors(self, choice: Choice) -> np.ndarray:
        """Factors made up for what synapses lose of them until the epoch's end."""
        return super()._factors(choice) * math.exp(self._epoch / FACTOR_TAU)


@implements(proc=PrototypeNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedPrototypeNeuronsModel(_PrototypeNeuronsModel):
    """CPU model of `PrototypeNeurons` in integers; norms and similarities are real numbers."""

    dtype = np.int32
    labels: np.ndarray = LavaPyType(np.ndarray, np.int64)
    seen: np.ndarray = LavaPyType(np.ndarray, np.int64)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    answer_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
