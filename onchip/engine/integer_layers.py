"""The layers of the integer engine: connections, neurons and their state."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from onchip.arithmetic.accumulator import TAG_LIMITS
from onchip.arithmetic.loihi import (
    MEMBRANE_MAX,
    TRACE_MAX,
    WEIGHT_LIMITS,
    drop_lowest_bit,
    shift_activation,
)
from onchip.engine.exact_sums import IntegerConnection, exact_matrix
from onchip.engine.state import State
from onchip.network.convolution import conv2d
from onchip.network.spec import is_convolution
from onchip.neurons.base import NeuronState
from onchip.program.integer_layer_spec import (
    FixedConvSpec,
    FixedDenseSpec,
    FixedLayerSpec,
    with_bias,
    with_weights,
)
from onchip.program.integer_spec import FixedLearningSpec, FixedNetworkSpec
from onchip.program.plasticity import layer_synapses
from onchip.program.populations import IntegerPopulation
from onchip.program.timetable import Schedule

INTEGER_LIMITS = {
    "u": (-MEMBRANE_MAX, MEMBRANE_MAX),
    "spikes": (0, 1),
    "weight": WEIGHT_LIMITS,
    "bias_weight": WEIGHT_LIMITS,
    "recurrent_weight": WEIGHT_LIMITS,
    "tag": TAG_LIMITS,
    "recurrent_tag": TAG_LIMITS,
    "x1": (0, TRACE_MAX),
    "recurrent_x1": (0, TRACE_MAX),
    "epochs": (0, 2**62),
    "recurrent_epochs": (0, 2**62),
}
"""The ranges of a state's arrays."""


@dataclass
class IntegerLayer:
    """One layer: its specification, its neurons, its connections and its state.

    `received` is what its synapses got in the last step: input spikes [batch, pre] and the layer's
    own spikes of the step before [batch, post].
    """

    spec: FixedLayerSpec
    number: int
    neurons: IntegerPopulation
    incoming: IntegerConnection | None = None
    recurrent: IntegerConnection | None = None
    neuron: NeuronState = field(init=False)
    received: tuple[np.ndarray, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        """Convert a convolution's weights, which stay."""
        self._kernel: np.ndarray | None = None
        if isinstance(self.spec, FixedConvSpec):
            self._kernel = exact_matrix(drop_lowest_bit(self.spec.weight))

    @property
    def plastic_connections(self) -> list[IntegerConnection]:
        """The incoming and the recurrent connection of a plastic layer, those that exist."""
        if not self.spec.plastic:
            return []
        return [c for c in (self.incoming, self.recurrent) if c is not None]

    def reset(self, batch: int) -> None:
        """Zero membranes and spikes for a batch of samples."""
        zeros = np.zeros((batch, *self.spec.output_shape), np.int64)
        self.neuron = NeuronState(zeros, zeros)

    def state(self) -> State:
        """u and spikes [batch, ...]; of plastic layers what `IntegerConnection.arrays` holds."""
        state = {"u": self.neuron.u, "spikes": self.neuron.spikes}
        for prefix, connection in self._named_connections():
            state |= {prefix + name: array for name, array in connection.arrays().items()}
        if self.spec.plastic and self.spec.bias_weight is not None:
            weight = state["weight"]
            state |= {"weight": weight[:, :-1], "bias_weight": weight[:, -1]}
        return state

    def restore(self, state: State) -> None:
        """Take over a state of the same names and shapes."""
        self.neuron = NeuronState(state["u"], state["spikes"])
        if "bias_weight" in state:
            weight = np.column_stack((state["weight"], state["bias_weight"]))
            state = {**state, "weight": weight}
        for prefix, connection in self._named_connections():
            names = ("weight", "tag", "x1", "epochs")
            connection.restore({name: state[prefix + name] for name in names})

    def learned(self) -> FixedLayerSpec:
        """The layer's spec with its present weights."""
        spec = self.spec
        if not isinstance(spec, FixedDenseSpec) or not spec.plastic:
            return spec
        assert self.incoming is not None
        recurrent = None if self.recurrent is None else self.recurrent.weights
        return with_weights(spec, self.incoming.weights, recurrent)

    def activation(self, x: np.ndarray) -> np.ndarray:
        """What the synapses send for input [batch, ...]: int64 [batch, *output_shape]."""
        if self._kernel is not None:
            return self._convolve(x, self._kernel)
        assert self.incoming is not None
        self.received = (self._inputs(x), self.neuron.spikes)
        activation = self.incoming.activation(self.received[0])
        if self.recurrent is not None:
            activation = activation + self.recurrent.activation(self.neuron.spikes)
        return activation

    def fire(self, activation: np.ndarray) -> np.ndarray:
        """Advance the neurons; returns the output [batch, *output_shape]."""
        output, self.neuron = self.neurons.step(activation, self.neuron)
        return output

    def _named_connections(self) -> list[tuple[str, IntegerConnection]]:
        """The plastic ones with the prefix of their arrays in a state."""
        prefixes = ("", "recurrent_")
        return list(zip(prefixes, self.plastic_connections, strict=False))

    def _inputs(self, x: np.ndarray) -> np.ndarray:
        """Input spikes [batch, pre], with the always-on unit where there is one."""
        x = x.reshape(len(x), -1)
        if self.spec.bias_weight is None:
            return x
        return np.concatenate((x, np.ones((len(x), 1), x.dtype)), axis=1)

    def _convolve(self, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        spec = self.spec
        assert isinstance(spec, FixedConvSpec)
        x = x.reshape(len(x), *spec.input_shape).astype(kernel.dtype)
        sums = conv2d(x, kernel, None, spec.stride, spec.padding)
        return shift_activation(sums.astype(np.int64), spec.weight_exponent)


def load_layers(spec: FixedNetworkSpec, schedule: Schedule | None) -> list[IntegerLayer]:
    """The network's layers; the dense ones are numbered from 1 in `schedule`."""
    trunk = sum(is_convolution(layer) for layer in spec.layers)
    return [
        _load(layer, number, schedule, spec.learning)
        for number, layer in enumerate(spec.layers, start=1 - trunk)
    ]


def _load(
    spec: FixedLayerSpec, number: int, schedule: Schedule | None, learning: FixedLearningSpec | None
) -> IntegerLayer:
    layer = IntegerLayer(spec, number, IntegerPopulation(spec, learning))
    if not isinstance(spec, FixedDenseSpec):
        return layer

    def connect(weights: np.ndarray, recurrent: bool) -> IntegerConnection:
        synapses = None
        if schedule is not None:
            synapses = layer_synapses(schedule, spec, learning, number, recurrent)
        return IntegerConnection(weights, spec.weight_exponent, synapses)

    layer.incoming = connect(with_bias(spec), False)
    if spec.recurrent_weight is not None:
        layer.recurrent = connect(spec.recurrent_weight, True)
    return layer
