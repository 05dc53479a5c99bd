"""A specification holds a chain of layers: which networks are more than that, and why."""

from __future__ import annotations

from onchip.models.architectures.resnet import ResidualBlock
from onchip.models.architectures.vggf import FeedbackNetwork
from onchip.models.networks.layers import SpikingLayer
from onchip.models.networks.network import SpikingNetwork


def require_chain(model: SpikingNetwork, task: str) -> None:
    """Raise ValueError, naming the module, unless the network is a chain of `SpikingLayer`.

    `task` is what cannot be done to it, such as "describe".
    """
    if isinstance(model, FeedbackNetwork):
        source, target = (model.layers[i].name for i in (model.path.source, model.path.target))
        raise ValueError(
            f"layer {model.path.name!r}: cannot {task} the connection from {source!r} back to "
            f"{target!r}: a specification is a chain of layers; train a 'vgg' for deployment"
        )
    for layer in model.layers:
        if isinstance(layer, ResidualBlock):
            raise ValueError(
                f"layer {layer.name!r}: cannot {task} ResidualBlock: what its skip connection "
                "adds has no place in a chain of layers; train a 'vgg' for deployment"
            )
        if not isinstance(layer, SpikingLayer):
            raise ValueError(
                f"layer {getattr(layer, 'name', '?')!r}: cannot {task} {type(layer).__name__}; "
                "it must be a SpikingLayer"
            )
