"""Gradients of synapses that learn at a share of the rate (`onchip.network.shares`)."""

from __future__ import annotations

import numpy as np

from onchip.engine.real_synapses import Gradient, RealSynapses
from onchip.rules.rule import bias_gradient, weight_gradient

Array = np.ndarray


def weighed(synapses: RealSynapses, factor: Array, signal: Array) -> Gradient:
    """Return a step's gradient for a factor g and a signal L, each weight's times its share.

    Shares of neurons [post] scale g and L, those of synapses [post, pre] or [post, pre + 1] the
    whole gradient of dense ones.
    """
    shares = synapses.synapses.shares
    if shares is None:
        return synapses.gradient(factor, signal)
    shares = shares.astype(factor.dtype, copy=False)
    if shares.ndim == 1:
        return synapses.gradient(factor * shares, signal * shares)
    found = synapses.gradient(factor, signal)
    whole, bias = found.whole, found.bias
    if whole is None:
        whole = weight_gradient(found.factor, found.trace)
        bias = bias_gradient(found.factor, found.bias_trace)
    inputs = synapses.synapses.transform.inputs
    if bias is not None and synapses.synapses.always_on:
        bias = bias * shares[:, -1]
    return found._replace(whole=whole * shares[:, :inputs], bias=bias)
