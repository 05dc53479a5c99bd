"""Synapses of integers of any transform, frozen or learning, as the engine has them."""

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

from onchip.engine.integer_connections import make_integer_synapses
from onchip.lava.processes.halves import SpikeHalves
from onchip.program.program import Synapses


class IntegerSynapses(AbstractProcess):
    """A transform in integers, with one step of delay, and its learning.

    `synapses` are those of a program. What the kernel of a `Convolution` learns is the sum
    over its positions, as `onchip.engine.shared_updates` says; each weight of a `LocalConvolution`
    learns by itself. Everything is flat and in the network's own order: a map
    is (channel, row, column). Spikes come once in an epoch.

    Ports: `s_in` [inputs], `a_out` and `s_in_y1`, `s_in_y2`, `s_in_y3` [outputs]. Variables:
    `weights` and `tag_1` [*weight shape], the traces `x1` and `x2` [inputs].
    """

    def __init__(self, *, synapses: Synapses, name: str) -> None:
        super().__init__(synapses=synapses, name=name)
        transform = synapses.transform
        inputs, outputs = (transform.inputs,), (math.prod(transform.output_shape),)
        self.s_in = InPort(shape=inputs)
        self.a_out = OutPort(shape=outputs)
        self.s_in_y1 = InPort(shape=outputs)
        self.s_in_y2 = InPort(shape=outputs)
        self.s_in_y3 = InPort(shape=outputs)
        self.weights = Var(shape=synapses.weights.shape, init=synapses.weights)
        first_tag = getattr(synapses.plasticity, "first_tag", 0)
        self.tag_1 = Var(shape=synapses.weights.shape, init=first_tag)
        self.x1 = Var(shape=inputs, init=0)
        self.x2 = Var(shape=inputs, init=0)


@implements(proc=IntegerSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class IntegerSynapsesModel(SpikeHalves, PyLoihiProcessModel):
    """CPU model of `IntegerSynapses`: a learning epoch is the engine's, all at its end.

    Frozen weights have no epochs.
    """

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    s_in_y1: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_in_y2: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_in_y3: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    weights: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    tag_1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    x1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)
    x2: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        synapses: Synapses = proc_params["synapses"]
        self._shape = synapses.transform.output_shape
        self._name, rule = synapses.name, synapses.plasticity
        self._epoch = None if rule is None else rule.epoch
        self._synapses = make_integer_synapses(synapses)
        self._silence: np.ndarray = np.zeros(math.prod(self._shape), np.int32)
        self._buffer = self._silence
        if rule is None:
            return
        self._factors: np.ndarray = np.zeros((3, *self._shape), np.int32)
        self._started = False
        self._forget_spikes()

    def _forget_spikes(self) -> None:
        self._spikes, self._phase = self._synapses.silence(), 1

    def run_spk_receiving(self) -> None:
        """The second half of `run_spk`."""
        spikes = self.s_in.recv()
        self._buffer = self._current(spikes) if spikes.any() else self._silence
        if self._epoch is None:
            return
        ports = (self.s_in_y1, self.s_in_y2, self.s_in_y3)
        self._factors = np.stack([port.recv() for port in ports]).reshape(3, *self._shape)

    def _current(self, spikes: np.ndarray) -> np.ndarray:
        arrived = (spikes > 0).astype(np.int64)
        if self._epoch is not None:
            self._note(arrived, self._epoch)
        current = self._synapses.current(arrived[np.newaxis])
        return current.reshape(-1).astype(np.int32)

    def _note(self, spikes: np.ndarray, epoch: int) -> None:
        if self._spikes.any():
            raise ValueError(
                f"synapses {self._name!r}: spikes came twice in an epoch, at Lava step "
                f"{self.time_step} again; they take one step's spikes in each"
            )
        self._spikes, self._phase = spikes, (self.time_step - 1) % epoch + 1
        self._load()

    def _load(self) -> None:
        """Take up the Vars, which the host and other processes write to."""
        own = self._synapses.learning
        if not self._started:
            # Synapses of mixed sign have even weights until they learn, as in LearningDense.
            self.weights, self._started = own.weights, True
        if not np.array_equal(self.weights, own.weights):
            self._synapses.reload(self.weights)
            own = self._synapses.learning
        self._synapses.learning = own._replace(tag=self.tag_1, x1=self.x1, x2=self.x2)

    def lrn_guard(self) -> bool:
        """Learn at each epoch's end."""
        return self._epoch is not None and bool(self.time_step % self._epoch == 0)

    def run_lrn(self) -> None:
        """Advance the traces to the epoch's end and apply the rule."""
        self._load()
        self._synapses.learn(self._spikes, self._phase, self._factors)
        now = self._synapses.learning
        self.weights, self.tag_1 = now.weights, now.tag
        self.x1, self.x2 = now.x1, now.x2
        self._forget_spikes()
