"""Why networks of liquid cells stay offline."""

from __future__ import annotations

from torch import nn

from onchip.models.fptt.cells import LiquidLayer

LEARNING = (
    "FPTT's running means and duals are two more signed variables a synapse than a chip's "
    "learning rule has"
)
LIQUID = "its time constants depend on the input"
CONSTANT = "each neuron has a time constant of its own, and a specification has one a layer"


def require_no_liquid_layer(model: nn.Module, task: str) -> None:
    """Raise ValueError, naming the layer and the reason, where `model` holds a `LiquidLayer`.

    `task` is what cannot be done to it, such as "describe".
    """
    for name, module in model.named_modules():
        if isinstance(module, LiquidLayer):
            why = LIQUID if module.kind.liquid else CONSTANT
            raise ValueError(
                f"{type(model).__name__}: cannot {task} layer {name or 'itself'!r} of cell "
                f"{module.cell!r}: {why}, and {LEARNING}; it stays offline, train a network of "
                "onchip.models.build_model by OTTT for deployment"
            )
