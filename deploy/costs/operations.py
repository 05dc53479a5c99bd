"""How many synapses something crosses: the counts that all costs are made of.

A synapse is one pair of neurons with a weight. A kernel's weight is a synapse at each position that
it is used at; taps on the padding are none. As NeuroBench counts (Yik et al. 2025), an operation
is *dense* for every synapse at every step, *effective* where neither the input nor the weight is
zero: an accumulate (AC) if all inputs of the step are -1, 0 or 1, else a multiply-accumulate (MAC).
"""

from __future__ import annotations

import numpy as np

from onchip.network.transform import Transform

Array = np.ndarray


def synapses_of(transform: Transform) -> int:
    """Return the number of a transform's synapses, no weight shared."""
    return crossed(transform, np.ones((1, transform.inputs)), np.ones_like(transform.weight))


def crossed(transform: Transform, inputs: Array, weight: Array) -> int:
    """Return the synapses with a weight that is not zero, from inputs that are not zero.

    `inputs` [batch, ...] of any values; the sum over the batch.
    """
    return _whole(_reached(transform, inputs, weight).sum())


def crossed_back(transform: Transform, sent: Array, weight: Array) -> int:
    """Return what `crossed` does of the way back: from outputs `sent` [batch, *output shape]."""
    mask = _mask(sent).reshape(len(sent), *transform.output_shape)
    return _whole(transform.send_back(mask, _mask(weight)).sum())


def met(transform: Transform, inputs: Array, outputs: Array) -> int:
    """Return the synapses of which neither the input nor the output is zero, any weight.

    `inputs` [batch, ...], `outputs` [batch, *output shape].
    """
    reached = _reached(transform, inputs, np.ones_like(transform.weight)).reshape(len(inputs), -1)
    return _whole((reached * _mask(outputs).reshape(len(inputs), -1)).sum())


def is_graded(values: Array) -> bool:
    """Return whether some value is none of -1, 0 and 1, which needs a multiplication."""
    return bool(np.any((values != 0) & (abs(values) != 1)))


def _reached(transform: Transform, inputs: Array, weight: Array) -> Array:
    """For each output the synapses that reach it."""
    reached: Array = transform.transmit(_mask(inputs), _mask(weight))
    return reached


def _mask(values: Array) -> Array:
    return (np.asarray(values) != 0).astype(np.float64)


def _whole(value: float) -> int:
    return round(float(value))
