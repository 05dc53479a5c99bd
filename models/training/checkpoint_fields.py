"""What the fields of a checkpoint must be, and whether its weights are those of a network."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

FIELDS: dict[str, type] = {
    "architecture": str,
    "architecture_config": dict,
    "training": dict,
    "epoch": int,
    "model": dict,
    "optimizer": dict,
    "feedback": dict,
    "random_state": Tensor,
    "history": list,
    "metadata": dict,
}
"""Type of each field; of those that the file keeps as JSON, what the text says."""


def check_fields(content: Mapping[str, Any], texts: Collection[str]) -> dict[str, Any]:
    """The fields by name, those of `texts` read from JSON; ValueError naming what is wrong."""
    missing, unknown = FIELDS.keys() - content.keys(), content.keys() - FIELDS.keys()
    if missing or unknown:
        found = [f"{name!r:.60} is missing" for name in sorted(missing)]
        found += [f"{name!r:.60} is unknown" for name in sorted(map(str, unknown))]
        raise ValueError(f"field {', '.join(found)}")
    fields = {
        name: _read(name, value) if name in texts else value for name, value in content.items()
    }
    for name, kind in FIELDS.items():
        if not isinstance(fields[name], kind) or isinstance(fields[name], bool):
            raise ValueError(
                f"field {name!r} is {_shown(fields[name])}; it must be {kind.__name__}"
            )
    for name in ("model", "feedback"):
        if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in fields[name].items()):
            raise ValueError(f"field {name!r} must hold tensors by name")
    if not fields["model"]:
        raise ValueError("field 'model' holds no tensors")
    if not all(isinstance(entry, dict) for entry in fields["history"]):
        raise ValueError("field 'history' must hold an entry for each epoch")
    if fields["epoch"] < 0 or fields["epoch"] != len(fields["history"]):
        raise ValueError(
            f"field 'epoch' is {fields['epoch']}, but the history has {len(fields['history'])}"
        )
    if fields["random_state"].dtype != torch.uint8:
        raise ValueError("field 'random_state' must hold bytes")
    return fields


def require_fitting(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Raise ValueError, naming the layer, unless `weights` are those of `model`."""
    own = model.state_dict()
    layers = {f"layers.{index}.": layer.name for index, layer in _named_layers(model)}
    if hasattr(model, "path"):
        layers["path."] = model.path.name
    for name in sorted(own.keys() | weights.keys()):
        label = _label(name, layers)
        if name not in weights or name not in own:
            state = "is missing" if name not in weights else "is not of this network"
            raise ValueError(f"{source}: {label} {state}; take the checkpoint of this network")
        ours, theirs = tuple(own[name].shape), tuple(weights[name].shape)
        if ours != theirs:
            raise ValueError(
                f"{source}: {label} has shape {theirs}, the network needs {ours}; "
                "take the checkpoint of this network"
            )


def _label(name: str, layers: Mapping[str, str]) -> str:
    """A weight's name as a user knows it, such as `layer 'fc1': weight`."""
    for prefix, layer in layers.items():
        if name.startswith(prefix):
            return f"layer {layer!r}: {name.removeprefix(prefix).removeprefix('connection.')}"
    return f"weight {name!r:.60}"


def _named_layers(model: nn.Module) -> list[tuple[int, Any]]:
    layers = getattr(model, "layers", ())
    return [(index, layer) for index, layer in enumerate(layers) if hasattr(layer, "name")]


def _read(name: str, text: object) -> Any:
    if not isinstance(text, str):
        raise ValueError(f"field {name!r} is {_shown(text)}; it must be JSON text")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"field {name!r} is not JSON ({error})") from None


def _shown(value: object) -> str:
    return (
        f"a {type(value).__name__}" if isinstance(value, (Tensor, dict, list)) else f"{value!r:.60}"
    )
