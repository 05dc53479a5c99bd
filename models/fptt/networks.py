"""Layers of liquid cells with a linear readout on the last membrane."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from onchip.models.fptt.cells import CellState, LiquidLayer

NetworkState = tuple[CellState, ...]


class LiquidNetwork(nn.Module):
    """`LiquidLayer`s in a chain, `hidden` their sizes, and a linear readout of `outputs` values.

    The readout takes the membranes of the last layer after the reset, at the end of a part; the
    other layers pass on spikes.
    """

    def __init__(
        self, inputs: int, hidden: int | Sequence[int], outputs: int, cell: str = "ltc"
    ) -> None:
        super().__init__()
        sizes = [hidden] if isinstance(hidden, int) else list(hidden)
        if not sizes or outputs < 1:
            raise ValueError(
                f"network: hidden {sizes} and outputs {outputs}; it needs a layer and an output"
            )
        before = [inputs, *sizes[:-1]]
        self.layers = nn.ModuleList(
            LiquidLayer(n, size, cell) for n, size in zip(before, sizes, strict=True)
        )
        self.readout = nn.Linear(sizes[-1], outputs)

    @property
    def offline_reason(self) -> str:
        """Why it is not deployed."""
        return f"'layers.0', {self.layers[0].offline_reason}"

    def forward(self, x: Tensor, state: NetworkState | None = None) -> tuple[Tensor, NetworkState]:
        """Outputs [batch, outputs] and the state after a part `x` [steps, batch, inputs]."""
        states = (None,) * len(self.layers) if state is None else state
        after = []
        for layer, before in zip(self.layers, states, strict=True):
            x, last = layer(x, before)
            after.append(last)
        return self.readout(after[-1].u), tuple(after)


def parameter_count(module: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def seeded_network(
    seed: int, inputs: int, hidden: int | Sequence[int], outputs: int, cell: str
) -> LiquidNetwork:
    """A `LiquidNetwork` drawn from `seed`; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LiquidNetwork(inputs, hidden, outputs, cell)
