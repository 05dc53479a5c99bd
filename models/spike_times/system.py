"""Learning by spike times as a row of `onchip.models.systems`."""

from __future__ import annotations

from onchip.models.learning_system import LearningSystem

SPIKE_TIMES = LearningSystem(
    name="Spike times in closed form",
    learns_online=False,
    memory_grows=False,
    memory="one time a neuron, there are no steps",
    local=False,
    locality="error goes back through the weights of the layer above",
    deploys=False,
    learns_on_chip=False,
    chip="a chip goes by steps, a spike time is continuous",
    page="howto/spike_times",
)
