"""CPU models of `PlasticConv`, in floating point and in integers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.arithmetic.accumulator import TAG_LIMITS
from onchip.arithmetic.draws import LearningDraws
from onchip.arithmetic.loihi import (
    TRACE_MAX,
    WEIGHT_LIMITS,
    add_impulse,
    decay_powers,
    drop_lowest_bit,
)
from onchip.engine.loihi_synapses import advanced_trace
from onchip.lava.fast.convolution import (
    ExactConvolution,
    Geometry,
    Patches,
    convolve,
    require_no_exponent,
)
from onchip.lava.fast.shared_weights import (
    Traces,
    fixed_update,
    float_change,
    require_integers,
)
from onchip.lava.processes.halves import SpikeHalves
from onchip.lava.processes.plastic_conv import PlasticConv
from onchip.program.synapses import FACTOR_TAU, IntegerPlasticity

FACTORS = ("y1", "y2", "y3")


class _PlasticConvModel(SpikeHalves, PyLoihiProcessModel):
    """The phases of `PlasticConv`; subclasses declare types and do the arithmetic."""

    a_buff: np.ndarray
    x1: np.ndarray
    tx: np.ndarray

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._geometry: Geometry = proc_params["geometry"]
        self._products = proc_params["products"]
        self._rule = proc_params["learning_rule"]
        self._graded: bool = proc_params["graded"]
        self._name = proc_params["name"] or "PlasticConv"
        named = {name for products in self._products for p in products for name in p.factors}
        self._used = [name for name in FACTORS if name in named] or ["y1"]

    def run_spk_sending(self) -> None:
        """The first half of `run_spk`, which waits for nobody."""
        self.a_out.send(self.a_buff)

    def run_spk_receiving(self) -> None:
        """The second half of `run_spk`."""
        received = self.s_in.recv()
        spikes = received.astype(bool)
        self.a_buff = self._convolve(received if self._graded else spikes)
        again = spikes & (self.tx > 0)
        if again.any():
            self.x1 = np.where(again, self._repeated(self.x1), self.x1)
        self.tx = np.where(spikes, (self.time_step - 1) % self._rule.t_epoch + 1, self.tx)
        for name in FACTORS:
            setattr(self, name, getattr(self, f"s_in_{name}").recv())

    def lrn_guard(self) -> bool:
        """Learn at each epoch's end."""
        return bool(self.time_step % self._rule.t_epoch == 0)

    def run_lrn(self) -> None:
        """Advance the traces to the epoch's end and apply the rule."""
        self._learn()
        self.tx = np.zeros_like(self.tx)

    def _traces(self, factors: dict[str, np.ndarray]) -> Traces:
        spiked = (self.tx > 0).astype(self.x1.dtype)
        return Traces({"x1": self.x1, "x0": spiked}, factors, self.tag_1)

    @abstractmethod
    def _convolve(self, x: np.ndarray) -> np.ndarray:
        """The activations (x, y, out) of one input (x, y, in)."""

    @abstractmethod
    def _repeated(self, x1: np.ndarray) -> np.ndarray:
        """x1 after another spike within the same epoch."""

    @abstractmethod
    def _learn(self) -> None:
        """Advance x1 to the epoch's end and change weights and tag."""


@implements(proc=PlasticConv, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PlasticConvModel(_PlasticConvModel):
    """CPU model of `PlasticConv` in floating point."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    s_in_y1: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_in_y2: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_in_y3: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    weights: np.ndarray = LavaPyType(np.ndarray, float)
    tag_1: np.ndarray = LavaPyType(np.ndarray, float)
    x1: np.ndarray = LavaPyType(np.ndarray, float)
    tx: np.ndarray = LavaPyType(np.ndarray, int)
    y1: np.ndarray = LavaPyType(np.ndarray, float)
    y2: np.ndarray = LavaPyType(np.ndarray, float)
    y3: np.ndarray = LavaPyType(np.ndarray, float)
    a_buff: np.ndarray = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        reason = "it has no meaning in floating point"
        require_no_exponent(self._name, proc_params["weight_exp"], reason)
        self._patches = Patches(self._geometry, float)
        epoch, tau = self._rule.t_epoch, self._rule.x1_tau
        self._decay, self._factor_decay = np.exp(-epoch / np.array([tau, FACTOR_TAU]))
        # What x1 holds at the epoch's end of a spike in its step 1..K; nothing without one.
        left = self._rule.x1_impulse * np.exp(-np.arange(epoch)[::-1] / tau)
        self._arrived = np.concatenate(([0.0], left))

    def _convolve(self, x: np.ndarray) -> np.ndarray:
        if not x.any():
            return np.zeros(self._geometry.output_shape)
        return convolve(self._patches.of(x), self.weights, self._geometry.output_shape)

    def _repeated(self, x1: np.ndarray) -> np.ndarray:
        return x1 + self._rule.x1_impulse

    def _learn(self) -> None:
        self.x1 = self._decay * self.x1 + self._arrived[self.tx]
        traces = self._traces(
            {name: self._factor_decay * getattr(self, name) for name in self._used}
        )
        weights, tag = self._products
        if weights:
            self.weights = self.weights + float_change(weights, traces, self._patches)
        if tag:
            self.tag_1 = self.tag_1 + float_change(tag, traces, self._patches)


@implements(proc=PlasticConv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedPlasticConvModel(_PlasticConvModel):
    """CPU model of `PlasticConv` in integers, with the random numbers of Lava's LearningDense."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    s_in_y1: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=7)
    s_in_y2: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=7)
    s_in_y3: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=7)
    weights: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    tag_1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    x1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)
    tx: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=6)
    y1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)
    y2: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)
    y3: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=7)
    a_buff: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        require_integers(f"{self._name}: weights", proc_params["weights"], WEIGHT_LIMITS)
        rule = self._rule
        self._synapses = IntegerPlasticity(
            dw=self._products.dw,
            dt=self._products.dt,
            impulse=int(rule.x1_impulse) if rule.x1_impulse % 1 == 0 else rule.x1_impulse,
            tau=rule.x1_tau,
            epoch=rule.t_epoch,
            seed=rule.rng_seed,
            weight_exponent=proc_params["weight_exp"],
        )
        self._draws = LearningDraws(self._synapses)
        self._exact = ExactConvolution(self._geometry)
        self._patches = Patches(self._geometry, np.int16)
        self._started = False

    def on_var_update(self) -> None:
        """The host may have written to the weights."""
        self._exact.forget()

    def _convolve(self, x: np.ndarray) -> np.ndarray:
        if not self._started:
            # Synapses of mixed sign have even weights until they learn, as in LearningDense.
            self.weights, self._started = drop_lowest_bit(self.weights), True
        return self._exact(x, self.weights, self._synapses.weight_exponent)

    def _repeated(self, x1: np.ndarray) -> np.ndarray:
        return add_impulse(x1, self._synapses.impulse)

    def _learn(self) -> None:
        draws = next(self._draws)
        powers = decay_powers(FACTOR_TAU, draws.y, self._synapses.epoch)[-1]
        factors = {name: powers.take(self._received(name)) for name in self._used}
        self.x1 = advanced_trace(self.x1, self.tx, self._synapses, draws.x)
        traces, patches = self._traces(factors), self._patches
        weights, tag = self._products
        self.weights = fixed_update(
            self.weights, weights, traces, draws.synapse, WEIGHT_LIMITS, patches
        )
        self.tag_1 = fixed_update(self.tag_1, tag, traces, draws.synapse, TAG_LIMITS, patches)

    def _received(self, name: str) -> np.ndarray:
        value: np.ndarray = getattr(self, name)
        require_integers(f"{self._name}: third factor {name}", value, (0, TRACE_MAX))
        return value
