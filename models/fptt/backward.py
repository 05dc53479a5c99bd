"""The backward pass of `onchip.models.fptt.scan.Scan`, written by hand: the last step first.

What does not run from step to step (surrogates, slopes, weight gradients) is computed for all steps
at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from onchip.models.fptt.record import (
    ADAPTATION_GAIN,
    FIXED_THRESHOLD,
    RESTING_THRESHOLD,
    Gate,
    Record,
    swap_halves,
)
from onchip.models.fptt.surrogate import multi_gaussian


class _Step(NamedTuple):
    """A step's rows: gradients of [u_{t-1}, d_t] (and both alone) and of the gate before its
    sigmoid, the gate a, its slope, du/dv and the surrogate, each [batch, hidden] or twice as wide.
    """

    g_x: Tensor
    g_u: Tensor
    g_d: Tensor
    g_pre: Tensor
    a: Tensor
    slope: Tensor
    kept: Tensor
    surrogate: Tensor


class Backward:
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
        rows = self._loop_rows(g_x, g_pre_a)
        v = record.v.unbind(0) if adapts else ()
        for t in range(steps - 1, -1, -1):
            row = rows[t]
            g_u = g_u if g_us is None else g_u + g_us[t]
            g_s = g_s if g_ss is None else g_s + g_ss[t]
            # spikes act on what follows and through the reset, -v g_u, which is within `kept`
            g_theta = g_s - v[t] * g_u if adapts else None
            g_v = torch.addcmul(row.kept * g_u, row.surrogate, g_s)
            self._through_membrane(g_v, row)
            g_u, g_d = row.g_u, row.g_d
            if adapts:
                g_b.addcmul_(g_theta, row.surrogate, value=-ADAPTATION_GAIN)
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
        w_m = None if w_m is None else swap_halves(w_m)
        return g_d, g_u, g_s, g_b if adapts else passed_b, w_s, w_m, b_m, w_a, b_a

    def _loop_rows(self, g_x: Tensor, g_pre: Tensor) -> list[_Step]:
        """What each step reads and writes, made once."""
        constant = self.membrane.weight is None
        a = self.record.a.expand_as(self.record.v) if constant else self.record.a
        arrays = (g_x, g_x[..., : self.hidden], g_x[..., self.hidden :], g_pre, a)
        arrays = (*arrays, self.slope_a, self.kept, self.surrogate)
        return [_Step(*row) for row in zip(*(array.unbind(0) for array in arrays), strict=True)]

    def _through_membrane(self, g_v: Tensor, row: _Step) -> None:
        """v = u' + a (d - u'): the gradients of u' and d into `g_x`, of the gate into `g_pre`."""
        torch.mul(g_v, row.slope, out=row.g_pre)
        torch.mul(g_v, row.a, out=row.g_d)
        torch.sub(g_v, row.g_d, out=row.g_u)
        if self.membrane.weight is not None:
            row.g_x.addmm_(row.g_pre, self.membrane.weight)

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
