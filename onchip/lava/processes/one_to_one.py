"""Synapses from each neuron to the one at its place, which learn as Lava's `LearningDense` does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
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

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.draws import LearningDraws
from onchip.engine.loihi_synapses import SynapseState, initial_state, learn_in_place, received
from onchip.lava.processes.halves import SpikeHalves
from onchip.program.synapses import FACTOR_TAU, Plasticity


class OneToOneSynapses(AbstractProcess):
    """w_i s_i with one step of delay; each weight learns as the one on a diagonal would.

    `weights` [n]; `plasticity` says how they learn; `exponent` shifts the products of integers.
    Ports: `s_in`, `a_out`, `s_in_y1`, `s_in_y2`, `s_in_y3` [n]. Variables: `weights`, the tags
    `tag_1` and `tag_2` >= 0, the traces `x1` and `x2` and `tx`, the step of the last spike within
    the epoch, [n].
    """

    def __init__(
        self, *, weights: np.ndarray, plasticity: Plasticity, exponent: int, name: str
    ) -> None:
        super().__init__(weights=weights, plasticity=plasticity, exponent=exponent, name=name)
        shape = weights.shape
        self.s_in = InPort(shape=shape)
        self.a_out = OutPort(shape=shape)
        self.s_in_y1 = InPort(shape=shape)
        self.s_in_y2 = InPort(shape=shape)
        self.s_in_y3 = InPort(shape=shape)
        self.weights = Var(shape=shape, init=weights)
        self.tag_1 = Var(shape=shape, init=getattr(plasticity, "first_tag", 0))
        self.tag_2 = Var(shape=shape, init=0)
        self.x1 = Var(shape=shape, init=0)
        self.x2 = Var(shape=shape, init=0)
        self.tx = Var(shape=shape, init=0)


class _OneToOneModel(SpikeHalves, PyLoihiProcessModel):
    """The phases of `OneToOneSynapses`; subclasses declare types and do the arithmetic."""

    dtype: type
    weights: np.ndarray
    tag_1: np.ndarray
    x1: np.ndarray
    x2: np.ndarray
    tx: np.ndarray

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._rule: Plasticity = proc_params["plasticity"]
        self._buffer: np.ndarray = np.zeros(proc_params["weights"].shape, self.dtype)
        self._factors: np.ndarray = np.zeros((3, *self._buffer.shape), self.dtype)

    def run_spk_receiving(self) -> None:
        """The second half of `run_spk`."""
        spikes = np.asarray(self.s_in.recv()) > 0
        ports = (self.s_in_y1, self.s_in_y2, self.s_in_y3)
        self._factors = np.stack([port.recv() for port in ports])
        self._receive(spikes)

    def lrn_guard(self) -> bool:
        """Learn at each epoch's end."""
        return bool(self.time_step % self._rule.epoch == 0)

    def run_lrn(self) -> None:
        """Advance the traces to the epoch's end and apply the rule."""
        self._learn()
        self.tx = np.zeros_like(self.tx)

    @abstractmethod
    def _receive(self, spikes: np.ndarray) -> None:
        """Take spikes bool [n]: what they give, and when they came."""

    @abstractmethod
    def _learn(self) -> None:
        """Change traces, weights and tags."""


@implements(proc=OneToOneSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class OneToOneModel(_OneToOneModel):
    """CPU model of `OneToOneSynapses` in floating point."""

    dtype = float
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    s_in_y1: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_in_y2: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_in_y3: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    weights: np.ndarray = LavaPyType(np.ndarray, float)
    tag_1: np.ndarray = LavaPyType(np.ndarray, float)
    tag_2: np.ndarray = LavaPyType(np.ndarray, float)
    x1: np.ndarray = LavaPyType(np.ndarray, float)
    x2: np.ndarray = LavaPyType(np.ndarray, float)
    tx: np.ndarray = LavaPyType(np.ndarray, int)

    def _receive(self, spikes: np.ndarray) -> None:
        self._buffer = self.weights * spikes
        step = (self.time_step - 1) % self._rule.epoch + 1
        again = spikes & (self.tx > 0)
        self.x1 = self.x1 + self._rule.impulse * again
        if self._rule.second is not None:
            self.x2 = self.x2 + self._rule.second[0] * again
        self.tx = np.where(spikes, step, self.tx)

    def _learn(self) -> None:
        rule = self._rule
        self.x1 = self._advanced(self.x1, rule.impulse, rule.tau)
        if rule.second is not None:
            self.x2 = self._advanced(self.x2, *rule.second)
        values = {"x1": self.x1, "x2": self.x2, "x0": (self.tx > 0) * 1.0}
        values |= {"t": self.tag_1, "d": self.tag_2}
        names = ("y1", "y2", "y3")
        left = {"u0": np.exp(-rule.epoch / FACTOR_TAU), "x0": np.exp(-self.tx / FACTOR_TAU)}
        received = {
            dependency: values | dict(zip(names, self._factors * share, strict=True))
            for dependency, share in left.items()
        }
        changes = [_change(products, received) for products in (rule.dw, rule.dt, rule.dd)]
        self.weights, self.tag_1 = self.weights + changes[0], self.tag_1 + changes[1]
        self.tag_2 = np.maximum(self.tag_2 + changes[2], 0)

    def _advanced(self, trace: np.ndarray, impulse: float, tau: float) -> np.ndarray:
        """A trace at the epoch's end, where a spike of step tx is K - tx steps old."""
        epoch = self._rule.epoch
        arrived = impulse * np.exp(-(epoch - self.tx) / tau) * (self.tx > 0)
        advanced: np.ndarray = trace * np.exp(-epoch / tau) + arrived
        return advanced


def _change(products: tuple[Product, ...], received: Mapping[str, Mapping[str, np.ndarray]]) -> Any:
    """The sum of a rule's products [n], of values by name for each dependency."""
    total: Any = 0.0
    for product in products:
        value: Any = product.mantissa * 2.0**product.exponent
        names = product.factors if product.dependency == "u0" else (*product.factors, "x0")
        for name in names:
            value = value * received[product.dependency][name]
        total = total + value
    return total


@implements(proc=OneToOneSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedOneToOneModel(_OneToOneModel):
    """CPU model of `OneToOneSynapses` in integers, with the random numbers of LearningDense."""

    dtype = np.int32
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    s_in_y1: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_in_y2: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_in_y3: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    weights: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    tag_2: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    tag_1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    x1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)
    x2: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)
    tx: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=6)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._draws = LearningDraws(self._rule)
        self._started = False

    def _receive(self, spikes: np.ndarray) -> None:
        if not self._started:
            # Synapses of mixed sign have even weights until they learn, as in LearningDense.
            self.weights, self._started = initial_state(self.weights).weights, True
        state = received(self._state(), spikes, self._factors, self._rule)  # type: ignore[arg-type]
        self.x1, self.x2, self.tx = state.x1, state.x2, state.spike_times
        self._buffer = state.activation.astype(np.int32)

    def _learn(self) -> None:
        own = self._state()._replace(weights=self.weights.copy(), tag=self.tag_1.copy())
        rule: Any = self._rule
        state = learn_in_place(own, self.tx, 1, self._factors, rule, self._draws)
        self.weights, self.tag_1 = state.weights, state.tag
        self.x1, self.x2 = state.x1, state.x2

    def _state(self) -> SynapseState:
        return SynapseState(
            self.weights,
            self.tag_1,
            self.x1,
            self.tx,
            self._factors,
            np.zeros(self.weights.shape, np.int64),
            self.time_step - 1,
            self.x2,
        )
