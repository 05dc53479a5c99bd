"""A network of dense layers of neurons that fire at most once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from onchip.checks import require_between
from onchip.models.spike_times.closed_form import spike_times_z
from onchip.models.spike_times.times import require_time_constant, to_times, to_z


class SpikeTimeNetwork(nn.Module):
    """Dense layers from input to output, in double precision; the first output to fire wins.

    `sizes` are the numbers of neurons, inputs first; `time_constant` is the synapses', in the unit
    of the input's times. The weights [post, pre] are uniform in (1 +- `spread`) `gain` / pre, drawn
    by `seed`. Their sum is `gain` on average, over the threshold, so that neurons fire; a spread
    below 1 lets every input count at every neuron, and so keeps neurons from firing too late to
    have a gradient. Double precision, because 1 / (sum w - 1) grows without bound as the sum nears
    the threshold. Raises ValueError for fewer than two sizes, sizes below 1 and other values out
    of range.
    """

    offline_reason = (
        "neurons whose state is one continuous spike time: a chip and a NetworkSpec go by steps; "
        "it stays offline, run it with onchip.models.spike_times.events or train a network of "
        "onchip.models.build_model by OTTT for deployment"
    )
    """Why it is not deployed; `onchip.models.describe_model` and `onchip.deploy` say it."""

    def __init__(
        self,
        sizes: Sequence[int],
        time_constant: float = 1.0,
        gain: float = 3.0,
        spread: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = tuple(int(size) for size in sizes)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"SpikeTimeNetwork: sizes {sizes}: give two or more, each at least 1")
        require_time_constant(time_constant)
        require_between("SpikeTimeNetwork: gain", gain, 0, 1e3, open_low=True)
        require_between("SpikeTimeNetwork: spread", spread, 0, 1)
        require_between("SpikeTimeNetwork: seed", seed, 0, 2**63 - 1)
        self.sizes, self.time_constant = sizes, float(time_constant)
        rng = np.random.default_rng(seed)
        low, high = gain * (1 - spread), gain * (1 + spread)
        drawn = (rng.uniform(low / n, high / n, (m, n)) for n, m in pairwise(sizes))
        self.weights = nn.ParameterList(nn.Parameter(torch.from_numpy(w)) for w in drawn)

    def forward(self, z: Tensor) -> Tensor:
        """Outputs z [batch, outputs] of inputs z = exp(t / time constant) [batch, inputs]."""
        return self.layers(z)[-1]

    def layers(self, z: Tensor) -> list[Tensor]:
        """The z [batch, size] of every layer, without the input's."""
        found = []
        for weight in self.weights:
            z = spike_times_z(z, weight)
            found.append(z)
        return found

    def run(self, times: np.ndarray) -> list[np.ndarray]:
        """Spike times [batch, size] of every layer for input times [batch, inputs].

        Infinity is "never". Raises ValueError for another shape and for times out of range.
        """
        z = torch.from_numpy(self.checked_z(times))
        with torch.no_grad():
            return [to_times(layer.numpy(), self.time_constant) for layer in self.layers(z)]

    def checked_z(self, times: np.ndarray) -> np.ndarray:
        """The inputs' z [batch, inputs]; ValueError for another shape or times out of range."""
        z = to_z(times, self.time_constant)
        if z.ndim != 2 or z.shape[1] != self.sizes[0]:
            raise ValueError(
                f"SpikeTimeNetwork: input times have shape {z.shape}; "
                f"they must be [batch, {self.sizes[0]}]"
            )
        return z

    def arrays(self) -> list[np.ndarray]:
        """Copies of the weights [post, pre], from input to output."""
        return [weight.detach().numpy().copy() for weight in self.weights]


def first_to_fire(times: np.ndarray) -> np.ndarray:
    """Index [batch] of each sample's first output of `times` [batch, outputs]; -1: none fires."""
    return np.where(np.isfinite(times).any(axis=1), np.argmin(times, axis=1), -1)
