"""The layers of the integer engine: connections, plastic or frozen, and neurons with state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from onchip.convolution import conv2d
from onchip.fixed_point.layer_spec import FixedConvSpec, FixedDenseSpec, FixedLayerSpec
from onchip.fixed_point.layers import FixedLayer
from onchip.fixed_point.synapses import (
    FixedSynapses,
    LearningDraws,
    SynapseState,
    drop_lowest_bit,
    initial_state,
    shift_activation,
    synapse_epoch,
)
from onchip.neurons import NeuronState

SINGLE_PRECISION_INPUTS = 2**24 // 2**8
"""Up to as many weights of -256..255 sum exactly in 32-bit floating point."""


class Connection:
    """Synapses into a layer: their weights, and how they learn where they do."""

    def __init__(self, weights: np.ndarray, exponent: int, synapses: FixedSynapses | None) -> None:
        self._exponent = exponent
        self._synapses = synapses
        if synapses is None:
            self._frozen = drop_lowest_bit(weights)
        else:
            self.state: SynapseState = initial_state(weights)
            self._draws = LearningDraws(synapses)

    @property
    def weights(self) -> np.ndarray:
        """The present weights, int64 [post, pre]."""
        return self._frozen if self._synapses is None else self.state.weights

    def activation(self, spikes: np.ndarray) -> np.ndarray:
        """(W s) 2^exponent for `spikes` [batch, pre]: int64 [batch, post]."""
        dtype = np.float32 if spikes.shape[-1] <= SINGLE_PRECISION_INPUTS else np.float64
        sums = spikes.astype(dtype) @ self.weights.T.astype(dtype)
        return shift_activation(sums.astype(np.int64), self._exponent)

    def learn(self, spikes: np.ndarray, phase: int, factors: np.ndarray) -> None:
        """One epoch: `spikes` [pre] in step `phase`, factors [3, post] at its end."""
        if self._synapses is not None:
            self.state = synapse_epoch(
                self.state, spikes, phase, factors, self._synapses, self._draws
            )

    def idle(self, epochs: int) -> None:
        """Pass over epochs in which nothing is learned and the traces are not needed."""
        if self._synapses is not None:
            self._draws.skip(epochs)

    def forget(self) -> None:
        """Zero the traces between samples."""
        if self._synapses is not None:
            self.state = self.state._replace(x1=np.zeros_like(self.state.x1))


@dataclass
class EngineLayer:
    """One layer: its specification, its neurons, its connections and its state."""

    spec: FixedLayerSpec
    number: int
    neurons: FixedLayer
    incoming: Connection | None = None
    recurrent: Connection | None = None
    neuron: NeuronState = field(init=False)

    @property
    def plastic_connections(self) -> list[Connection]:
        """The incoming and the recurrent connection of a plastic layer, those that exist."""
        if not self.spec.plastic:
            return []
        return [c for c in (self.incoming, self.recurrent) if c is not None]

    def reset(self, batch: int) -> None:
        """Zero membranes and spikes for a batch of samples."""
        zeros = np.zeros((batch, *self.spec.output_shape), np.int64)
        self.neuron = NeuronState(zeros, zeros)

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Input spikes [batch, pre], with the always-on unit where there is one."""
        x = x.reshape(len(x), -1)
        if self.spec.bias_weight is None:
            return x
        return np.concatenate((x, np.ones((len(x), 1), x.dtype)), axis=1)

    def activation(self, x: np.ndarray) -> np.ndarray:
        """What the synapses send for input [batch, ...]: int64 [batch, *output_shape]."""
        if isinstance(self.spec, FixedConvSpec):
            return self._convolve(x)
        assert self.incoming is not None
        activation = self.incoming.activation(self.inputs(x))
        if self.recurrent is not None:
            activation = activation + self.recurrent.activation(self.neuron.spikes)
        return activation

    def fire(self, activation: np.ndarray) -> np.ndarray:
        """Advance the neurons; returns the output [batch, *output_shape]."""
        output, self.neuron = self.neurons.step(activation, self.neuron)
        return output

    def _convolve(self, x: np.ndarray) -> np.ndarray:
        spec = self.spec
        assert isinstance(spec, FixedConvSpec)
        x = x.reshape(len(x), *spec.input_shape).astype(np.float64)
        weight = drop_lowest_bit(spec.weight).astype(np.float64)
        sums = conv2d(x, weight, None, spec.stride, spec.padding)
        return shift_activation(sums.astype(np.int64), spec.weight_exponent)


def third_factors(factor: np.ndarray, gate: int) -> np.ndarray:
    """y1, y2, y3 [3, post] for g [post] in -127..127: -g as two unsigned parts, and the gate."""
    return np.stack((np.maximum(-factor, 0), np.maximum(factor, 0), np.full_like(factor, gate)))


def with_bias(spec: FixedDenseSpec) -> np.ndarray:
    """Weights [post, pre], those of the always-on unit (if there is one) as a last column."""
    if spec.bias_weight is None:
        return spec.weight
    return np.concatenate((spec.weight, spec.bias_weight[:, np.newaxis]), axis=1)


def with_weights(
    spec: FixedDenseSpec, weights: np.ndarray, recurrent: np.ndarray | None
) -> FixedDenseSpec:
    """The layer with learned weights, laid out as `with_bias` does."""
    if spec.bias_weight is None:
        return replace(spec, weight=weights, recurrent_weight=recurrent)
    return replace(
        spec, weight=weights[:, :-1], bias_weight=weights[:, -1], recurrent_weight=recurrent
    )


def exact_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`left` @ `right` of integers below 2^53 in all sums, by way of floating point: int64."""
    product: np.ndarray = left.astype(np.float64) @ right.astype(np.float64)
    return product.astype(np.int64)
