"""Plastic synapses in integers whose weights are shared: convolutions, and the bias of a map.

`onchip.engine.shared_updates` has the equations. A trace x1 belongs to an input, as it does for
dense synapses; the third factors are those of all positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from onchip.arithmetic.accumulator import TAG_LIMITS, Product
from onchip.arithmetic.loihi import WEIGHT_LIMITS
from onchip.engine.exact_sums import exact_matrix, exact_type
from onchip.engine.integer_synapses import LoihiSynapses, largest_sum
from onchip.engine.loihi_synapses import at_epoch, at_epochs_end, learned_state
from onchip.engine.position_sums import encoded, summed_products
from onchip.engine.shared_updates import update_shared
from onchip.network.convolution import Convolution
from onchip.network.transforms import Bias
from onchip.program.program import Synapses

Array = np.ndarray


class SharedIntegerSynapses(LoihiSynapses):
    """Synapses of a `Convolution` [out, in, kernel_h, kernel_w] or a `Bias` [channels] that learn.

    `learning` is a `SynapseState` whose weights and tags lie as the transform's and whose factors
    are [3, *target shape].
    """

    def __init__(self, synapses: Synapses) -> None:
        super().__init__(synapses)
        self._sees = _sees(synapses)
        assert self._rule is not None
        if any("w" in product.factors for product in (*self._rule.dw, *self._rule.dt)):
            raise ValueError(
                f"synapses {synapses.name!r}: shared weights do not learn by products of their own "
                "weight, w; use x1, t and third factors"
            )

    @property
    def _inputs(self) -> int:
        """As `LoihiSynapses._inputs`."""
        return self.synapses.transform.inputs

    def _sums(self, x: Array) -> Array:
        if self._matrix is None:
            self._matrix = exact_matrix(self.weights)
        sums: Array = self.synapses.transform.transmit(x.astype(self._matrix.dtype), self._matrix)
        return sums.astype(np.int64)

    def send_back(self, factor: Array) -> Array:
        """What the present weights send back: int64 [inputs]."""
        dtype = exact_type(largest_sum(self.weights.size))
        transform = self.synapses.transform
        weights: Array = self.weights.astype(dtype)
        signal: Array = transform.send_back(factor[np.newaxis].astype(dtype), weights)
        return signal[0].astype(np.int64)

    def learn(self, spikes: Array, phase: int, factors: Array) -> None:
        """As `LoihiSynapses.learn`; factors [3, *target shape]."""
        assert self._rule is not None
        rule, draws = self._rule, next(self.draws)
        state = at_epoch(self.learning, spikes, phase, factors, rule)
        inputs, y = at_epochs_end(state, rule, draws)
        sees = _Positions(self._sees, inputs, y.reshape(3, len(state.weights), -1), state.weights)
        # The weights' rule reads the old tags, and both read the old weights.
        weights = update_shared(
            state.weights, rule.dw, state.tag, sees, draws.synapse, WEIGHT_LIMITS
        )
        tag = update_shared(state.tag, rule.dt, state.tag, sees, draws.synapse, TAG_LIMITS)
        if weights is not state.weights:
            self._matrix = None
        self.learning = learned_state(state, weights, tag, inputs)


class _Positions:
    """A `Layout`: what the weights see in one epoch; `y` [3, out, positions]."""

    def __init__(
        self, sees: _Taps | _Unit, inputs: Mapping[str, Array], y: Array, weights: Array
    ) -> None:
        self._sees, self._inputs, self._shape = sees, inputs, weights.shape
        self._y = dict(zip(("y1", "y2", "y3"), y, strict=True))
        self._acts = {name: bool(values.any()) for name, values in self._y.items()}

    def sums(self, products: Sequence[Product]) -> list[Array]:
        """As `Layout.sums`; all products are of the same inputs."""
        pre = np.prod([self._inputs[name] for name in products[0].of_inputs], axis=0)
        codes, values = encoded(pre)
        posts = [self._post(product) for product in products]
        totals = summed_products(products, self._sees.of(codes), values, posts)
        return [total.T.reshape(self._shape) for total in totals]

    def _post(self, product: Product) -> Array:
        """Mantissa and third factors multiplied: int32 [positions, out]."""
        total = np.full_like(self._y["y1"], product.mantissa)
        for name in product.of_outputs:
            total = total * self._y[name]
        return np.ascontiguousarray(total.T)

    def gate(self, name: str) -> Array:
        """As `Layout.gate`; ValueError where positions disagree."""
        values = self._y[name]
        if (values != values[:, :1]).any():
            raise ValueError(
                f"shared weights: {name} gates a tag, which all positions share, but differs "
                "between the positions of an output channel; send the same value at all of them"
            )
        return values[:, 0].reshape(-1, *(1 for _ in self._shape[1:]))

    def acts(self, name: str) -> bool:
        """As `Layout.acts`."""
        return self._acts[name]


class _Taps:
    """Lays side by side what each position of a convolution sees (im2col), in one buffer."""

    def __init__(self, convolution: Convolution) -> None:
        channels, height, width = convolution.input_shape
        (above, beside), kernel = convolution.padding, convolution.weight.shape[2:]
        padded = np.zeros((channels, height + 2 * above, width + 2 * beside), np.int16)
        self._inside = padded[:, above : above + height, beside : beside + width]
        windows: Array = sliding_window_view(padded, kernel, axis=(1, 2))  # type: ignore[call-overload]
        down, across = convolution.stride
        self._windows = windows[:, ::down, ::across].transpose(1, 2, 0, 3, 4)
        self._laid = np.empty(self._windows.shape, np.int16)

    def of(self, x: Array) -> Array:
        """What each position sees of inputs [inputs]: [positions, taps]."""
        self._inside[...] = x.reshape(self._inside.shape)
        self._laid[...] = self._windows
        return self._laid.reshape(-1, int(np.prod(self._laid.shape[2:])))


class _Unit:
    """Every position of a map sees the unit that is always on."""

    def __init__(self, bias: Bias) -> None:
        self._positions = int(np.prod(bias.shape[1:]))

    def of(self, x: Array) -> Array:
        """What each position sees of the unit [1]: [positions, 1]."""
        return np.broadcast_to(x.reshape(1, 1), (self._positions, 1))


def _sees(synapses: Synapses) -> _Taps | _Unit:
    transform = synapses.transform
    if type(transform) is Bias:
        return _Unit(transform)
    if type(transform) is not Convolution:
        raise ValueError(
            f"synapses {synapses.name!r}: {type(transform).__name__} has no integer form that "
            "learns; leave it frozen, or learn in floating point"
        )
    return _Taps(transform)
