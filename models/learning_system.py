"""What a learning system needs and where it runs, as data: a row of `onchip.models.systems`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LearningSystem:
    """One way to learn, told by its limits; all of them train offline.

    `learns_online`: sample by sample in Lava, after deployment. `memory_grows`: training's memory
    grows with the number of time steps. `local`: an update of a synapse needs nothing but the
    state of its own two neurons and an error that arrives through synapses. `deploys`: a trained
    network becomes a `NetworkSpec` or a `Network`: floats, integers and Lava. `learns_on_chip`:
    `onchip check` finds nothing of the learning that Loihi 2 cannot hold (nothing has run on one).
    `memory`, `locality` and `chip` say why, each in a few words; `page` is the documentation's.
    """

    name: str
    learns_online: bool
    memory_grows: bool
    memory: str
    local: bool
    locality: str
    deploys: bool
    learns_on_chip: bool
    chip: str
    page: str
