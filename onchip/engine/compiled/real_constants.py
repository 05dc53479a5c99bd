"""The constants of the kernels of floating point, read from a program."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    CLASSES,
    DERIVATIVE,
    DISTANCE,
    FAST_SIGMOID,
    FILTERS_CURRENT,
    MODEL,
    ONE_FILTER,
    PLAIN,
    PLASTIC,
    RAISES_THRESHOLD,
    RECTANGLE,
    REWARD,
    SIGMOID,
    SUMMED,
    TRIANGLE,
    TWO_FILTERS,
    WINDOW,
)
from onchip.engine.compiled.kept_rules import keeps
from onchip.engine.compiled.maps import sending
from onchip.engine.compiled.real_layout import RealConstants
from onchip.engine.compiled.rooms import placed
from onchip.engine.compiled.wiring import Parts, Wiring, size_of, wire
from onchip.network.transforms import Dense
from onchip.neurons.alif import ALIF
from onchip.neurons.cuba import CuBa
from onchip.objectives.classification import Classification
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.program.program import Neurons, Program

Array = np.ndarray

SMALLEST_POWER = {"float64": 1e-4, "float32": 1e-2}
"""The least lambda^R: sums of factors start anew after R steps, before their digits are lost."""

MOST_STEPS = 32
"""Steps after which they start anew in any case: the sums should stay in a processor's cache."""

NOTHING_LEFT = 1e-20
"""A trace below this, or below this share of the largest input value, is taken for zero."""

DERIVATIVES = {
    "sigmoid": SIGMOID,
    "rectangle": RECTANGLE,
    "triangle": TRIANGLE,
    "fast_sigmoid": FAST_SIGMOID,
}

MODELS: dict[type, int] = {CuBa: FILTERS_CURRENT, ALIF: RAISES_THRESHOLD}

OBJECTIVES: dict[type, int] = {Classification: CLASSES, Regression: DISTANCE, Reward: REWARD}


def real_wiring(program: Program, parts: Parts, dtype: np.dtype) -> Wiring:
    """Return the tables of a program in floating point."""
    wiring = wire(parts)
    learning: Any = program.graph.learning
    for row, population in zip(wiring.populations, parts.populations, strict=True):
        neuron = _computes(population).neuron
        row[MODEL] = MODELS.get(type(neuron), PLAIN)
        if not parts.stages:  # nothing learns
            row[WINDOW] = 1
            continue
        surrogate = getattr(neuron, "surrogate", None)
        row[DERIVATIVE] = 0 if surrogate is None else DERIVATIVES[surrogate.name]
        row[WINDOW] = max(1, _window(neuron.decay, dtype) - learning.update_delay)
        row[SUMMED] = any(
            s.target == population.name and s.plastic and type(s.transform) is Dense
            for s in parts.synapses
            if not keeps(s)
        )
    for row, synapses in zip(wiring.connections, parts.synapses, strict=True):
        if keeps(synapses):
            row[PLASTIC] = 0  # `kept_samples` learns them
    return wiring


def real_constants(program: Program, parts: Parts, wiring: Wiring, dtype: Any) -> RealConstants:
    """Return everything else that kernels need to know of a program in floating point."""
    learning: Any = program.graph.learning if parts.stages else None
    online = learning is not None and learning.mode == "online"
    powers = _powers(parts, wiring)
    rates = [0.0 if s.rule is None else s.rule.learning_rate for s in parts.synapses]
    kind, mse_weight, filters = _objective(learning)
    numbers = (mse_weight, program.graph.time_steps, NOTHING_LEFT, *filters)
    matrices = [sending(f) for f in parts.feeds]
    biases = [_bias(population) for population in parts.populations]
    # Where one step leaves next to nothing, its inverse overflows and is never used.
    with np.errstate(over="ignore", divide="ignore"):
        arrays: Any = (
            [_neuron(population) for population in parts.populations],
            powers,
            1 / powers,
            placed(biases, dtype),
            rates,
            placed(matrices, dtype),
            numbers,
        )
        real: Any = [np.asarray(values, dtype) for values in arrays]
    facts = (online, learning.update_delay if online else 0, kind)
    return RealConstants(*(*real, np.array(facts, np.int64)))


def reason_against_reals(parts: Parts) -> str | None:
    """Return why the kernels of floating point cannot compute a program; None if they can."""
    for population in parts.populations:
        surrogate = getattr(_computes(population).neuron, "surrogate", None)
        if surrogate is not None and surrogate.name not in DERIVATIVES:
            return f"population {population.name!r}: surrogate {surrogate.name!r} has no kernel"
    return None


def _computes(population: Neurons) -> Any:
    return population.computes


def _objective(learning: Any) -> tuple[int, float, tuple[float, float]]:
    """The objective's kind, the weight of the squared error, and the decays of its filters."""
    if learning is None:  # nothing asks
        return CLASSES, 0.0, (0.0, 0.0)
    objective = learning.objective
    if isinstance(objective, SpikeTrains):
        second = objective.second_decay
        kind = ONE_FILTER if second is None else TWO_FILTERS
        return kind, 0.0, (objective.decay, 0.0 if second is None else second)
    return OBJECTIVES[type(objective)], getattr(objective, "mse_weight", 0.0), (0.0, 0.0)


def _neuron(population: Neurons) -> tuple[float, ...]:
    """Decay, threshold, the surrogate's parameter, and decay and strength of a model."""
    neuron = _computes(population).neuron
    surrogate = getattr(neuron, "surrogate", None)
    parameter = 1.0 if surrogate is None else float(surrogate.parameter)
    strength, second = neuron.threshold_adaptation or (0.0, neuron.input_decay)
    threshold = float(getattr(neuron, "v_threshold", 1.0))
    return neuron.decay, threshold, parameter, second, strength


def _bias(population: Neurons) -> Array:
    bias = _computes(population).bias
    if bias is None:
        return np.zeros(size_of(population))
    return np.broadcast_to(bias, population.shape).ravel()


def _powers(parts: Parts, wiring: Wiring) -> Array:
    """lambda^k [P, window + 3] of each population, to its own window."""
    decays = np.array([[_computes(p).neuron.decay] for p in parts.populations])
    windows = wiring.populations[:, WINDOW : WINDOW + 1]
    exponents = np.minimum(np.arange(windows.max() + 3), windows + 2)
    powers: Array = decays**exponents
    return powers


def _window(decay: float, dtype: np.dtype) -> int:
    """R: the steps after which sums of factors start anew."""
    smallest, steps = SMALLEST_POWER[dtype.name], 1
    while steps < MOST_STEPS and decay ** (steps + 1) >= smallest:
        steps += 1
    return steps
