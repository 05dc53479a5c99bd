"""The gradients of one batch by OTTT or BPTT, without an update, and how alike they are."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from onchip.checks import require_choice
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import batch_tensors, plain_frames
from onchip.models.training.feedback import make_feedback
from onchip.models.training.updates import UPDATES, Learner
from onchip.objectives.given import check_labels

SUMMED = ("ottt_a", "bptt")
"""Methods that add up the gradients of all steps before they update."""


class _Keeping(Learner):
    """A learner that leaves the gradients where they are."""

    def apply(self) -> None:
        """No update, nothing forgotten."""


def layer_gradients(
    model: SpikingNetwork,
    method: str,
    frames: np.ndarray,
    labels: np.ndarray,
    *,
    feedback: str = "exact",
    mse_weight: float = 0.05,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Layer name -> gradient of the mean over the batch of sum_n L[n], in all of its parameters.

    `frames` [batch, T, *input_shape], `labels` [batch]; each gradient is one vector, the layer's
    parameters in torch's order, zero for those that do not learn. `method` is one of `SUMMED`,
    `feedback` one of `onchip.rules.feedback.FEEDBACKS` ("exact" for "bptt"), drawn from
    `seed`. The model is left as it is. Raises ValueError for unknown names.
    """
    require_choice("gradients: method", method, SUMMED)
    if method == "bptt":
        require_choice("gradients: feedback of bptt", feedback, ("exact",))
    model = copy.deepcopy(model)
    model.zero_grad(set_to_none=True)
    nothing = torch.optim.SGD(model.parameters(), lr=0.0)
    learner = _Keeping(model, nothing, make_feedback(model, feedback, seed), mse_weight)
    frames = plain_frames(frames)
    labels = check_labels(labels, len(frames), model.classes)
    UPDATES[method](learner, *batch_tensors(model, frames, labels))
    return {part.name: _vector(part) for part in model.parts()}


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    """<l, r> / (|l| |r|) of two vectors; ValueError where one of them is zero."""
    norms = float(np.linalg.norm(left) * np.linalg.norm(right))
    if norms == 0.0:
        raise ValueError("cosine: a gradient is zero, so it has no direction; use other samples")
    return float(left @ right) / norms


def _vector(part: nn.Module) -> np.ndarray:
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in part.parameters()]
    return torch.cat([gradient.flatten() for gradient in gradients]).numpy()
