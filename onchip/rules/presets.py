"""The learning rules by the names that users choose."""

from __future__ import annotations

from dataclasses import dataclass

from onchip.objectives.base import Objective
from onchip.rules.feedback import FeedbackKind


@dataclass(frozen=True)
class Preset:
    """A member of the family of three-factor rules: a row of `RULES`.

    `about` describes it in a few words; `eligibility_decay` kappa filters each synapse's
    eligibility (0: no filter); `objective` and `feedback` are those that it is defined with, None
    where any of `onchip.objectives` and of `FEEDBACKS` will do.
    """

    about: str
    eligibility_decay: float = 0.0
    objective: Objective | None = None
    feedback: FeedbackKind | None = None


OTTT = "ottt"

RULES: dict[str, Preset] = {
    OTTT: Preset("online training through time: trace x derivative x error (Xiao et al. 2022)"),
    "e-prop": Preset(
        "eligibilities filtered as a leaky readout filters spikes (Bellec et al. 2020)",
        eligibility_decay=0.75,
    ),
}
"""A rule of one's own is a row more: `with_learning(network, rule=NAME)` knows it too."""
