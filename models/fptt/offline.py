"""Why networks of liquid cells stay offline.

A module that must not be deployed says so in an attribute `offline_reason`; `describe` and
`onchip.deploy` refuse whatever has one, in its words.
"""

from __future__ import annotations

from torch import nn

_LEARNING = (
    "FPTT's running means and duals are two more signed variables a synapse than a chip's "
    "learning rule has"
)
_LIQUID = "its time constants depend on the input"
_CONSTANT = "each neuron has a time constant of its own, and a specification has one a layer"
_REMEDY = "it stays offline, train a network of onchip.models.build_model by OTTT for deployment"


def offline_reason(cell: str, liquid: bool) -> str:
    """Why a layer of `cell` is not deployed, and what to do instead, in one line."""
    why = _LIQUID if liquid else _CONSTANT
    return f"a layer of cell {cell!r}: {why}, and {_LEARNING}; {_REMEDY}"


def require_deployable(model: nn.Module, task: str) -> None:
    """Raise ValueError where `model`, or a module in it, has an `offline_reason`.

    `task` is what cannot be done to it, such as "describe".
    """
    for name, module in model.named_modules():
        reason = getattr(module, "offline_reason", None)
        if reason is not None:
            where = f"{name!r}, " if name else ""
            raise ValueError(f"{type(model).__name__}: cannot {task} {where}{reason}")
