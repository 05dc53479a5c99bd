"""A network of spike times executed event by event, in NumPy.

A neuron holds S, the sum of the weights that have arrived, and A, that of w z: its membrane is
V = S - A / z, and with what has arrived it would reach 1 at z = A / (S - 1). Every spike, an
input's or a neuron's, changes S and A of its targets and with them when they are due; the
earliest event comes next. Nothing is sorted and no prefix is looked for: this is the oracle of
`closed_form`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onchip.models.spike_times.times import to_times, to_z


def run_events(
    weights: Sequence[np.ndarray], times: np.ndarray, time_constant: float = 1.0
) -> tuple[list[np.ndarray], int]:
    """Spike times of every layer, infinity for "never", and the number of events of one sample.

    `weights` are [post, pre] from input to output, `times` [inputs]. A neuron that is due at the
    very time of another input fires first. Raises ValueError for times out of range or shape.
    """
    inputs = to_z(times, time_constant)
    if inputs.shape != (weights[0].shape[1],):
        raise ValueError(
            f"events: input times have shape {inputs.shape}; they must be [{weights[0].shape[1]}]"
        )
    layers = [_Layer(np.asarray(weight, dtype=np.float64)) for weight in weights]
    events = 0
    while True:
        due = [layer.due.min() for layer in layers]
        source = int(np.argmin([*due, inputs.min()]))  # on a tie a neuron, not an input
        now = min(*due, inputs.min())
        if np.isinf(now):
            return [to_times(layer.fired, time_constant) for layer in layers], events
        events += 1
        if source == len(layers):
            neuron = int(np.argmin(inputs))
            inputs[neuron] = np.inf
            layers[0].receive(neuron, now)
            continue
        neuron = layers[source].fire()
        if source + 1 < len(layers):
            layers[source + 1].receive(neuron, now)


class _Layer:
    """Sums and due times of a layer's neurons, all [post]."""

    def __init__(self, weight: np.ndarray) -> None:
        self.weight = weight
        self.total, self.drive = np.zeros(len(weight)), np.zeros(len(weight))
        self.due, self.fired = np.full(len(weight), np.inf), np.full(len(weight), np.inf)

    def receive(self, source: int, z: float) -> None:
        """Take a spike of input `source` at `z`; neurons that have fired stay silent."""
        self.total += self.weight[:, source]
        self.drive += self.weight[:, source] * z
        open_ = np.isinf(self.fired) & (self.total > 1)
        self.due = np.full(len(self.due), np.inf)
        self.due[open_] = self.drive[open_] / (self.total[open_] - 1)

    def fire(self) -> int:
        """Let the neuron that is due first fire, for good."""
        neuron = int(np.argmin(self.due))
        self.fired[neuron], self.due[neuron] = self.due[neuron], np.inf
        return neuron
