"""Residual networks with tdBN as a row of `onchip.models.systems`."""

from __future__ import annotations

from onchip.models.learning_system import LearningSystem

TDBN = LearningSystem(
    name="STBP with tdBN",
    learns_online=False,
    memory_grows=True,
    memory="every step's graph",
    local=False,
    locality="error goes back through time, statistics over all steps",
    deploys=True,
    learns_on_chip=False,
    chip="after deployment OTTT goes on in its dense layers",
    page="howto/tdbn",
)
