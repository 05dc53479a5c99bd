"""What a NIR graph keeps of a network besides NIR's own parameters: metadata as JSON.

Each node that stands for a part has the entry `onchip` in its metadata. With it a network that was
written comes back as it was, whatever the rounding of time constants.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from onchip.neurons.base import Neuron
from onchip.neurons.surrogates import Surrogate
from onchip.neurons.table import NEURONS

KEY, VERSION = "onchip", 1


def kept(values: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata of a node that hold these values."""
    return {KEY: json.dumps(values, allow_nan=False)}


def kept_in(node: Any, name: str) -> dict[str, Any]:
    """Return what a node keeps, {} for one that was written by others.

    Raises ValueError, naming the node, for what cannot be read.
    """
    metadata = getattr(node, "metadata", None)
    text = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    if text is None:
        return {}
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    try:
        values = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"NIR: node {name!r}: its metadata are damaged ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"NIR: node {name!r}: its metadata are {values!r:.40}, not named values")
    return values


def neuron_to_kept(neuron: Neuron) -> dict[str, Any]:
    """Return a neuron by its name in files and its constants."""
    name = next(name for name, kind in NEURONS.items() if type(neuron) is kind)
    return {"neuron": name, **asdict(neuron)}  # type: ignore[call-overload]


def neuron_from_kept(values: Mapping[str, Any], node: str) -> Neuron:
    """Return the neuron; ValueError, naming the node, for what is none."""
    constants = dict(values)
    kind = NEURONS.get(constants.pop("neuron", None))
    try:
        if isinstance(constants.get("surrogate"), dict):
            constants["surrogate"] = Surrogate(**constants["surrogate"])
        if kind is None:
            raise ValueError(f"neuron {values.get('neuron')!r} is unknown")
        return kind(**constants)
    except (TypeError, ValueError) as error:
        raise ValueError(f"NIR: node {node!r}: its metadata hold no neuron ({error})") from None
