"""The three-factor rule: presynaptic trace x postsynaptic derivative x fed-back error.

    g[n] = feedback[n] * sigma'(u[n] - Vth),    grad W[n] = g[n] a[n]^T,    grad b[n] = g[n] c[n]

and the two ways to apply it: "online" (OTTT_O) subtracts eta times the gradient at every step,
"accumulate" (OTTT_A) sums the gradients of a sample and applies them once at its end. Source: Xiao
et al. 2022, Eq. 5, 6.
"""

from __future__ import annotations

from typing import Any

Array = Any

UPDATE_MODES = ("online", "accumulate")


def weight_gradient(factor: Array, trace: Array) -> Array:
    """Mean over the batch of g a^T: `factor` [batch, post], `trace` [batch, pre] -> [post, pre]."""
    return factor.T @ trace / factor.shape[0]


def bias_gradient(factor: Array, bias_trace: float) -> Array:
    """Mean over the batch of g c: `factor` [batch, post], `bias_trace` c[n] -> [post]."""
    return factor.sum(0) * (bias_trace / factor.shape[0])
