"""What all neuron models share: their state."""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any


class NeuronState(NamedTuple):
    """Membrane potential `u` and `spikes` of the last step, both [batch, ...]; zeros at first."""

    u: Array
    spikes: Array
