"""The spiking phase of synapses in two halves: they send what came a step before, then receive.

The runtime in one OS process calls the halves one by one: nobody waits for the first. A mixin, to
be named before Lava's base class; its `self: Any` stands for the process model.
"""

from __future__ import annotations

from typing import Any


class SpikeHalves:
    """`run_spk` of a model that implements `run_spk_receiving`, which fills `_buffer`."""

    def run_spk(self: Any) -> None:
        """Send what the last step gave; take what comes now: a delay of one step."""
        self.run_spk_sending()
        self.run_spk_receiving()

    def run_spk_sending(self: Any) -> None:
        """The first half of `run_spk`, which waits for nobody."""
        self.a_out.send(self._buffer)
