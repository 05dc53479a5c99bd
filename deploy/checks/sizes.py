"""Sizes of networks: neurocores, and the synapses of convolutions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from onchip.deploy.checks.limits import LIMITS


def neurocores(neurons: int) -> int:
    """The fewest neurocores that hold as many neurons, were neurons all that matters."""
    per_core = LIMITS["neurons per layer"].value
    assert isinstance(per_core, int)
    return -(-neurons // per_core)


def taps_inside(geometry: Any) -> int:
    """Return over all positions of a convolution the kernel taps that lie within its input.

    `geometry` has its `weight`, `input_shape`, `output_shape`, `stride` and `padding`.
    """
    _, *sides = geometry.output_shape
    inputs, kernel = geometry.input_shape[1:], geometry.weight.shape[2:]
    along = zip(sides, inputs, kernel, geometry.stride, geometry.padding, strict=True)
    return math.prod(itertools.starmap(_taps, along))


def _taps(count: int, size: int, kernel: int, stride: int, padding: int) -> int:
    """Kernel taps that lie within the input, over all `count` positions along one side."""
    starts = np.arange(count) * stride - padding
    inside = np.minimum(starts + kernel, size) - np.maximum(starts, 0)
    return int(np.maximum(inside, 0).sum())
