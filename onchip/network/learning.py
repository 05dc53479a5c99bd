"""Networks with and without a learning section: plastic layers flagged, feedback drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from onchip.checks import require_choice
from onchip.network.layer_spec import DenseSpec
from onchip.network.spec import LearningSpec, NetworkSpec, is_convolution
from onchip.rules.feedback import FEEDBACKS, feedback_matrices


def with_learning(
    spec: NetworkSpec,
    *,
    learning_rate: float,
    plastic: Iterable[str] | None = None,
    mode: str = "online",
    feedback: str = "exact",
    mse_weight: float = 0.05,
    update_delay: int = 0,
    seed: int = 0,
) -> NetworkSpec:
    """The network with a learning section: plastic layers flagged, feedback drawn or frozen.

    `plastic=None` makes every dense layer plastic. `seed` draws the random matrices; "symmetric"
    freezes the present transposes. Raises ValueError for an unknown or convolutional layer name.
    """
    dense = [layer.name for layer in spec.layers if isinstance(layer, DenseSpec)]
    chosen = dense if plastic is None else list(plastic)
    for name in chosen:
        if any(layer.name == name for layer in spec.layers if is_convolution(layer)):
            raise ValueError(
                f"plastic layer {name!r} is a convolution, and those stay as they are; choose from "
                f"{', '.join(dense)}"
            )
        require_choice("plastic layer", name, dense)
    require_choice("learning: feedback", feedback, FEEDBACKS)
    if not chosen:
        raise ValueError(f"plastic layers: none was named; choose from {', '.join(dense)}")
    layers = tuple(
        replace(layer, plastic=layer.name in chosen) if isinstance(layer, DenseSpec) else layer
        for layer in spec.layers
    )
    receiving = dense[min(dense.index(name) for name in chosen) :]
    weights = {layer.name: layer.weight for layer in layers if isinstance(layer, DenseSpec)}
    learning = LearningSpec(
        learning_rate=learning_rate,
        mode=mode,
        feedback=feedback,
        feedback_matrices=feedback_matrices(feedback, receiving, weights, seed),
        mse_weight=mse_weight,
        update_delay=update_delay,
    )
    return replace(spec, layers=layers, learning=learning)


def without_learning(spec: NetworkSpec) -> NetworkSpec:
    """The same network for inference only: no plastic layer, no learning section."""
    layers = tuple(
        replace(layer, plastic=False) if isinstance(layer, DenseSpec) else layer
        for layer in spec.layers
    )
    return replace(spec, layers=layers, learning=None)
