"""Feedback while training: what carries the error to the layers below.

The four kinds of `onchip.rules.feedback`, with the same matrices for the same seed in dense layers.
For convolutions, "random" draws a fixed kernel of the weight's shape, "symmetric" freezes the
kernel, and "direct" projects the output error onto the layer's whole output (after its pool).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from onchip.checks import require_choice
from onchip.models.networks.layers import OTTTLinear, SpikingLayer
from onchip.models.networks.network import SpikingNetwork
from onchip.models.networks.precision import full_precision
from onchip.rules.feedback import FEEDBACKS, feedback_matrices, random_matrix, send_back


class Feedback:
    """A kind of feedback set up on a model.

    `tensors` are fixed, by the name of the *receiving* layer: [receiving, sending] where a dense
    layer or the output error sends, a kernel [out, in, kh, kw] where a convolution sends. "exact"
    has none. Raises ValueError for an unknown kind or a tensor that is missing.
    """

    def __init__(
        self, model: SpikingNetwork, kind: str, tensors: Mapping[str, Tensor] | None = None
    ) -> None:
        _check_kind(model, kind)
        self.kind, self.tensors = kind, dict(tensors or {})
        self._layers: list[SpikingLayer] = list(model.layers)
        for low, high in itertools.pairwise(self._layers):
            layerwise = kind in ("symmetric", "random")
            if kind == "exact" and not isinstance(high, SpikingLayer):
                continue  # a residual block, whose connections have no other feedback
            high.connection.feedback = self._tensor(low) if layerwise else None

    @property
    def cuts(self) -> bool:
        """Whether gradients must not pass between the layers (`SpikingNetwork.step(cut=...)`)."""
        return self.kind == "direct"

    def backward(self, error: Tensor, outputs: list[Tensor]) -> None:
        """Add the gradients of one step to the parameters' `.grad`.

        `outputs` are the layers' outputs of that step, `error` [batch, classes] is the loss's
        gradient at the last one.
        """
        with full_precision(error.device):
            signals = self._signals(error, outputs)
            learning = [index for index in signals if outputs[index].requires_grad]
            torch.autograd.backward(
                [outputs[index] for index in learning], [signals[index] for index in learning]
            )

    def _signals(self, error: Tensor, outputs: list[Tensor]) -> dict[int, Tensor]:
        """What arrives at the outputs, by their index, from outside of the chain of layers."""
        signals = {len(outputs) - 1: error}
        if self.cuts:
            for index, layer in enumerate(self._layers[:-1]):
                if outputs[index].requires_grad:
                    signal = send_back(error, self._tensor(layer))
                    signals[index] = signal.view_as(outputs[index])
        return signals

    def _tensor(self, layer: SpikingLayer) -> Tensor | None:
        learns = any(p.requires_grad for p in layer.parameters())
        if learns and layer.name not in self.tensors:
            raise ValueError(f"layer {layer.name!r}: feedback {self.kind!r} has no tensor for it")
        return self.tensors.get(layer.name)


def make_feedback(model: SpikingNetwork, kind: str, seed: int = 0) -> Feedback:
    """Feedback of the given kind, its tensors drawn from `seed` or frozen from the model's weights.

    Dense layers get the matrices that `onchip.network.learning.with_learning` draws for that seed.
    """
    _check_kind(model, kind)
    if kind == "exact":
        return Feedback(model, kind)
    rng = np.random.default_rng([seed, 1])
    arrays = _dense_matrices(model, kind, seed)
    for low, high in itertools.pairwise(model.layers):
        if low.name not in arrays:
            arrays[low.name] = _other_tensor(low, high, model, kind, rng)
    tensors = {name: torch.tensor(array, dtype=model.dtype) for name, array in arrays.items()}
    return Feedback(model, kind, tensors)


def _check_kind(model: SpikingNetwork, kind: str) -> None:
    """Raise ValueError for an unknown kind and for one that the model's layers cannot have."""
    require_choice("feedback", kind, FEEDBACKS)
    for layer in model.layers:
        if kind != "exact" and not isinstance(layer, SpikingLayer):
            raise ValueError(
                f"layer {layer.name!r}: feedback {kind!r} is for chains of layers, not for "
                f"{type(layer).__name__}; use 'exact'"
            )


def _dense_matrices(model: SpikingNetwork, kind: str, seed: int) -> dict[str, np.ndarray]:
    dense = [layer for layer in model.layers if isinstance(layer.connection, OTTTLinear)]
    weights = {layer.name: _array(layer) for layer in dense}
    return feedback_matrices(kind, list(weights), weights, seed)


def _other_tensor(
    low: SpikingLayer,
    high: SpikingLayer,
    model: SpikingNetwork,
    kind: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """What a convolutional layer `low` receives through."""
    weight = _array(high)
    if kind == "direct":
        return random_matrix(output_size(model, low.name), model.classes, rng)
    if isinstance(high.connection, OTTTLinear):
        return weight.T.copy() if kind == "symmetric" else random_matrix(*weight.shape[::-1], rng)
    if kind == "symmetric":
        return weight
    return rng.normal(0, 1 / math.sqrt(math.prod(weight.shape[1:])), size=weight.shape)


def output_size(model: SpikingNetwork, name: str) -> int:
    """Number of values that the layer called `name` sends per step, after its pool."""
    blank = torch.zeros((1, *model.input_shape), dtype=model.dtype)
    with torch.no_grad():
        outputs, _ = model.step(blank, model.initial_state())
    sizes = {layer.name: out[0].numel() for layer, out in zip(model.layers, outputs, strict=True)}
    return sizes[name]


def _array(layer: SpikingLayer) -> np.ndarray:
    return layer.connection.plain_weight().detach().numpy().copy()
