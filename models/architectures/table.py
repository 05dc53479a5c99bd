"""Architectures by name, built from plain values, so that a checkpoint can restore them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from onchip.checks import require_choice
from onchip.models.architectures.convnet import ConvNetConfig, convnet_layers
from onchip.models.architectures.mlp import MLPConfig, mlp_layers
from onchip.models.architectures.resnet import ResNetConfig, resnet_layers
from onchip.models.architectures.vgg import VGGConfig, vgg_layers
from onchip.models.architectures.vggf import FeedbackNetwork, VGGFConfig
from onchip.models.networks.network import NetworkConfig, SpikingNetwork


class Architecture(NamedTuple):
    """Its configuration, the function that makes its layers, and the network they go into."""

    config: type[NetworkConfig]
    layers: Callable[[Any], list[Any]]
    network: type[SpikingNetwork] = SpikingNetwork


ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture(MLPConfig, mlp_layers),
    "convnet": Architecture(ConvNetConfig, convnet_layers),
    "vgg": Architecture(VGGConfig, vgg_layers),
    "vggf": Architecture(VGGFConfig, vgg_layers, FeedbackNetwork),
    "resnet34": Architecture(ResNetConfig, resnet_layers),
}
"""Architectures by name."""


def build_model(name: str, *, seed: int = 0, **options: Any) -> SpikingNetwork:
    """The network called `name`, with initial weights drawn from `seed`.

    `name` is "mlp", "convnet", "vgg", "vggf" or "resnet34", `options` are the fields of its
    configuration (`MLPConfig`, `ConvNetConfig`, `VGGConfig`, `VGGFConfig`, `ResNetConfig`); torch's
    global random state is left alone. Raises ValueError for unknown names and bad values.
    """
    require_choice("model", name, ARCHITECTURES)
    config_type, make_layers, network = ARCHITECTURES[name]
    valid = [f.name for f in dataclasses.fields(config_type) if f.init]
    for option in options:
        require_choice(f"option of model {name!r}", option, valid)
    for required in ("input_shape", "classes"):
        if required not in options:
            raise ValueError(f"model {name!r}: {required} is missing; pass the dataset's")
    config = config_type(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        plain = {key: _plain(getattr(config, key)) for key in valid}
        return network(make_layers(config), config.input_shape, config.time_steps, name, plain)


def _plain(value: object) -> object:
    """A value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value
