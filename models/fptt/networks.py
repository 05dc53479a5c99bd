"""Layers of liquid cells with a linear readout on the last membrane."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from onchip.models.fptt.cells import CellState, LiquidLayer

NetworkState = tuple[CellState, ...]


class BranchedLayer(nn.Module):
    """`branches` layers side by side, each with `hidden` cells and its own part of the inputs.

    The input's features are cut into as many equal parts, for a camera one of each polarity; the
    layers do not see each other. State and spikes are theirs, one after the other. Raises
    ValueError for inputs that cannot be cut so.
    """

    def __init__(self, inputs: int, hidden: int, branches: int, cell: str = "ltc") -> None:
        super().__init__()
        if branches < 1 or inputs % branches:
            raise ValueError(
                f"layer: {inputs} inputs cannot be cut into {branches} equal branches; give a "
                "number that divides them"
            )
        self.branches = nn.ModuleList(
            LiquidLayer(inputs // branches, hidden, cell) for _ in range(branches)
        )

    @property
    def offline_reason(self) -> str:
        """Why it is not deployed."""
        return str(self.branches[0].offline_reason)

    def forward(self, x: Tensor, state: CellState | None = None) -> tuple[Tensor, CellState]:
        """As `LiquidLayer`, with branches x hidden cells."""
        count = len(self.branches)
        parts = x.chunk(count, dim=2)
        states: list[Any] = [None] * count
        if state is not None:
            states = [CellState(*s) for s in zip(*(t.chunk(count, 1) for t in state), strict=True)]
        ran = [b(*given) for b, *given in zip(self.branches, parts, states, strict=True)]
        spikes = torch.cat([spikes for spikes, _ in ran], dim=2)
        after = (torch.cat(tensors, 1) for tensors in zip(*(s for _, s in ran), strict=True))
        return spikes, CellState(*after)


class LiquidNetwork(nn.Module):
    """`LiquidLayer`s in a chain, `hidden` their sizes, and a linear readout of `outputs` values.

    The readout takes the membranes of the last layer after the reset, at the end of a part; the
    other layers pass on spikes. With several `branches` the first layer is a `BranchedLayer`, of
    `hidden[0]` cells each. `settings` are the constructor's arguments.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int | Sequence[int],
        outputs: int,
        cell: str = "ltc",
        branches: int = 1,
    ) -> None:
        super().__init__()
        sizes = [hidden] if isinstance(hidden, int) else list(hidden)
        if not sizes or outputs < 1:
            raise ValueError(
                f"network: hidden {sizes} and outputs {outputs}; it needs a layer and an output"
            )
        self.settings: dict[str, Any] = {
            "inputs": inputs, "hidden": sizes, "outputs": outputs, "cell": cell,
            "branches": branches,
        }  # fmt: skip
        first: nn.Module = (
            LiquidLayer(inputs, sizes[0], cell)
            if branches == 1
            else BranchedLayer(inputs, sizes[0], branches, cell)
        )
        widths = [sizes[0] * branches, *sizes[1:]]
        above = (LiquidLayer(*pair, cell) for pair in pairwise(widths))
        self.layers = nn.ModuleList([first, *above])
        self.readout = nn.Linear(widths[-1], outputs)

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
    seed: int,
    inputs: int,
    hidden: int | Sequence[int],
    outputs: int,
    cell: str,
    branches: int = 1,
) -> LiquidNetwork:
    """A `LiquidNetwork` drawn from `seed`; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LiquidNetwork(inputs, hidden, outputs, cell, branches)
