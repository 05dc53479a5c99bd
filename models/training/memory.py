"""How much memory tensors take while something runs."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from onchip.models.config import TrainingConfig, make_optimizer
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import batch_tensors
from onchip.models.training.feedback import make_feedback
from onchip.models.training.updates import UPDATES, Learner


def peak_tensor_bytes(run: Callable[[], object]) -> int:
    """The largest number of bytes of tensors alive at once that `run` allocated.

    Every allocation and release of torch's CPU allocator is counted, so the figure is exact and the
    same each time, unlike the process's resident memory. What was allocated before is not in it.
    """
    # The profiler's library would tell stderr of its own starts and of a GPU that is not there.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = profiler.profiler.kineto_results.events()
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    alive = peak = 0
    for _, change in sorted(changes, key=lambda item: item[0]):
        alive += change
        peak = max(peak, alive)
    return peak


def training_peak_bytes(
    learn: Callable[[torch.Tensor, torch.Tensor], object], *arrays: torch.Tensor
) -> int:
    """`peak_tensor_bytes` of one batch, after a batch that creates the optimizer's state."""
    learn(*arrays)
    return peak_tensor_bytes(lambda: learn(*arrays))


def update_peak_bytes(
    model: SpikingNetwork, config: TrainingConfig, frames: np.ndarray, labels: np.ndarray
) -> int:
    """`training_peak_bytes` of one update of `model`, which learns twice from the batch.

    `frames` [batch, T, *input_shape] of any T, `labels` [batch]; of `config` the method, optimizer,
    feedback and mse_weight count.
    """
    optimizer = make_optimizer(config, model.parameters())
    feedback = make_feedback(model, config.feedback, config.seed)
    learner = Learner(model, optimizer, feedback, config.mse_weight)
    arrays = batch_tensors(model, frames, labels)
    return training_peak_bytes(lambda x, y: UPDATES[config.method](learner, x, y), *arrays)
