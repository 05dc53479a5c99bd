"""How many threads a network of this size trains on.

Threads share the work of one operation and wait for each other at its end. For small networks the
waiting costs about what the sharing gains on an idle machine, and many times as much on a busy one:
there each operation takes until the last of its threads was given a processor.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from onchip.models.networks.geometry import stages
from onchip.models.networks.layers import OTTTConv2d
from onchip.models.networks.network import SpikingNetwork

SMALL = 250e6
"""Products of a batch's step, forward, below which a network trains on one thread.

The networks of the demo make about 100 million (batches of 32), the paper's VGG on 48 x 48 pixels
about 20 billion. It follows from the size alone: a run is the same on a busy machine.
"""


def products(model: SpikingNetwork) -> float:
    """Products of weights and inputs in one step of one sample; infinite for unknown layers."""
    followed = list(stages(model.layers, model.input_shape))
    if len(followed) < len(model.layers):
        return math.inf
    return float(sum(_products(*stage) for stage in followed))


def is_small(model: SpikingNetwork, batch_size: int) -> bool:
    """Return whether a network trains on one thread."""
    return products(model) * batch_size < SMALL


def _products(layer: object, inputs: tuple[int, ...], neurons: tuple[int, ...]) -> int:
    weight = layer.connection.weight  # type: ignore[attr-defined]
    places = math.prod(neurons[1:]) if isinstance(layer.connection, OTTTConv2d) else 1  # type: ignore[attr-defined]
    return weight.numel() * places


@contextmanager
def suitable_threads(model: SpikingNetwork, batch_size: int) -> Iterator[None]:
    """Within, torch has one thread for a small network on a CPU, and as many as before after it.

    A setting of the user's own wins: `OMP_NUM_THREADS`, or another number than torch's default.
    """
    before = torch.get_num_threads()
    small = is_small(model, batch_size)
    on_cpu = next(model.parameters()).device.type == "cpu"
    if not (small and on_cpu) or "OMP_NUM_THREADS" in os.environ or before != default_threads():
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def default_threads() -> int:
    """The threads that OpenMP takes where nothing is set: one for each processor."""
    return len(os.sched_getaffinity(0))
