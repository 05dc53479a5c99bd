"""The learning of the integer engine: factors, learning epochs and the random numbers they use.

An epoch is one algorithmic step of the schedule. All plastic synapses of the network learn in the
same epochs, also in those of which they receive nothing.
"""

from __future__ import annotations

import numpy as np

from onchip.arithmetic.loihi import TRACE_MAX, drop_lowest_bit
from onchip.engine.exact_sums import LARGEST_WEIGHT, IntegerConnection, exact_product, exact_type
from onchip.engine.integer_layers import IntegerLayer
from onchip.neurons.base import NeuronState
from onchip.program.integer_spec import FixedLearningSpec
from onchip.program.plasticity import gate_value
from onchip.program.teaching import third_factors
from onchip.program.timetable import Schedule, arrival_phase

Spikes = dict[str, tuple[np.ndarray, np.ndarray]]
"""Layer name -> (input spikes [pre], own spikes of the step before [post])."""

Factors = dict[str, np.ndarray]
"""Layer name -> y1, y2, y3 [3, post]."""


class EpochLearner:
    """Learning epochs of the layers from the lowest plastic one to the readout, one sample each.

    Call `start`, then `epoch` for every algorithmic step, then `finish`; for samples that only run,
    `idle`.
    """

    def __init__(
        self, learning: FixedLearningSpec, schedule: Schedule, layers: list[IntegerLayer]
    ) -> None:
        self._learning, self._schedule, self._layers = learning, schedule, layers
        self._matrices = {
            name: _converted(drop_lowest_bit(factor.matrix.T))
            for name, factor in learning.factors.items()
            if factor.matrix is not None
        }
        self.silent = self._silent_factors()

    @property
    def pipelined(self) -> bool:
        """Whether synapses learn one step late, from factors of the step before."""
        return self._schedule.period == 1

    def start(self) -> None:
        """Begin a sample: the epochs in which its first spikes travel through the layers below."""
        if self.pipelined:
            self._skip(self._schedule.depth - 1)

    def epoch(self, spikes: Spikes, factors: Factors) -> None:
        """One learning epoch of every plastic connection."""
        for layer in self._layers:
            phase = arrival_phase(self._schedule, layer.number)
            arrived = spikes.get(layer.spec.name, ())
            for connection, received in zip(layer.plastic_connections, arrived, strict=False):
                connection.learn(received, phase, factors[layer.spec.name])

    def finish(self, pending: Factors) -> None:
        """End a sample: the `pending` factors of a pipeline, accumulated updates, the traces."""
        if self.pipelined:
            self.epoch(self._silence(), pending)
        if self._learning.mode == "accumulate":
            self.epoch(self._silence(), self._silent_factors(open_gate=True))
            self.epoch(self._silence(), self.silent)
        for connection in self._connections():
            connection.forget()

    def drop(self) -> None:
        """Abandon a sample: its traces and tags to zero."""
        for connection in self._connections():
            connection.forget(tags=True)

    def idle(self, samples: int, steps: int) -> None:
        """Samples of `steps` that were only run: their epochs' random numbers are used up too."""
        around = self._schedule.sample_periods - self._schedule.time_steps
        self._skip(samples * (steps + around))

    def factors(self, output: np.ndarray, target: np.ndarray) -> Factors:
        """y1, y2, y3 [3, post] of each plastic layer, for `output` and one-hot `target` [classes].

        `silent` are those of a step without a target.
        """
        error = self._layers[-1].neurons.error(output, target)
        signal, above, factor = error, None, error
        factors = {}
        for layer in reversed(self._layers):
            if above is not None:
                sent = error if self._learning.feedback == "direct" else factor
                signal = self._sent_back(layer, above, sent)
            state = NeuronState(layer.neuron.u[0], layer.neuron.spikes[0])
            factor = layer.neurons.factor(signal, state)
            if layer.spec.plasticity is not None:
                online = self._learning.mode == "online"
                gate = gate_value(layer.spec.plasticity.rate, self._learning.mode) if online else 0
                factors[layer.spec.name] = third_factors(factor, gate)
            above = layer
        return factors

    def _connections(self) -> list[IntegerConnection]:
        return [c for layer in self._layers for c in layer.plastic_connections]

    def _skip(self, epochs: int) -> None:
        for connection in self._connections():
            connection.idle(epochs)

    def _sent_back(self, layer: IntegerLayer, above: IntegerLayer, sent: np.ndarray) -> np.ndarray:
        """B g: int64 [receiving]; the transposed live weights for exact feedback."""
        matrix = self._matrices.get(layer.spec.name)
        if matrix is None:
            assert above.incoming is not None
            matrix = above.incoming.weights[:, : layer.spec.output_shape[0]]
        return exact_product(sent, matrix, _largest_sum(sent.size))

    def _silent_factors(self, open_gate: bool = False) -> Factors:
        factors = {}
        for layer in self._layers:
            if layer.spec.plasticity is not None:
                gate = gate_value(layer.spec.plasticity.rate, self._learning.mode)
                zeros = np.zeros(layer.spec.output_shape, np.int64)
                factors[layer.spec.name] = third_factors(zeros, gate if open_gate else 0)
        return factors

    def _silence(self) -> Spikes:
        silence = {}
        for layer in self._layers:
            if layer.spec.plastic and layer.incoming is not None:
                inputs = np.zeros(layer.incoming.weights.shape[1], np.int64)
                silence[layer.spec.name] = (inputs, np.zeros(layer.spec.output_shape, np.int64))
        return silence


def _converted(matrix: np.ndarray) -> np.ndarray:
    """A fixed feedback matrix [sending, receiving] in the type in which its products are exact."""
    return matrix.astype(exact_type(_largest_sum(len(matrix))))


def _largest_sum(sending: int) -> int:
    return sending * LARGEST_WEIGHT * TRACE_MAX
