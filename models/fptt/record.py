"""What the steps of a part leave behind for their backward pass, and the cells' constants."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FIXED_THRESHOLD = 0.5
RESTING_THRESHOLD, ADAPTATION_GAIN = 0.1, 1.8
"""theta = 0.1 + 1.8 b, the adaptive threshold."""


class Record(NamedTuple):
    """What the steps of a part leave for the backward pass.

    `x` [L + 1, batch, 2 or 3 hidden]: u_{t-1}, d_t and, with adaptation, b_{t-1}; the last row
    holds what follows the part. `spikes` [L + 1, batch, hidden], the state's first. `v` and the
    gates `a`, `r` [L, batch, hidden]; a gate that is constant is [hidden], one that is not there
    None.
    """

    x: Tensor
    spikes: Tensor
    v: Tensor
    a: Tensor
    r: Tensor | None


class Gate(NamedTuple):
    """sigmoid(weight @ [...] + bias); without a weight the gate is constant."""

    weight: Tensor | None
    bias: Tensor


def swap_halves(weight: Tensor) -> Tensor:
    """[d; u] to [u; d] and back: in the buffers u stands before d, and d before b."""
    half = weight.shape[1] // 2
    return torch.cat((weight[:, half:], weight[:, :half]), dim=1)
