"""How far the output of a readout reaches in the chip's integers, and the exponent that holds it.

A readout's membrane saturates at +-(2^23 - 1): outputs beyond it are all alike, and a class is
chosen among equals without a word. Two inputs must fit, of weights and biases as they are:

- one step in which all inputs whose weights have one sign spike,
- a sample in which every input spikes at every step, from a membrane at rest.

The second is what weights that add up one way bring, prototypes for one. Weights of both signs that
are hit by nothing but one of them for a whole sample may reach further in a readout with a memory.
An exponent lower by one halves the membrane and leaves every weight as it is. Neurons that spike
have their threshold for a scale: it lies so low in the membrane that one above 16 of them fires on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from onchip.arithmetic.loihi import (
    ALIGNMENT_BITS,
    MEMBRANE_MAX,
    WEIGHT_EXPONENT_MIN,
    shift_activation,
)
from onchip.arithmetic.real import REAL
from onchip.deploy.quantization.scales import Scale
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.neurons.base import Neuron
from onchip.program.chip_network import ChipNetwork

Array = np.ndarray


class Sums(NamedTuple):
    """Integer weights of one connection summed over its inputs, by sign: int64 [outputs] each.

    `plus` of those above 0, `minus` of those below, both positive; `exponent` shifts them.
    """

    plus: Array
    minus: Array
    exponent: int


def sums_of(weight: Array, exponent: int) -> Sums:
    """Return the sums of a matrix [outputs, inputs]."""
    whole = weight.astype(np.int64)
    return Sums(np.maximum(whole, 0).sum(axis=1), np.maximum(-whole, 0).sum(axis=1), exponent)


def reach(into: Iterable[Sums], bias: Array | None, neuron: Neuron, steps: int) -> float:
    """Return the largest size of a readout's output in `steps` steps, in membrane integers.

    `bias` [outputs] in membrane integers, `neuron` with constants that the chip holds.
    """
    constant = np.zeros(1, np.int64) if bias is None else bias.astype(np.int64)
    above, below, every = np.maximum(constant, 0), np.maximum(-constant, 0), constant
    for sums in into:
        above = above + _current(sums.plus, sums.exponent)
        below = below - _current(-sums.minus, sums.exponent)
        every = every + _current(sums.plus - sums.minus, sums.exponent)
    one_step = max(np.max(above), np.max(below))
    return float(max(one_step, _held_throughout(every.astype(float), neuron, steps)))


def reached(chip: ChipNetwork, name: str) -> float:
    """Return the `reach` of a readout of a graph."""
    readout: Any = chip.population(name)
    shapes = {INPUT: chip.input_shape} | {p.name: p.shape for p in chip.populations}
    into = [c for c in chip.connections if c.target == name and c.source != ALWAYS_ON]
    bias = None
    if readout.bias is not None:
        bias = np.repeat(readout.bias, readout.size // len(readout.bias))
    sums = (_connection_sums(c, shapes[c.source]) for c in into)
    return reach(sums, bias, readout.neuron, chip.time_steps)


def highest_exponent(weight: Array, neuron: Neuron, steps: int) -> int:
    """Return the largest exponent, at most 0, with which a readout of integers holds its output.

    `weight` [outputs, inputs] is all that leads to it. Raises ValueError where none does.
    """
    exponent = 0
    while (found := reach([sums_of(weight, exponent)], None, neuron, steps)) > MEMBRANE_MAX:
        if exponent == WEIGHT_EXPONENT_MIN:
            raise ValueError(beyond(found))
        exponent -= 1
    return exponent


def lowered(scale: Scale, found: float) -> Scale:
    """Return the scale of the next lower exponent, for an output that reaches `found` integers.

    Raises ValueError where the exponent is the lowest.
    """
    if scale.weight_exponent == WEIGHT_EXPONENT_MIN:
        raise ValueError(beyond(found))
    unit, exponent = 2 * scale.membrane_unit, scale.weight_exponent - 1
    return scale._replace(membrane_unit=unit, weight_exponent=exponent)


def beyond(found: float) -> str:
    """Return the error about an output that no exponent holds."""
    return (
        f"its output reaches {found:.3g} membrane integers at the lowest exponent, "
        f"{WEIGHT_EXPONENT_MIN}, more than the {MEMBRANE_MAX} that 24 bits hold; give it fewer "
        "inputs or time steps, or weights that do not all add up one way"
    )


def warn_without_exponents(name: str, found: float) -> None:
    """Warn of an output that an exponent would hold, where lava-dl's netx reads none."""
    warnings.warn(
        f"layer {name!r}: its output may reach {found:.3g} membrane integers, more than the "
        f"{MEMBRANE_MAX} that 24 bits hold, where it saturates; netx reads no weight exponents: "
        "quantize without netx, or give it fewer inputs or time steps",
        stacklevel=2,
    )


def _connection_sums(connection: Any, shape: tuple[int, ...]) -> Sums:
    weight, everywhere = connection.transform.weight, np.ones((1, *shape))

    def summed(part: Array) -> Array:
        sums: Array = connection.transform.transmit(everywhere, np.maximum(part, 0))
        return sums.reshape(-1).astype(np.int64)

    return Sums(summed(weight), summed(-weight), connection.exponent)


def _current(sums: Array, exponent: int) -> Array:
    return shift_activation(sums, exponent) << ALIGNMENT_BITS


def _held_throughout(current: Array, neuron: Neuron, steps: int) -> float:
    """The largest output where the same current comes at every step."""
    state, largest = neuron.start(np.zeros_like(current)), 0.0
    for _ in range(steps):
        output, state = neuron.step(current, state, REAL)
        largest = max(largest, float(np.abs(output).max()))
    return largest
