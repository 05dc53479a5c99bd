"""Architectures by name, built from plain values, so that a checkpoint can restore them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from models.convnet import ConvNetConfig, convnet_layers
from models.layers import SpikingLayer
from models.mlp import MLPConfig, mlp_layers
from models.network import NetworkConfig, SpikingNetwork
from onchip.checks import require_choice

Builder = Callable[[Any], list[SpikingLayer]]

ARCHITECTURES: dict[str, tuple[type[NetworkConfig], Builder]] = {
    "mlp": (MLPConfig, mlp_layers),
    "convnet": (ConvNetConfig, convnet_layers),
}
"""Name -> (its configuration, the function that makes its layers)."""


def build_model(name: str, *, seed: int = 0, **options: Any) -> SpikingNetwork:
    """The network called `name` ("mlp", "convnet"), with initial weights drawn from `seed`.

    `options` are the fields of its configuration (`MLPConfig`, `ConvNetConfig`); torch's global
    random state is left alone. Raises ValueError for unknown names and bad values.
    """
    require_choice("model", name, ARCHITECTURES)
    config_type, make_layers = ARCHITECTURES[name]
    valid = [f.name for f in dataclasses.fields(config_type) if f.init]
    for option in options:
        require_choice(f"option of model {name!r}", option, valid)
    for required in ("input_shape", "classes"):
        if required not in options:
            raise ValueError(f"model {name!r}: {required} is missing; pass the dataset's")
    config = config_type(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = make_layers(config)
    plain = {key: _plain(getattr(config, key)) for key in valid}
    return SpikingNetwork(layers, config.input_shape, config.time_steps, name, plain)


def _plain(value: object) -> object:
    """A value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value
