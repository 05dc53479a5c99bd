"""Quantization-aware fine-tuning: a trained network learns on, seeing its weights in integers.

Rounding moves every weight by up to one step. Learning with the rounded weights in the forward pass
finds parameters for which that does no harm. The steps stay those of the network's first
quantization, and the second one has to be told so (`like` of
`onchip.deploy.quantization.network.quantize`): a new search for the best step would move the grid
under the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from onchip.models.config import TrainingConfig
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import Frames
from onchip.models.training.fake_quantization import put_on_grid
from onchip.models.training.progress import TrainingResult
from onchip.models.training.training import train

RATE_SHARE = 0.01
"""Learning rate of fine-tuning, as a share of the training's: a weight need not move farther than
to the next level, and a fresh Adam takes full steps at once. A coarse grid needs more."""


def fine_tuning_config(
    training: TrainingConfig, epochs: int = 1, learning_rate: float | None = None
) -> TrainingConfig:
    """The settings of `training` for a run after it, with its own epochs and learning rate.

    None is a hundredth of the training's rate. The network is no longer as it was built, so that
    its start is not scaled.
    """
    rate = RATE_SHARE * training.learning_rate if learning_rate is None else learning_rate
    return replace(training, epochs=epochs, learning_rate=rate, scaled_start=False)


def fine_tune(
    model: SpikingNetwork,
    train_set: Frames,
    test_set: Frames,
    config: TrainingConfig,
    steps: Mapping[str, float],
    *,
    progress: bool | None = None,
) -> TrainingResult:
    """Train `model` in place with its weights on the integers' grid; accuracies are those there.

    `steps`: layer name -> `weight_step` of the integer network made from this model. The model is
    left on the grid, so that `describe_model` writes weights whose quantization with the same steps
    is exactly what was trained; `onchip.models.training.fake_quantization.take_off_grid` shows the
    parameters again. Biases are not rounded here: theirs are 13 bits. Raises ValueError as
    `put_on_grid` and `train`.
    """
    put_on_grid(model, steps)
    return train(model, train_set, test_set, config, progress=progress)
