"""OTTT in its two modes with the four feedbacks, and BPTT, as rows of `onchip.models.systems`."""

from __future__ import annotations

from onchip.models.learning_system import LearningSystem
from onchip.rules.feedback import FEEDBACKS

MODES = {"OTTT_A": "ottt_a", "OTTT_O": "ottt_o"}
"""Name of the rule -> the trainer's method."""

_LOCALITY = {
    "exact": "reads the weights of the layer above",
    "symmetric": "synapses back are copies of the weights, made once",
    "random": "fixed random synapses back, layer by layer",
    "direct": "fixed random synapses from the output",
}


_EXACT_ON_CHIP = "no synapse can read another's weight"


def _ottt(name: str, method: str, feedback: str) -> LearningSystem:
    live = feedback == "exact"
    return LearningSystem(
        name=f"{name}, {feedback} feedback",
        learns_online=True,
        memory_grows=False,
        memory="a trace of every input",
        local=not live,
        locality=_LOCALITY[feedback],
        deploys=True,
        learns_on_chip=not live,
        chip="no synapse can read another's weight"
        if live
        else "dense layers; convolutions frozen",
        page="concepts",
    )


OTTT = tuple(
    _ottt(name, method, feedback) for name, method in MODES.items() for feedback in FEEDBACKS
)

BPTT = LearningSystem(
    name="BPTT with surrogates",
    learns_online=False,
    memory_grows=True,
    memory="every step's graph",
    local=False,
    locality="error goes back through time",
    deploys=True,
    learns_on_chip=False,
    chip="a chip keeps no history; after deployment OTTT goes on",
    page="concepts",
)
