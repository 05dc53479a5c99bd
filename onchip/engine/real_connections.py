"""The kinds of synapses of the engine in floating point: dense ones, and those of any transform."""

from __future__ import annotations

import numpy as np

from onchip.engine.kernels import add_outer, weighted_inputs
from onchip.engine.real_synapses import Array, Gradient, RealSynapses
from onchip.engine.state import State
from onchip.network.transforms import Dense
from onchip.program.program import Synapses
from onchip.rules.rule import bias_gradient


class DenseSynapses(RealSynapses):
    """All to all; `weight` is stored as [pre, post]: an input's weights lie side by side."""

    def __init__(self, synapses: Synapses, dtype: np.dtype) -> None:
        super().__init__(synapses, dtype)
        whole, has_bias = synapses.weights, synapses.always_on
        matrix = whole[:, :-1] if has_bias else whole
        self.weight = np.array(matrix.T, dtype=dtype, order="C")
        self.bias = whole[:, -1].astype(dtype) if has_bias else None

    def current(self, x: Array) -> Array:
        """W x + b."""
        x = x if x.ndim == 2 else x.reshape(len(x), -1)
        current = weighted_inputs(x, self.weight)
        if self.bias is not None:
            current += self.bias
        if self.plastic:
            self._advance(x)
        return current

    def send_back(self, factor: Array) -> Array:
        """W^T g."""
        factor = factor if factor.ndim == 2 else factor.reshape(len(factor), -1)
        return factor @ self.weight.T

    def gradient(self, factor: Array, signal: Array) -> Gradient:
        """As `RealSynapses.gradient`; the factor of a map is a row here."""
        factor = factor if factor.ndim == 2 else factor.reshape(len(factor), -1)
        if self._plain and not self.listens:
            return Gradient(factor, self.traces[0], self.bias_traces[0])
        return super().gradient(factor, signal.reshape(len(factor), -1))

    def arrays(self) -> State:
        """`weight` and `bias`."""
        found = {"weight": self.weight.T}
        return found if self.bias is None else {**found, "bias": self.bias}

    def learned(self) -> Array:
        """[post, pre], or [post, pre + 1]."""
        if self.bias is None:
            return self.weight.T.copy()
        return np.concatenate((self.weight.T, self.bias[:, np.newaxis]), axis=1)

    def add(self, gradient: Gradient, scale: float) -> None:
        """As `RealSynapses.add`, without a temporary matrix where it is not filtered."""
        _add_dense(self.weight, self.bias, gradient, scale)

    def accumulate(self, sums: State, gradient: Gradient) -> None:
        """As `RealSynapses.accumulate`."""
        _add_dense(sums["weight"].T, sums.get("bias"), gradient, 1.0)


class OtherSynapses(RealSynapses):
    """Synapses of any transform, by its verbs; `weight` is laid out as the transform's."""

    def __init__(self, synapses: Synapses, dtype: np.dtype) -> None:
        super().__init__(synapses, dtype)
        self.weight = synapses.weights.astype(dtype)

    def current(self, x: Array) -> Array:
        """What the transform transmits."""
        current: Array = self.synapses.transform.transmit(x, self.weight)
        if self.plastic:
            self._advance(x.reshape(len(x), -1))
        return current

    def send_back(self, factor: Array) -> Array:
        """What the transform sends back."""
        signal: Array = self.synapses.transform.send_back(factor, self.weight)
        return signal

    def arrays(self) -> State:
        """`weight`."""
        return {"weight": self.weight}

    def learned(self) -> Array:
        """The weights."""
        return self.weight.copy()

    def add(self, gradient: Gradient, scale: float) -> None:
        """As `RealSynapses.add`."""
        self.weight += scale * self._whole(gradient)

    def accumulate(self, sums: State, gradient: Gradient) -> None:
        """As `RealSynapses.accumulate`."""
        sums["weight"] += self._whole(gradient)

    def _whole(self, gradient: Gradient) -> Array:
        if gradient.whole is not None:
            return gradient.whole
        correlate = self.synapses.transform.correlate
        mean: Array = correlate(gradient.trace, gradient.factor).mean(axis=0)
        return mean


def _add_dense(weight: Array, bias: Array | None, gradient: Gradient, scale: float) -> None:
    """Add a gradient to `weight` [pre, post] and `bias` [post]."""
    factor, trace, bias_trace, whole, filtered_bias = gradient
    if whole is not None:
        weight += scale * whole.T
        if bias is not None and filtered_bias is not None:
            bias += scale * filtered_bias
        return
    add_outer(weight, trace, factor, scale / len(factor))
    if bias is not None:
        # One sample's sum is itself: reducing takes as long as the rest of a small layer.
        scaled = scale * bias_trace
        bias += factor[0] * scaled if len(factor) == 1 else bias_gradient(factor, scaled)


def make_real_synapses(synapses: Synapses, dtype: np.dtype) -> RealSynapses:
    """The engine's synapses in floating point."""
    kind = DenseSynapses if type(synapses.transform) is Dense else OtherSynapses
    return kind(synapses, dtype)
