"""The objectives by name."""

from __future__ import annotations

from onchip.objectives.base import Objective
from onchip.objectives.classification import Classification
from onchip.objectives.integer_classification import IntegerClassification
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains

OBJECTIVES: dict[str, type[Objective]] = {
    "classification": Classification,
    "regression": Regression,
    "reward": Reward,
    "spike_trains": SpikeTrains,
    "integer_classification": IntegerClassification,
}
"""An objective of one's own is a row more; its name is what files know it by."""
