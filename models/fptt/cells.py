"""The spiking cells: liquid or constant time constants, fixed or adaptive thresholds.

`CELLS` names them: "ltc" and "ltc-adaptive" (Yin et al. 2021), and as controls "lif" and
"adaptive", whose time constants are constant: one trained number a neuron, sigmoid(b_m), in place
of a function of input and state. The equations are those of `onchip.models.fptt.scan`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from onchip.checks import require_between, require_choice
from onchip.models.fptt.offline import offline_reason
from onchip.models.fptt.record import ADAPTATION_GAIN, FIXED_THRESHOLD, RESTING_THRESHOLD
from onchip.models.fptt.scan import Scan
from onchip.models.fptt.surrogate import Spike


class CellKind(NamedTuple):
    """What distinguishes the cells: whether gates depend on the input, and the threshold's kind."""

    liquid: bool
    adaptive: bool


CELLS = {
    "ltc": CellKind(liquid=True, adaptive=False),
    "ltc-adaptive": CellKind(liquid=True, adaptive=True),
    "adaptive": CellKind(liquid=False, adaptive=True),
    "lif": CellKind(liquid=False, adaptive=False),
}
"""Cell by name; "lif" and "adaptive" have constant time constants."""

MEMBRANE_BIAS = -2.0
"""b_m at the start: a = 0.12, a time constant of about eight steps."""
LARGEST = 1e9
ADAPTATION_BIAS = 2.0
"""b_a at the start: r = 0.88, likewise."""


class CellState(NamedTuple):
    """Membrane after reset, spikes and adaptation, each [batch, hidden]."""

    u: Tensor
    s: Tensor
    b: Tensor


class LiquidLayer(nn.Module):
    """A recurrent layer of `hidden` cells of one of `CELLS`, with `inputs` inputs.

    Parameters: `input_weight` W_x [hidden, inputs], `recurrent_weight` W_s [hidden, hidden], `bias`
    [hidden]; `membrane_weight` W_m [hidden, 2 hidden] on [d; u] (liquid cells), `membrane_bias`
    b_m; with an adaptive threshold `adaptation_weight` W_a on [d; b] (liquid cells) and
    `adaptation_bias` b_a. Raises ValueError for an unknown cell or sizes below 1.
    """

    def __init__(self, inputs: int, hidden: int, cell: str = "ltc"):
        super().__init__()
        require_choice("layer: cell", cell, CELLS)
        for name, size in (("inputs", inputs), ("hidden", hidden)):
            if size < 1:
                raise ValueError(f"layer: {name} is {size}; it must be at least 1")
        self.inputs, self.hidden, self.cell = inputs, hidden, cell
        self.input_weight = nn.Parameter(_uniform(hidden, inputs))
        self.recurrent_weight = nn.Parameter(nn.init.orthogonal_(torch.empty(hidden, hidden)))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.membrane_bias = nn.Parameter(torch.full((hidden,), MEMBRANE_BIAS))
        gate = _uniform(hidden, 2 * hidden) if self.kind.liquid else None
        self.membrane_weight = None if gate is None else nn.Parameter(gate)
        self.adaptation_weight = self.adaptation_bias = None
        if self.kind.adaptive:
            self.adaptation_bias = nn.Parameter(torch.full((hidden,), ADAPTATION_BIAS))
            if self.kind.liquid:
                self.adaptation_weight = nn.Parameter(_uniform(hidden, 2 * hidden))

    @property
    def kind(self) -> CellKind:
        """What its cells are."""
        return CELLS[self.cell]

    @property
    def offline_reason(self) -> str:
        """Why it is not deployed."""
        return offline_reason(self.cell, self.kind.liquid)

    def initial_state(self, batch: int) -> CellState:
        """Zeros for `batch` sequences."""
        return CellState(*(self.bias.new_zeros(3, batch, self.hidden)))

    def forward(self, x: Tensor, state: CellState | None = None) -> tuple[Tensor, CellState]:
        """Spikes [steps, batch, hidden] and the state after `x` [steps, batch, inputs]."""
        _, spikes, state = self.run(x, state)
        return spikes, state

    def run(self, x: Tensor, state: CellState | None = None) -> tuple[Tensor, Tensor, CellState]:
        """Membranes after reset and spikes [steps, batch, hidden] and the last state.

        `x` [steps, batch, inputs] is one part of a sequence, `state` what the part before left.
        """
        if x.dim() != 3 or x.shape[2] != self.inputs or len(x) == 0:
            raise ValueError(
                f"layer: its input has the shape {list(x.shape)}; it must be "
                f"[steps, batch, {self.inputs}] with at least one step"
            )
        state = self.initial_state(x.shape[1]) if state is None else state
        drive = nn.functional.linear(x, self.input_weight, self.bias)
        membranes, spikes, *last = Scan.apply(
            drive,
            *state,
            self.recurrent_weight,
            self.membrane_weight,
            self.membrane_bias,
            self.adaptation_weight,
            self.adaptation_bias,
        )
        return membranes, spikes, CellState(*last)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.inputs}, {self.hidden}, cell={self.cell!r}"


def spread_time_constants(
    layers: Iterable[LiquidLayer], slowest: float, generator: torch.Generator
) -> None:
    """Set b_m so that time constants 1/a are at first uniform between 2 and 1 + `slowest` steps.

    b_m = -log(x), x uniform in [1, slowest]: where the gate's other inputs are small, a is
    1 / (1 + x). Sequences of hundreds of steps are learned sooner so. Source: Tallec and Ollivier
    2018, "Can recurrent neural networks warp time?" (gates of LSTMs). Raises ValueError for
    `slowest` below 1.
    """
    require_between("time constants: slowest", slowest, 1, LARGEST)
    with torch.no_grad():
        for layer in layers:
            spread = torch.rand(layer.hidden, generator=generator) * (slowest - 1)
            layer.membrane_bias.copy_(-torch.log(1 + spread))


def cell_step(layer: LiquidLayer, x: Tensor, state: CellState) -> CellState:
    """One step, `x` [batch, inputs], in operations that autograd differentiates.

    `Scan` equals a loop over it; use this one to read the equations or to change them.
    """
    u, s, b = state
    d = x @ layer.input_weight.t() + layer.bias + s @ layer.recurrent_weight.t()
    a = _gate(layer.membrane_weight, layer.membrane_bias, (d, u))
    v = u + a * (d - u)
    theta: Tensor | float = FIXED_THRESHOLD
    if layer.adaptation_bias is not None:
        r = _gate(layer.adaptation_weight, layer.adaptation_bias, (d, b))
        b = r * b + (1 - r) * s
        theta = RESTING_THRESHOLD + ADAPTATION_GAIN * b
    spikes = Spike.apply(v - theta)
    return CellState((1 - spikes) * v, spikes, b)


def _gate(weight: Tensor | None, bias: Tensor, inputs: tuple[Tensor, Tensor]) -> Tensor:
    before = bias if weight is None else torch.cat(inputs, dim=1) @ weight.t() + bias
    return torch.sigmoid(before)


def _uniform(rows: int, columns: int) -> Tensor:
    """Uniform of variance 2 / (rows + columns), Glorot's, from torch's generator."""
    limit = math.sqrt(6 / (rows + columns))
    return (2 * torch.rand(rows, columns) - 1) * limit
