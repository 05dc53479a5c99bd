"""Objectives in integers: one function for each kind in floating point."""

from __future__ import annotations

from collections.abc import Callable

from onchip.arithmetic.integer_softmax import make_error
from onchip.arithmetic.loihi import TRACE_MAX, quantize_decay
from onchip.objectives.base import Objective
from onchip.objectives.classification import Classification
from onchip.objectives.integer_base import IntegerObjective
from onchip.objectives.integer_classification import IntegerClassification
from onchip.objectives.integer_regression import IntegerRegression
from onchip.objectives.integer_reward import IntegerReward
from onchip.objectives.integer_spike_trains import IntegerSpikeTrains
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains

REACH = 4.0
"""Filtered difference of spike trains, in spikes, at which the error saturates."""


def integer_objective(
    objective: Objective, output_unit: float, spiking: bool, outputs: int
) -> IntegerObjective:
    """Return the integer form of an objective of outputs worth `output_unit` an integer.

    Outputs of neurons that are `spiking` are 0 and 1. Raises ValueError, naming it, for an
    objective without an integer form.
    """
    make = INTEGER_OBJECTIVES.get(type(objective))
    if make is None:
        known = ", ".join(kind.__name__ for kind in INTEGER_OBJECTIVES)
        raise ValueError(
            f"network: objective {type(objective).__name__} has no integer form; use one of "
            f"{known}, or floating point"
        )
    return make(objective, 1.0 if spiking else output_unit, spiking, outputs)


def _classification(
    objective: Classification, unit: float, spiking: bool, outputs: int
) -> IntegerClassification:
    return IntegerClassification(make_error(unit, objective.mse_weight, outputs))


def _regression(
    objective: Regression, unit: float, spiking: bool, outputs: int
) -> IntegerRegression:
    return IntegerRegression(unit, TRACE_MAX if spiking else 1)


def _spike_trains(
    objective: SpikeTrains, unit: float, spiking: bool, outputs: int
) -> IntegerSpikeTrains:
    decay = quantize_decay(objective.decay).realised if objective.decay else 0.0
    return IntegerSpikeTrains(min(decay, 4095 / 4096), REACH)


def _reward(objective: Reward, unit: float, spiking: bool, outputs: int) -> IntegerReward:
    return IntegerReward()


INTEGER_OBJECTIVES: dict[type[Objective], Callable[..., IntegerObjective]] = {
    Classification: _classification,
    Regression: _regression,
    SpikeTrains: _spike_trains,
    Reward: _reward,
}
"""An objective of one's own is a row more: (objective, output unit, spiking, outputs) to its
integer form."""
