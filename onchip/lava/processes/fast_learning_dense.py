"""Fast process models of Lava's `LearningDense`, which give what the stock ones give.

A learning phase adds outer products to the weights in place (`onchip.lava.fast.updates`). Traces
that no product of the rule uses and that have no impulse are left alone (in floating point the
stock models fill those without a time constant with NaN). `onchip.lava.run_config.FastSimCfg`
chooses these models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.connection import (
    LearningConnectionModelBitApproximate,
    LearningConnectionModelFloat,
)
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import AbstractPyDenseModelBitAcc, AbstractPyDenseModelFloat
from lava.proc.dense.process import LearningDense
from lava.utils.weightutils import truncate_weights

from onchip.arithmetic.draws import LearningDraws
from onchip.arithmetic.loihi import add_impulse
from onchip.lava.fast.input_sums import (
    nonzero,
)
from onchip.lava.fast.rules import fast_rule
from onchip.lava.fast.terms import VARIABLES, FastRule, Trace
from onchip.lava.fast.updates import (
    AT_SPIKES,
    advance_fixed,
    advance_float,
    fixed_update,
    float_update,
)
from onchip.lava.processes.fast_synapses import FloatSynapses, IntegerSynapses
from onchip.program.synapses import IntegerPlasticity


class _Learning:
    """The learning of both precisions."""

    matrices = tuple(VARIABLES.values())
    trace_type: type
    floating: bool
    _rule: FastRule

    def _build_learning_rule_appliers(self: Any) -> None:
        """Compile the rule; Lava calls this as the model is made and whenever a Var was set."""
        self._rule = fast_rule(self.proc_params, self.floating)

    def _receive(self: Any, spikes: np.ndarray) -> None:
        active = super()._receive(spikes)  # type: ignore[misc]
        step, rule = self._within_epoch_time_step(), self._rule
        active = nonzero(spikes) if active is None else active
        if active.size:
            self._note_spikes(active, self.tx, rule.x, step)
        fired = nonzero(self.s_in_bap.recv())
        if fired.size:
            self.y0[fired] = True
            self._note_spikes(fired, self.ty, () if rule.third_factor else rule.y, step)
        if rule.third_factor:
            kind = self.trace_type
            self.y1 = self.s_in_y1.recv().astype(kind, copy=False)
            self.y2 = self.s_in_y2.recv().astype(kind, copy=False)
            self.y3 = self.s_in_y3.recv().astype(kind, copy=False)

    def _note_spikes(
        self: Any, spiking: np.ndarray, times: np.ndarray, traces: tuple[Trace, ...], step: int
    ) -> None:
        """Of several spikes within an epoch all but the last add their impulse at once."""
        again = spiking[times[spiking] > 0] if step > 1 else spiking[:0]
        if again.size:
            for trace in traces:
                values = np.array(getattr(self, trace.name), self.trace_type)
                values[again] = self._plus_impulse(values[again], trace)
                setattr(self, trace.name, values)
        times[spiking] = step

    def run_lrn(self: Any) -> None:
        """The end of an epoch: advance the traces, apply the rule, forget the spikes."""
        rule = self._rule
        values: dict[str, np.ndarray] = {}
        self._draw()
        for gate, times, traces in (("x0", self.tx, rule.x), ("y0", self.ty, rule.y)):
            if gate in rule.gates:
                values[gate] = times > 0
                if gate == "x0" and rule.third_factor and rule.epoch > 1:
                    values[AT_SPIKES] = _received_earlier(rule.y[0].decays, times)
            spiking = nonzero(times)
            for trace in traces:
                advance, before = self._advance, getattr(self, trace.name)
                values[trace.name] = advance(trace, before, times, spiking)
        kept = rule.x if rule.third_factor else (*rule.x, *rule.y)
        for trace in kept:
            setattr(self, trace.name, values[trace.name])
        self._apply(rule, values)
        for spikes in (self.tx, self.ty, self.y0):
            spikes[...] = 0

    def _synaptic_variables(self: Any, rule: FastRule) -> dict[str, np.ndarray]:
        """The Vars of w, d and t that the rule needs, brought to the order it is fast in."""
        graded = bool(self.num_message_bits.item() > 0)
        return {name: self._kept(VARIABLES[name], graded) for name in rule.synaptic}


def _received_earlier(decays: np.ndarray, times: np.ndarray) -> np.ndarray:
    """A factor at the steps `times` of the epoch, in units of what is left of it at the end."""
    later: np.ndarray = decays[times] / decays[-1]
    return later


@implements(proc=LearningDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt", "fast")
class FastLearningDenseModelFloat(
    _Learning, FloatSynapses, LearningConnectionModelFloat, AbstractPyDenseModelFloat
):
    """`LearningDense` in floating point: within rounding (1e-12) of the stock model."""

    floating, trace_type = True, float

    def _draw(self) -> None:
        """Nothing is rounded."""

    def _plus_impulse(self, values: np.ndarray, trace: Trace) -> np.ndarray:
        return values + trace.impulse

    def _advance(
        self, trace: Trace, values: np.ndarray, times: np.ndarray, spiking: np.ndarray
    ) -> np.ndarray:
        return advance_float(trace, values, times, spiking)

    def _apply(self, rule: FastRule, values: dict[str, np.ndarray]) -> None:
        values |= self._synaptic_variables(rule)
        float_update(rule, values, self.time_step)


@implements(proc=LearningDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_approximate_loihi", "fixed_pt", "fast")
class FastLearningDenseModelFixed(
    _Learning, IntegerSynapses, LearningConnectionModelBitApproximate, AbstractPyDenseModelBitAcc
):
    """`LearningDense` in integers: equal to the stock model in every bit."""

    floating, trace_type = False, int
    tag_1: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)
    tag_2: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=6)

    def _whole_weights(self, bits: int) -> np.ndarray:
        return np.asarray(truncate_weights(self.weights, self.sign_mode, bits))

    def _init_randoms(self) -> None:
        rule = self._learning_rule
        synapses = IntegerPlasticity(dw=(), epoch=rule.t_epoch, seed=rule.rng_seed)
        self._draws = LearningDraws(synapses)
        self._settled: dict[str, np.ndarray] = {}

    def on_var_update(self) -> None:
        """A Var was set from outside: whatever it is now is taken as Lava takes it."""
        super().on_var_update()
        self._settled.clear()

    def _draw(self) -> None:
        self._drawn = next(self._draws)

    def _plus_impulse(self, values: np.ndarray, trace: Trace) -> np.ndarray:
        return add_impulse(values, int(trace.impulse))

    def _advance(
        self, trace: Trace, values: np.ndarray, times: np.ndarray, spiking: np.ndarray
    ) -> np.ndarray:
        random = self._drawn.x if trace in self._rule.x else self._drawn.y
        return advance_fixed(trace, values, times, spiking, random)

    def _apply(self, rule: FastRule, values: dict[str, np.ndarray]) -> None:
        values |= self._synaptic_variables(rule)
        # A Var replaced from outside (by a reference port) is another array.
        settled = {letter for letter, known in self._settled.items() if known is values[letter]}
        settled = fixed_update(rule, values, self.time_step, self._drawn.synapse, settled)
        self._settled = {letter: values[letter] for letter in settled}
