"""How much memory tensors take while something runs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def peak_tensor_bytes(run: Callable[[], object]) -> int:
    """The largest number of bytes of tensors alive at once that `run` allocated.

    Every allocation and release of torch's CPU allocator is counted, so the figure is exact and the
    same each time, unlike the process's resident memory. What was allocated before is not in it.
    """
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
