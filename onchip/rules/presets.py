"""The learning rules by the names that users choose."""

from __future__ import annotations

from dataclasses import dataclass

from onchip.objectives.base import Objective
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.current_box import CurrentBox
from onchip.rules.eligibility import Eligibility
from onchip.rules.feedback import FEEDBACKS, GLOBAL, LOCAL, FeedbackKind
from onchip.rules.filtered import DoubleFiltered, Filtered, Instantaneous
from onchip.rules.recursive import Adaptive, ThroughReset


@dataclass(frozen=True)
class Preset:
    """A member of the family of three-factor rules: a row of `RULES`.

    `about` describes it in a few words; `eligibility_decay` kappa filters each synapse's
    eligibility (0: no filter); `objective`, `feedback` and `surrogate` (a name) are those that it
    is defined with, None where any of `onchip.objectives`, `FEEDBACKS` and `SURROGATES` will do;
    `eligibility` is another one than that filter.
    """

    about: str
    eligibility_decay: float = 0.0
    objective: Objective | None = None
    feedback: FeedbackKind | None = None
    surrogate: str | None = None
    eligibility: Eligibility | None = None

    @property
    def kind(self) -> Eligibility:
        """The eligibility, whichever way it is given."""
        if self.eligibility is not None:
            return self.eligibility
        return Filtered(self.eligibility_decay) if self.eligibility_decay else Instantaneous()


OTTT = "ottt"

RULES: dict[str, Preset] = {
    OTTT: Preset("online training through time: trace x derivative x error (Xiao et al. 2022)"),
    "e-prop": Preset(
        "eligibilities filtered as a leaky readout filters spikes, with a second one for the "
        "threshold of adaptive neurons (Bellec et al. 2020)",
        eligibility=Adaptive(0.75),
    ),
    "superspike": Preset(
        "spike trains by van Rossum's distance, errors and eligibilities filtered alike by one "
        "exponential (Zenke and Ganguli 2018 use two)",
        eligibility_decay=0.875,
        objective=SpikeTrains(0.875),
        surrogate="fast_sigmoid",
    ),
    "superspike-double": Preset(
        "superspike as it is published, errors and eligibilities filtered by two exponentials of 5 "
        "and 10 steps (Zenke and Ganguli 2018)",
        objective=SpikeTrains(0.8125, 0.90625),
        surrogate="fast_sigmoid",
        eligibility=DoubleFiltered(0.8125, 0.90625),
    ),
    "diagonal-rtrl": Preset(
        "real-time recurrent learning by each neuron's own past, through its reset too",
        eligibility=ThroughReset(),
    ),
    "erbp": Preset(
        "event-driven random backpropagation: spikes, a box on the current, no trace "
        "(Neftci et al. 2017)",
        feedback=FEEDBACKS["direct"],
        eligibility=CurrentBox(),
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
