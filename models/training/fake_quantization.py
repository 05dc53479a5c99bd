"""Training on the integers' grid: the forward pass sees the weights that a chip will hold.

A layer of the integer network holds q step for even integers q in -254..254. That is the grid of
the *folded* weight: `onchip.models.description` multiplies a layer's plain weight by the scale of
the layer before it and, where that one ends in an average pool of side k, copies it to k x k taps
of 1/k^2. All copies round alike, so the plain weight has the grid of `step` / fold, fold = scale /
k^2. What the layer itself receives, R s_own, passes neither scale nor pool: its fold is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from onchip.checks import require_between, require_choice
from onchip.models.chain import require_chain
from onchip.models.networks.layers import Connection, SpikingLayer
from onchip.models.networks.network import SpikingNetwork

LEVELS = 127
"""Levels on each side of zero: the even integers up to 254."""


@dataclass(frozen=True)
class WeightGrid:
    """w' = spacing clip(round(w / spacing), -127, 127), ties to even; the gradient passes through.

    dL/dw = dL/dw' where w rounds to a level, and 0 where it is clipped. `spacing` > 0 is that of
    two even integers, in the unit of w (2 step / fold).
    """

    spacing: float

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("weight grid: spacing", self.spacing, 0, 1e30, open_low=True)

    def __call__(self, weight: Tensor) -> Tensor:
        """`weight` of any shape on the grid."""
        return torch.fake_quantize_per_tensor_affine(weight, self.spacing, 0, -LEVELS, LEVELS)


def put_on_grid(model: SpikingNetwork, steps: Mapping[str, float]) -> None:
    """Show every weight of `model` on the grid of `steps`, until `take_off_grid`.

    `steps`: layer name -> what one integer of its folded weights is worth, in the unit of the
    threshold (`weight_step` of the integer layer). The parameters stay as they are: training moves
    them, `describe_model` writes what is on the grid, a checkpoint keeps what is not. Raises
    ValueError for a layer without a step, a step without a layer, a step that is not positive, and
    for a network that cannot become integers: 'vggf' and 'resnet34' are no chains of layers.
    """
    require_chain(model, "put on the integers' grid")
    names = [layer.name for layer in model.layers]
    for name, step in steps.items():
        require_choice("weight steps: layer", name, names)
        require_between(f"layer {name!r}: weight step", step, 0, 1e30, open_low=True)
    if missing := [name for name in names if name not in steps]:
        raise ValueError(
            f"layer {missing[0]!r}: it has no weight step; take the steps from the integer network "
            f"of this model, layers {', '.join(names)}"
        )
    for layer, connection, fold in _connections(model):
        connection.weight_transform = WeightGrid(2 * steps[layer.name] / fold)


def take_off_grid(model: SpikingNetwork) -> None:
    """Show the weights as they are again."""
    for module in model.modules():
        if isinstance(module, Connection):
            module.weight_transform = None


def _connections(model: SpikingNetwork) -> Iterator[tuple[SpikingLayer, Connection, float]]:
    """(layer, connection, its fold) of all connections."""
    fold = 1.0
    for layer in model.layers:
        yield layer, layer.connection, fold
        if layer.recurrent is not None:
            yield layer, layer.recurrent, 1.0
        fold = layer.scale / layer.pool**2
