"""What changes while a graph runs in torch, beside the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from torch import Tensor

from onchip.models.torch_synapses import TorchSynapses
from onchip.network.graph import Network


class TorchState:
    """What a batch of samples begins with: resting neurons, no spikes, empty traces.

    `spikes` [batch, *shape] are those of the last step and `neurons` the states, by population;
    `memory` is what the objective remembers of each readout.
    """

    def __init__(
        self,
        network: Network,
        synapses: Iterable[TorchSynapses],
        batch: int,
        tensor: Callable[[np.ndarray], Tensor],
    ) -> None:
        zeros = {p.name: tensor(np.zeros((batch, *p.shape))) for p in network.populations}
        self.spikes = zeros
        self.neurons = {p.name: p.neuron.start(zeros[p.name]) for p in network.populations}
        self.memory: dict[str, Any] = {}
        for group in synapses:
            group.reset(batch)
