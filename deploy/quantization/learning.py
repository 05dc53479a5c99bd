"""The learning section in integers: the error's unit, feedback matrices, factors, rates.

A factor g has 7 bits and a sign. How many bits of the fed-back error are dropped decides what g = 1
is worth (`FixedFactor.unit`); the rate makes up for it. The shift is chosen so that g saturates at
three standard deviations of what a confident mistake sends back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.arithmetic.integer_softmax import make_error
from onchip.arithmetic.integer_surrogates import surrogate_peak
from onchip.arithmetic.loihi import TRACE_BITS, TRACE_MAX
from onchip.deploy.quantization.scales import WEIGHT_MAX, round_even
from onchip.network.layer_spec import DenseSpec
from onchip.network.partition import split_trunk
from onchip.network.spec import LearningSpec, NetworkSpec
from onchip.neurons.lif import LIF
from onchip.program.integer_layer_spec import FixedLayerSpec
from onchip.program.integer_spec import SHIFT_MAX, FixedFactor, FixedLearningSpec, FixedNetworkSpec
from onchip.program.plans import plan_plasticity
from onchip.program.schedules import make_schedule
from onchip.program.timetable import Schedule
from onchip.rules.feedback import FEEDBACKS

SATURATION = 3.0
"""Standard deviations of a fed-back signal at which g saturates."""

TYPICAL_FACTOR = 20.0
"""Root mean square of the integer factors above, where the feedback goes layer by layer: a third of
127 at the derivative's peak, half of that on average over the surrogate."""


def quantize_learning(
    spec: NetworkSpec, fixed: FixedNetworkSpec, schedule: str, seed: int
) -> FixedNetworkSpec:
    """`fixed` (integers without learning) with the learning section of `spec`, in integers."""
    learning = spec.learning
    assert learning is not None
    readout = fixed.layers[-1]
    spiking = readout.neuron.spiking
    section = FixedLearningSpec(
        learning.mode,
        learning.feedback,
        schedule,
        make_error(1.0 if spiking else readout.membrane_unit, learning.mse_weight, spec.classes),
        quantize_factors(spec, learning, fixed),
        seed,
    )
    plan = make_schedule(schedule, split_trunk(spec)[1])
    layers = _plastic_layers(
        fixed.layers, section, plan, spec.plastic_names, learning.learning_rate
    )
    return replace(fixed, layers=tuple(map(_with_bias_synapses, layers)), learning=section)


def _with_bias_synapses(layer: FixedLayerSpec) -> FixedLayerSpec:
    """A plastic layer with a bias also gets synapses of an always-on unit, at zero, to learn it."""
    if layer.bias is None or not layer.plastic:
        return layer
    changes: Any = {"bias_weight": np.zeros(len(layer.bias), np.int64)}
    return replace(layer, **changes)


def with_learning_rate(fixed: FixedNetworkSpec, learning_rate: float) -> FixedNetworkSpec:
    """The same integer network with another learning rate (in the float network's units).

    Raises ValueError for a network that does not learn and for a rate out of reach.
    """
    if fixed.learning is None:
        raise ValueError("network: it has no learning section, so no learning rate")
    plan = make_schedule(fixed.learning.schedule, split_trunk(fixed)[1])
    names = fixed.plastic_names
    return replace(
        fixed, layers=_plastic_layers(fixed.layers, fixed.learning, plan, names, learning_rate)
    )


def _plastic_layers(
    layers: Sequence[FixedLayerSpec],
    learning: FixedLearningSpec,
    plan: Schedule,
    names: Collection[str],
    learning_rate: float,
) -> tuple[FixedLayerSpec, ...]:
    """The layers, those called `names` with impulse and rate for `learning_rate`."""
    first = len(layers) - plan.depth
    found = list(layers)
    for index, layer in enumerate(layers):
        if layer.name not in names:
            continue
        with naming_layer(layer.name):
            plasticity = plan_plasticity(
                plan,
                index - first + 1,
                layer.neuron,
                learning.mode,
                learning_rate,
                layer.weight_step,
                learning.factors[layer.name].unit,
            )
        changes: Any = {"plasticity": plasticity}
        found[index] = replace(layer, **changes)
    return tuple(found)


@contextmanager
def naming_layer(name: str) -> Iterator[None]:
    """Errors of the block name the layer."""
    where = f"layer {name!r}"
    try:
        yield
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(where) else f"{where}: {text}") from None


def quantize_factors(
    spec: NetworkSpec, learning: LearningSpec, fixed: FixedNetworkSpec
) -> dict[str, FixedFactor]:
    """A `FixedFactor` for each learning layer, by name, from the readout down."""
    assert learning.feedback in FEEDBACKS
    error_unit = 1 / (TRACE_MAX * spec.time_steps)
    layers = spec.learning_layers
    integers = {layer.name: layer for layer in fixed.layers}
    factors = {layers[-1].name: _readout_factor(layers[-1], error_unit)}
    for above, layer in itertools.pairwise(reversed(layers)):
        direct = learning.feedback == "direct"
        error_sent = direct or (above is layers[-1] and not isinstance(above.neuron, LIF))
        sent_unit = error_unit if error_sent else factors[above.name].unit
        matrix, step = _feedback(layer, integers[above.name], learning.feedback_matrices)
        shift = _shift(matrix, error_sent)
        unit = 2.0**shift * step * sent_unit * _derivative_unit(layer)
        stored = None if learning.feedback == "exact" else matrix
        factors[layer.name] = FixedFactor(shift, unit, stored)
    return factors


def _readout_factor(layer: DenseSpec, error_unit: float) -> FixedFactor:
    if not isinstance(layer.neuron, LIF):
        return FixedFactor(0, error_unit)
    return FixedFactor(TRACE_BITS, 2.0**TRACE_BITS * error_unit * _derivative_unit(layer))


def _derivative_unit(layer: DenseSpec) -> float:
    """What one of the 127 integers of the derivative is worth: ds/du in the float network."""
    neuron = layer.neuron
    assert isinstance(neuron, LIF) and neuron.surrogate is not None
    with naming_layer(layer.name):
        return surrogate_peak(neuron.surrogate) / (TRACE_MAX * neuron.v_threshold)


def _feedback(
    receiver: DenseSpec, above: FixedLayerSpec, matrices: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, float]:
    """(integers [receiving, sending], what one is worth); the live transpose for 'exact'."""
    if receiver.name not in matrices:
        return above.weight.T, above.weight_step
    matrix = matrices[receiver.name]
    step = float(np.abs(matrix).max()) / WEIGHT_MAX
    if step == 0:
        raise ValueError(f"layer {receiver.name!r}: its feedback matrix is all 0")
    return round_even(matrix / step), step


def _shift(matrix: np.ndarray, error_sent: bool) -> int:
    """Bits after which three standard deviations of B x derivative are 127."""
    if error_sent:
        spread = math.sqrt(2) * TRACE_MAX * float(matrix.std(axis=1).mean())
    else:
        spread = TYPICAL_FACTOR * math.sqrt(matrix.shape[1]) * float(matrix.std())
    return min(max(0, round(math.log2(max(SATURATION * spread, 1.0)))), SHIFT_MAX)
