"""A layer's steps one after the other, with a backward pass written by hand.

One step, of the drive W_x x_t + b, the membrane u', spikes s' and adaptation b' of the step before:

    d = drive + W_s s'                   current
    a = sigmoid(W_m [d; u'] + b_m)       liquid time constant, or sigmoid(b_m): constant
    v = u' + a (d - u')
    r = sigmoid(W_a [d; b'] + b_a)       likewise, of the adaptation
    b = r b' + (1 - r) s'                s': the spikes of the step before
    theta = 0.1 + 1.8 b                  adaptive threshold, or 0.5: fixed
    s = 1 if v > theta, else 0           gradient: `onchip.models.fptt.surrogate.multi_gaussian`
    u = (1 - s) v                        hard reset; the gradient goes through both factors

The steps write into buffers of the whole part, so that each is a handful of torch operations.
`onchip.models.fptt.cells.cell_step` is the same step for autograd.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onchip.models.fptt.backward import Backward
from onchip.models.fptt.record import (
    ADAPTATION_GAIN,
    FIXED_THRESHOLD,
    RESTING_THRESHOLD,
    Gate,
    Record,
    swap_halves,
)


class Scan(torch.autograd.Function):
    """The steps of the module's docstring, from one state to the next.

    Takes drive [L, batch, hidden], u, s, b [batch, hidden], W_s [hidden, hidden], W_m, W_a
    [hidden, 2 hidden] or None for a constant gate, b_m, b_a [hidden]; b_a None fixes the threshold
    (b then passes unused). Returns u and s of all steps [L, batch, hidden], then u, s, b of the
    last one.
    """

    @staticmethod
    def forward(ctx, drive, u, s, b, w_s, w_m, b_m, w_a, b_a):
        """Run the steps without recording them for autograd."""
        membrane = Gate(None if w_m is None else swap_halves(w_m), b_m)
        adaptation = None if b_a is None else Gate(w_a, b_a)
        record = _run(drive, (u, s, b), w_s, membrane, adaptation)
        ctx.record, ctx.w_s, ctx.gates = record, w_s, (membrane, adaptation)
        ctx.set_materialize_grads(False)
        hidden, spikes = drive.shape[2], record.spikes
        us = record.x[1:, :, :hidden]
        last_b = b if b_a is None else record.x[-1, :, 2 * hidden :].clone()
        return us.clone(), spikes[1:].clone(), us[-1].clone(), spikes[-1].clone(), last_b

    @staticmethod
    def backward(ctx, g_us, g_ss, g_u, g_s, g_b):
        """Gradients of all arguments, in their order."""
        membrane, adaptation = ctx.gates
        back = Backward(ctx.record, ctx.w_s, membrane, adaptation)
        return back.run(g_us, g_ss, g_u, g_s, g_b)


def _run(drive, state, w_s, membrane: Gate, adaptation: Gate | None) -> Record:
    steps, batch, hidden = drive.shape
    width = 2 if adaptation is None else 3
    x = drive.new_empty(steps + 1, batch, width * hidden)
    spikes = drive.new_empty(steps + 1, batch, hidden)
    v = torch.empty_like(drive)
    x[0, :, :hidden], spikes[0] = state[0], state[1]
    a, gate_a = _gate_rows(membrane, drive)
    r = None
    if adaptation is not None:
        x[0, :, 2 * hidden :] = state[2]
        r, gate_r = _gate_rows(adaptation, drive)
    theta: Tensor | float = FIXED_THRESHOLD
    w_s, u, d, ud = w_s.t(), *_rows(x, hidden, (0, 1), (1, 2), (0, 2))
    b, db = _rows(x, hidden, (2, 3), (1, 3)) if adaptation is not None else ((), ())
    s_rows, v_rows = spikes.unbind(0), v.unbind(0)
    for t, current in enumerate(drive.unbind(0)):
        torch.addmm(current, s_rows[t], w_s, out=d[t])
        torch.lerp(u[t], d[t], gate_a(t, ud[t]), out=v_rows[t])
        if adaptation is not None:
            torch.lerp(s_rows[t], b[t], gate_r(t, db[t]), out=b[t + 1])
            theta = torch.add(
                torch.full_like(b[t], RESTING_THRESHOLD), b[t + 1], alpha=ADAPTATION_GAIN
            )
        torch.gt(v_rows[t], theta, out=s_rows[t + 1])
        # v - s v: exactly 0 after a spike
        torch.addcmul(v_rows[t], s_rows[t + 1], v_rows[t], value=-1, out=u[t + 1])
    return Record(x, spikes, v, a, r)


def _rows(x: Tensor, hidden: int, *columns: tuple[int, int]) -> list[tuple[Tensor, ...]]:
    """The steps' rows of these columns (from, to; in units of `hidden`) of `x`, as views.

    Made once: a slice within the loop over the steps costs as much as an operation on it.
    """
    return [x[:, :, start * hidden : end * hidden].unbind(0) for start, end in columns]


def _gate_rows(gate: Gate, drive: Tensor):
    """The gate's values, and the function (t, inputs) that computes those of step t."""
    if gate.weight is None:
        constant = torch.sigmoid(gate.bias)
        spread = constant.expand(drive.shape[1:])
        return constant, lambda t, inputs: spread
    values = torch.empty_like(drive)
    rows, weight, bias = values.unbind(0), gate.weight.t(), gate.bias

    def compute(t: int, inputs: Tensor) -> Tensor:
        torch.addmm(bias, inputs, weight, out=rows[t])
        return rows[t].sigmoid_()

    return values, compute
