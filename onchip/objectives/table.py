"""The objectives by name."""

from __future__ import annotations

from onchip.objectives.base import Objective
from onchip.objectives.classification import Classification
from onchip.objectives.integer_classification import IntegerClassification
from onchip.objectives.integer_regression import IntegerRegression
from onchip.objectives.integer_reward import IntegerReward
from onchip.objectives.integer_spike_trains import IntegerSpikeTrains
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains

OBJECTIVES: dict[str, type[Objective]] = {
    "classification": Classification,
    "regression": Regression,
    "reward": Reward,
    "spike_trains": SpikeTrains,
    "integer_classification": IntegerClassification,
    "integer_regression": IntegerRegression,
    "integer_reward": IntegerReward,
    "integer_spike_trains": IntegerSpikeTrains,
}
"""An objective of one's own is a row more; its name is what files know it by."""
