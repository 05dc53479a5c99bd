"""What floating point and integers put into the same Lava processes.

A network of Lava processes is wired alike in both; the classes here make the parts that differ:
synapses and their learning rules, the neurons' arithmetic, the teachers, and back again a
specification with the learned weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from lava.proc.dense.process import Dense, LearningDense
from lava.utils.weightutils import SignMode

from onchip.engine.exact_sums import with_bias, with_weights
from onchip.engine.integer_arithmetic import FixedLayer
from onchip.engine.loihi_synapses import drop_lowest_bit
from onchip.lava.arithmetic import FixedTeacher, FloatLayer, FloatTeacher
from onchip.lava.rules import factor_scale, fixed_rule, gate_scale, three_factor_rule
from onchip.network.spec import DenseSpec, NetworkSpec
from onchip.program.integer_layer_spec import FixedDenseSpec
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.plasticity import gate_value, layer_synapses
from onchip.program.timetable import Schedule, arrival_phase

GRADED_BITS = 24
"""Message width of the feedback connections; in floating point it only marks them as graded."""


class FloatPrecision:
    """Floating point: `NetworkSpec`, Lava's models tagged floating_pt."""

    tag, dtype = "floating_pt", np.float64

    def __init__(self, spec: NetworkSpec, schedule: Schedule) -> None:
        self._spec, self._schedule = spec, schedule

    def has_always_on(self, layer: DenseSpec) -> bool:
        """Whether the layer's input has one more unit, for its bias."""
        return layer.bias is not None

    def weights(self, layer: DenseSpec) -> np.ndarray:
        """Weights [post, pre], with the bias as one more column where there is one."""
        if layer.bias is None:
            return layer.weight
        return np.concatenate((layer.weight, layer.bias[:, np.newaxis]), axis=1)

    def synapses(
        self, layer: DenseSpec, weights: np.ndarray, number: int, recurrent: bool, name: str
    ) -> Dense | LearningDense:
        """The connection into layer 1..N: plastic where the layer is."""
        learning = self._spec.learning
        if not layer.plastic or learning is None:
            return Dense(weights=weights.copy(), name=name)
        phase = arrival_phase(self._schedule, number)
        rule = three_factor_rule(self._schedule, learning.mode, layer.neuron.decay, phase)
        return LearningDense(weights=weights.copy(), learning_rule=rule, name=name)

    def arithmetic(self, layer: DenseSpec) -> FloatLayer:
        """What the layer's neurons compute."""
        learning = self._spec.learning
        mse_weight = 0.0 if learning is None else learning.mse_weight
        return FloatLayer(layer.neuron, self._spec.time_steps, mse_weight)

    def teacher(self, layer: DenseSpec) -> FloatTeacher | None:
        """What the layer sends to its synapses; None for frozen ones."""
        learning = self._spec.learning
        if not layer.plastic or learning is None:
            return None
        return FloatTeacher(
            scale=factor_scale(self._schedule, learning.learning_rate, layer.neuron.decay),
            gate=gate_scale(self._schedule),
            accumulate=learning.mode == "accumulate",
            recurrent=layer.recurrent_weight is not None,
        )

    def feedback(self, layer: DenseSpec, name: str) -> Dense | None:
        """The fixed feedback into a layer; None for the live transpose."""
        learning = self._spec.learning
        assert learning is not None
        if learning.feedback == "exact":
            return None
        matrix = learning.feedback_matrices[layer.name].copy()
        return Dense(weights=matrix, num_message_bits=GRADED_BITS, name=name)

    def live_weight(self, layer: DenseSpec) -> np.ndarray:
        """The weights [post, pre] that 'exact' feedback goes through before any learning."""
        return layer.weight.copy()

    def read_back(
        self, layer: DenseSpec, weights: np.ndarray, recurrent: np.ndarray | None
    ) -> DenseSpec:
        """The layer with learned weights, laid out as `weights` gives them."""
        bias = None if layer.bias is None else weights[:, -1]
        weight = weights if bias is None else weights[:, :-1]
        return replace(layer, weight=weight, bias=bias, recurrent_weight=recurrent)


class FixedPrecision:
    """Integers: `FixedNetworkSpec`, Lava's models tagged fixed_pt; methods as `FloatPrecision`."""

    tag, dtype = "fixed_pt", np.int32

    def __init__(self, spec: FixedNetworkSpec, schedule: Schedule) -> None:
        self._spec, self._schedule = spec, schedule

    def has_always_on(self, layer: FixedDenseSpec) -> bool:
        """Whether the layer's input has one more unit, for the learned part of its bias."""
        return layer.bias_weight is not None

    def weights(self, layer: FixedDenseSpec) -> np.ndarray:
        """Weights [post, pre], with those of the always-on unit where there is one."""
        return with_bias(layer)

    def synapses(
        self, layer: FixedDenseSpec, weights: np.ndarray, number: int, recurrent: bool, name: str
    ) -> Dense | LearningDense:
        """The connection into layer 1..N: plastic where the layer is; always of mixed sign."""
        common = {"weight_exp": layer.weight_exponent, "name": name}
        synapses = layer_synapses(self._schedule, layer, self._spec.learning, number, recurrent)
        if synapses is None:
            return Dense(weights=weights.copy(), sign_mode=SignMode.MIXED, **common)
        rule = fixed_rule(synapses)
        return LearningDense(weights=weights.copy(), learning_rule=rule, **common)

    def arithmetic(self, layer: FixedDenseSpec) -> FixedLayer:
        """What the layer's neurons compute."""
        return FixedLayer(layer, self._spec.learning)

    def teacher(self, layer: FixedDenseSpec) -> FixedTeacher | None:
        """What the layer sends to its synapses; None for frozen ones."""
        learning = self._spec.learning
        if layer.plasticity is None or learning is None:
            return None
        return FixedTeacher(
            gate=gate_value(layer.plasticity.rate, learning.mode),
            accumulate=learning.mode == "accumulate",
            recurrent=layer.recurrent_weight is not None,
        )

    def feedback(self, layer: FixedDenseSpec, name: str) -> Dense | None:
        """The fixed feedback into a layer, of mixed sign; None for the live transpose."""
        learning = self._spec.learning
        assert learning is not None
        matrix = learning.factors[layer.name].matrix
        if matrix is None:
            return None
        options: dict[str, Any] = {"num_message_bits": GRADED_BITS, "sign_mode": SignMode.MIXED}
        return Dense(weights=matrix.copy(), name=name, **options)

    def live_weight(self, layer: FixedDenseSpec) -> np.ndarray:
        """The weights [post, pre] that 'exact' feedback goes through before any learning."""
        return drop_lowest_bit(layer.weight).astype(self.dtype)

    def read_back(
        self, layer: FixedDenseSpec, weights: np.ndarray, recurrent: np.ndarray | None
    ) -> FixedDenseSpec:
        """The layer with learned weights."""
        whole = None if recurrent is None else recurrent.astype(np.int64)
        return with_weights(layer, weights.astype(np.int64), whole)


Precision = FloatPrecision | FixedPrecision


def precision_of(spec: NetworkSpec | FixedNetworkSpec, schedule: Schedule) -> Precision:
    """The precision in which a specification is written."""
    if isinstance(spec, FixedNetworkSpec):
        return FixedPrecision(spec, schedule)
    return FloatPrecision(spec, schedule)
