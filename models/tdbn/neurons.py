"""LIF neurons with hard reset over all steps of a sample, trained by backpropagation through time.

    u[n] = tau u[n-1] (1 - s[n-1]) + I[n],    s[n] = 1 if u[n] >= Vth else 0

The derivative of a spike is 1 / (2 a) where |u - Vth| < a, else 0. Gradients pass through the
reset, too. The published equations fire at u > Vth; here, as everywhere in this package, at >=.
Sources: Wu et al. 2018 (STBP); Zheng et al. 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onchip.checks import require_between
from onchip.models.networks.attributes import Declared
from onchip.models.networks.layers import neuron_step
from onchip.neurons.base import NeuronState
from onchip.neurons.lif import LIF
from onchip.neurons.surrogates import Surrogate


def rectangle_lif(decay: float, v_threshold: float, half_width: float) -> LIF:
    """The neuron, its surrogate's half width a in units of the membrane.

    `onchip.neurons.surrogates.rectangle` counts its whole width in thresholds: 2 a / Vth. Raises
    ValueError for values out of range.
    """
    require_between("neurons: v_threshold", v_threshold, 0, 1e9, open_low=True)
    require_between("neurons: half_width", half_width, 0, 1e6, open_low=True)
    surrogate = Surrogate("rectangle", 2 * half_width / v_threshold)
    return LIF(decay, v_threshold, "hard", surrogate)


class LIFLayer(Declared, nn.Module):
    """Neurons that see a whole sample: currents [T, batch, ...] -> spikes of that shape."""

    def __init__(self, neuron: LIF) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, currents: Tensor) -> Tensor:
        """Spikes, from membranes at rest."""
        rest = torch.zeros_like(currents[0])
        state, spikes = NeuronState(rest, rest), []
        for current in currents:
            fired, state = neuron_step(current, state, self.neuron)
            spikes.append(fired)
        return torch.stack(spikes)
