"""From a trained network to what is deployed: plain float64 weights, nothing left of torch.

A chain of layers becomes an `onchip.NetworkSpec`, everything else an `onchip.Network`: a residual
sum is a second connection into a population, feedback from above a connection of delay 1.
`onchip.models.describing` has the folding of what lies between two layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from onchip.models.architectures.resnet import ResidualBlock
from onchip.models.architectures.vggf import FeedbackNetwork
from onchip.models.describing.feedback import describe_feedback
from onchip.models.describing.layers import describe_layers
from onchip.models.describing.residual import describe_residual
from onchip.models.fptt.offline import require_deployable
from onchip.models.networks.network import SpikingNetwork
from onchip.models.tdbn.description import describe_tdbn
from onchip.models.tdbn.networks import TdBNNetwork
from onchip.network.graph import Network
from onchip.network.spec import NetworkSpec


def describe_model(
    model: nn.Module,
    metadata: Mapping[str, Any] | None = None,
    *,
    time_steps: int | None = None,
) -> NetworkSpec | Network:
    """The network for inference, a graph where it is not a chain of layers.

    `onchip.network.learning.with_learning` adds learning. `metadata` is JSON-able provenance,
    `time_steps` overrides the model's. Raises ValueError naming the module that cannot be described
    and why.
    """
    require_deployable(model, "describe")
    if not isinstance(model, (SpikingNetwork, TdBNNetwork)):
        raise ValueError(
            f"describe: {type(model).__name__} is not a SpikingNetwork; build it with "
            "onchip.models.build_model or from onchip.models.networks.layers.SpikingLayer"
        )
    steps = model.time_steps if time_steps is None else time_steps
    if isinstance(model, TdBNNetwork):
        return describe_tdbn(model, steps, metadata)
    if isinstance(model, FeedbackNetwork):
        return describe_feedback(model, steps, metadata)
    if any(isinstance(layer, ResidualBlock) for layer in model.layers):
        return describe_residual(model, steps, metadata)
    layers = describe_layers(model.layers, model.input_shape)
    return NetworkSpec(tuple(layers), model.input_shape, steps, metadata=dict(metadata or {}))
