"""Synapses of any transform, convolutions among them, which learn by a three-factor rule."""

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

from onchip.lava.fast.transform_rules import Factors, change, require_known, rules_of
from onchip.lava.processes.halves import SpikeHalves
from onchip.network.transform import Transform
from onchip.program.synapses import FACTOR_TAU, Plasticity


class TransformSynapses(AbstractProcess):
    """What a transform transmits, with one step of delay; its weights learn by its `correlate`.

    Weights that several synapses share (the kernel of a convolution) learn the sum of what each of
    these would learn as a `LearningDense`. Everything is flat and in the network's own order: a map
    is (channel, row, column). Inputs may be graded, in the current and in the trace. `plasticity`
    is None for frozen weights. In floating point only. Raises ValueError for a rule with products
    that these synapses cannot learn by.

    Ports: `s_in` [inputs], `a_out` and `s_in_y1`, `s_in_y2`, `s_in_y3` [outputs]. Variables:
    `weights` and the tags `tag_1` and `tag_2` >= 0 [*weight shape], the traces `x1` and `x2`
    [inputs].
    """

    def __init__(
        self, *, transform: Transform, weights: np.ndarray, plasticity: Plasticity | None, name: str
    ) -> None:
        super().__init__(transform=transform, plasticity=plasticity, name=name)
        for products in () if plasticity is None else rules_of(plasticity):
            require_known(products)
        inputs, outputs = (transform.inputs,), (math.prod(transform.output_shape),)
        self.s_in = InPort(shape=inputs)
        self.a_out = OutPort(shape=outputs)
        self.s_in_y1 = InPort(shape=outputs)
        self.s_in_y2 = InPort(shape=outputs)
        self.s_in_y3 = InPort(shape=outputs)
        self.weights = Var(shape=weights.shape, init=weights)
        self.tag_1 = Var(shape=weights.shape, init=0)
        self.tag_2 = Var(shape=weights.shape, init=0)
        self.x1 = Var(shape=inputs, init=0)
        self.x2 = Var(shape=inputs, init=0)


@implements(proc=TransformSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class TransformSynapsesModel(SpikeHalves, PyLoihiProcessModel):
    """CPU model of `TransformSynapses`.

    What comes within an epoch is kept decayed to the epoch's end, where the traces take it.
    """

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

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._transform: Transform = proc_params["transform"]
        self._rule: Plasticity | None = proc_params["plasticity"]
        self._outputs = math.prod(self._transform.output_shape)
        self._silence: np.ndarray = np.zeros(self._outputs)
        self._buffer = self._silence
        rule = self._rule
        if rule is None:
            return
        self._kinds = [(rule.impulse, rule.tau), *([rule.second] if rule.second else [])]
        self._rules = rules_of(rule)
        named = {n for products in self._rules for product in products for n in product.factors}
        self._used = [name for name in ("y1", "y2", "y3") if name in named]
        self._factors = {name: self._silence for name in self._used}
        self._forget_inputs()

    def _forget_inputs(self) -> None:
        zeros: np.ndarray = np.zeros(self._transform.inputs)
        self._received, self._arrived = zeros, [zeros] * len(self._kinds)

    def run_spk_receiving(self) -> None:
        """The second half of `run_spk`."""
        inputs = self.s_in.recv()
        spikes = bool(inputs.any())
        self._buffer = self._current(inputs) if spikes else self._silence
        if self._rule is None:
            return
        if spikes:
            self._note(inputs, self._rule)
        for name in self._used:
            self._factors[name] = getattr(self, f"s_in_{name}").recv()

    def _current(self, inputs: np.ndarray) -> np.ndarray:
        current: np.ndarray = self._transform.transmit(inputs[np.newaxis], self.weights)
        return np.asarray(current, float).reshape(self._outputs)

    def _note(self, inputs: np.ndarray, rule: Plasticity) -> None:
        left = rule.epoch - 1 - (self.time_step - 1) % rule.epoch
        # A factor that meets x0 has decayed until the input came, not to the epoch's end.
        self._received = self._received + math.exp(left / FACTOR_TAU) * inputs
        self._arrived = [
            arrived + impulse * math.exp(-left / tau) * inputs
            for arrived, (impulse, tau) in zip(self._arrived, self._kinds, strict=True)
        ]

    def lrn_guard(self) -> bool:
        """Learn at each epoch's end."""
        return self._rule is not None and bool(self.time_step % self._rule.epoch == 0)

    def run_lrn(self) -> None:
        """Advance the traces to the epoch's end and apply the rule."""
        rule = self._rule
        assert rule is not None
        for name, (_, tau), arrived in zip(("x1", "x2"), self._kinds, self._arrived, strict=False):
            setattr(self, name, math.exp(-rule.epoch / tau) * getattr(self, name) + arrived)
        left = math.exp(-rule.epoch / FACTOR_TAU)
        factors = Factors(
            {"x0": self._received, "x1": self.x1, "x2": self.x2},
            {name: left * values for name, values in self._factors.items()},
            {"t": self.tag_1, "d": self.tag_2},
        )
        changes = [change(self._transform, products, factors) for products in self._rules]
        self.weights, self.tag_1 = self.weights + changes[0], self.tag_1 + changes[1]
        self.tag_2 = np.maximum(self.tag_2 + changes[2], 0)
        self._forget_inputs()
