"""The learning rules by the names that users choose."""

from __future__ import annotations

from dataclasses import dataclass

from onchip.objectives.base import Objective
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.feedback import GLOBAL, LOCAL, FeedbackKind


@dataclass(frozen=True)
class Preset:
    """A member of the family of three-factor rules: a row of `RULES`.

    `about` describes it in a few words; `eligibility_decay` kappa filters each synapse's
    eligibility (0: no filter); `objective`, `feedback` and `surrogate` (a name) are those that it
    is defined with, None where any of `onchip.objectives`, `FEEDBACKS` and `SURROGATES` will do.
    """

    about: str
    eligibility_decay: float = 0.0
    objective: Objective | None = None
    feedback: FeedbackKind | None = None
    surrogate: str | None = None


OTTT = "ottt"

RULES: dict[str, Preset] = {
    OTTT: Preset("online training through time: trace x derivative x error (Xiao et al. 2022)"),
    "e-prop": Preset(
        "eligibilities filtered as a leaky readout filters spikes (Bellec et al. 2020)",
        eligibility_decay=0.75,
    ),
    "superspike": Preset(
        "spike trains by van Rossum's distance, errors and eligibilities filtered alike by one "
        "exponential (Zenke and Ganguli 2018 use two)",
        eligibility_decay=0.875,
        objective=SpikeTrains(0.875),
        surrogate="fast_sigmoid",
    ),
    "reward-modulated": Preset(
        "eligibilities that wait for a reward, which all synapses hear",
        eligibility_decay=0.875,
        objective=Reward(),
        feedback=GLOBAL,
    ),
    "decolle": Preset(
        "each population learns from a fixed random readout of its own, no error leaves it (Kaiser "
        "et al. 2020)",
        feedback=LOCAL,
    ),
}
"""A rule of one's own is a row more: `with_learning(network, rule=NAME)` knows it too."""
