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

The steps write into buffers of the whole part, so that each is a handful of torch operations; what
does not run from step to step (surrogates, slopes, weight gradients) is computed for all at once.
`onchip.models.fptt.cells.cell_step` is the same step for autograd.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from onchip.models.fptt.surrogate import multi_gaussian

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
        membrane = Gate(None if w_m is None else _swap(w_m), b_m)
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
        back = _Backward(ctx.record, ctx.w_s, membrane, adaptation)
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
    w_s, rows, s_rows, v_rows = w_s.t(), x.unbind(0), spikes.unbind(0), v.unbind(0)
    for t, current in enumerate(drive.unbind(0)):
        row, after = rows[t], rows[t + 1]
        u, d = row[:, :hidden], row[:, hidden : 2 * hidden]
        torch.addmm(current, s_rows[t], w_s, out=d)
        torch.lerp(u, d, gate_a(t, row[:, : 2 * hidden]), out=v_rows[t])
        if adaptation is not None:
            b = after[:, 2 * hidden :]
            torch.lerp(s_rows[t], row[:, 2 * hidden :], gate_r(t, row[:, hidden:]), out=b)
            theta = torch.add(torch.full_like(b, RESTING_THRESHOLD), b, alpha=ADAPTATION_GAIN)
        torch.gt(v_rows[t], theta, out=s_rows[t + 1])
        # v - s v: exactly 0 after a spike
        torch.addcmul(v_rows[t], s_rows[t + 1], v_rows[t], value=-1, out=after[:, :hidden])
    return Record(x, spikes, v, a, r)


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


class _Backward:
    """The chain rule through a part, last step first."""

    def __init__(self, record: Record, w_s: Tensor, membrane: Gate, adaptation: Gate | None):
        self.record, self.w_s = record, w_s
        self.membrane, self.adaptation = membrane, adaptation
        self.hidden = w_s.shape[0]
        x, v, hidden = record.x, record.v, self.hidden
        u, d = x[:-1, :, :hidden], x[:-1, :, hidden : 2 * hidden]
        theta = FIXED_THRESHOLD
        if adaptation is not None:
            theta = RESTING_THRESHOLD + ADAPTATION_GAIN * x[1:, :, 2 * hidden :]
        self.surrogate = multi_gaussian(v - theta)
        # u = (1 - s) v, so du/dv = 1 - s - sigma' v, beside ds/dv = sigma'
        self.kept = torch.addcmul(1 - record.spikes[1:], self.surrogate, v, value=-1)
        self.slope_a = _slope(record.a).mul(d - u)
        if adaptation is not None:
            b, s = x[:-1, :, 2 * hidden :], record.spikes[:-1]
            self.slope_r = _slope(record.r).mul(b - s)

    def run(self, g_us, g_ss, g_u, g_s, g_b):
        """Incoming gradients to those of `Scan`'s arguments; None stands for zero."""
        record, hidden, adapts = self.record, self.hidden, self.adaptation is not None
        steps, batch = record.v.shape[:2]
        g_x = record.x.new_empty(steps, batch, 2 * hidden)  # of u_{t-1} and d_t
        g_pre_a = torch.empty_like(record.v)
        g_pre_r = torch.empty_like(record.v) if adapts else None
        g_u, g_s = self._or_zero(g_u), self._or_zero(g_s)
        passed_b, g_b = g_b, self._or_zero(g_b)
        for t in range(steps - 1, -1, -1):
            g_u = g_u if g_us is None else g_u + g_us[t]
            g_s = g_s if g_ss is None else g_s + g_ss[t]
            # spikes act on what follows and through the reset, -v g_u, which is within `kept`
            g_theta = g_s - record.v[t] * g_u if adapts else None
            g_v = torch.addcmul(self.kept[t] * g_u, self.surrogate[t], g_s)
            row = g_x[t]
            self._through_membrane(t, g_v, row, g_pre_a[t])
            g_u, g_d = row[:, :hidden], row[:, hidden:]
            if adapts:
                g_b.addcmul_(g_theta, self.surrogate[t], value=-ADAPTATION_GAIN)
                g_b, through = self._through_adaptation(t, g_b, g_d, g_pre_r[t])
                g_s = torch.addmm(through, g_d, self.w_s)
            else:
                g_s = torch.mm(g_d, self.w_s)
        g_d = g_x[:, :, hidden:]
        w_m, b_m = _gate_gradients(self.membrane, g_pre_a, record.x[:-1, :, : 2 * hidden])
        w_a = b_a = None
        if self.adaptation is not None:
            w_a, b_a = _gate_gradients(self.adaptation, g_pre_r, record.x[:-1, :, hidden:])
        w_s = _product(g_d, record.spikes[:-1])
        w_m = None if w_m is None else _swap(w_m)
        return g_d, g_u, g_s, g_b if adapts else passed_b, w_s, w_m, b_m, w_a, b_a

    def _through_membrane(self, t: int, g_v: Tensor, row: Tensor, g_pre: Tensor) -> None:
        """v = u' + a (d - u'): the gradients of u' and d into `row`, of the gate into `g_pre`."""
        hidden, a = self.hidden, self.record.a
        torch.mul(g_v, self.slope_a[t], out=g_pre)
        g_d = row[:, hidden:]
        torch.mul(g_v, a if self.membrane.weight is None else a[t], out=g_d)
        torch.sub(g_v, g_d, out=row[:, :hidden])
        if self.membrane.weight is not None:
            row.addmm_(g_pre, self.membrane.weight)

    def _through_adaptation(
        self, t: int, g_b: Tensor, g_d: Tensor, g_pre: Tensor
    ) -> tuple[Tensor, Tensor]:
        """b = r b' + (1 - r) s': the gradients of b' and s'; that of d is added to `g_d`."""
        assert self.adaptation is not None
        hidden, r, weight = self.hidden, self.record.r, self.adaptation.weight
        torch.mul(g_b, self.slope_r[t], out=g_pre)
        before = g_b * (r if weight is None else r[t])
        spikes = g_b - before
        if weight is not None:
            g_d.addmm_(g_pre, weight[:, :hidden])
            before = before.addmm_(g_pre, weight[:, hidden:])
        return before, spikes

    def _or_zero(self, gradient: Tensor | None) -> Tensor:
        if gradient is None:
            return torch.zeros_like(self.record.v[0])
        return gradient.clone()


def _slope(gate: Tensor) -> Tensor:
    """Derivative of the sigmoid, from its value."""
    return gate * (1 - gate)


def _gate_gradients(gate: Gate, g_pre: Tensor, inputs: Tensor) -> tuple[Tensor | None, Tensor]:
    """Of weight and bias, summed over steps and batch."""
    weight = None if gate.weight is None else _product(g_pre, inputs)
    return weight, g_pre.sum((0, 1))


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Sum over steps and batch of left^T right."""
    return left.flatten(0, 1).t() @ right.flatten(0, 1)


def _swap(weight: Tensor) -> Tensor:
    """[d; u] to [u; d] and back: in the buffers u stands before d, and d before b."""
    half = weight.shape[1] // 2
    return torch.cat((weight[:, half:], weight[:, :half]), dim=1)
