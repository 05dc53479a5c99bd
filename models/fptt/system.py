"""FPTT as a row of `onchip.models.systems`."""

from __future__ import annotations

from onchip.models.learning_system import LearningSystem

FPTT_LTC = LearningSystem(
    name="FPTT, liquid time constants",
    learns_online=False,
    memory_grows=False,
    memory="one part of the sequence",
    local=False,
    locality="error goes back through the steps of a part",
    deploys=False,
    learns_on_chip=False,
    chip="time constants depend on input; a mean and a dual a synapse",
    page="howto/fptt",
)
