"""Frozen convolutions as Lava's own `Conv`, between this project's flat maps and Lava's images.

Lava orders images (x, y, channels) and flips kernels; its integers know no exponent, keep weights
as they are and wrap sums around at 24 bits. Here the lowest bit is dropped as all other synapses of
mixed sign drop it, the exponent shifts what comes out, and sums that could wrap are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.conv.process import Conv

from onchip.arithmetic.loihi import MEMBRANE_MAX, drop_lowest_bit
from onchip.lava.fast.convolution import to_lava_kernel
from onchip.lava.processes.reorder import Reorder
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.parts import INPUT
from onchip.program.program import Synapses

GRADED_BITS = 24
"""Message width of frames in floating point, which only marks them as graded."""


@dataclass(frozen=True)
class LavaConvolution:
    """A `Conv` with flat ports: `s_in` [inputs] and `a_out` [outputs], as other synapses have."""

    name: str
    process: Conv
    before: Reorder
    behind: Reorder

    @property
    def s_in(self) -> Any:
        """Where spikes come in, in the order (channel, row, column)."""
        return self.before.s_in

    @property
    def a_out(self) -> Any:
        """Where currents go out, in the same order."""
        return self.behind.s_out

    @property
    def processes(self) -> tuple[AbstractProcess, ...]:
        """All three."""
        return self.before, self.process, self.behind


def frozen_convolution(synapses: Synapses) -> LavaConvolution:
    """Return the processes of a frozen convolution, also of one that enlarges maps.

    Frames in floating point may be currents, all else are spikes. Raises ValueError for integers
    whose sums Lava would wrap around.
    """
    transform: Any = synapses.transform
    enlarge, first = getattr(transform, "enlarge", 1), getattr(transform, "enlarge_first", False)
    plain: Convolution = (
        transform.plain if isinstance(transform, EnlargingConvolution) else transform
    )
    whole = np.issubdtype(synapses.weights.dtype, np.integer)
    weights = drop_lowest_bit(synapses.weights) if whole else synapses.weights
    if whole:
        _require_no_wrap(synapses.name, weights)
    process = Conv(
        weight=to_lava_kernel(weights),
        input_shape=_image(plain.input_shape),
        stride=plain.stride[::-1],
        padding=plain.padding[::-1],
        num_message_bits=GRADED_BITS if synapses.source == INPUT and not whole else 0,
        name=f"{synapses.name}.convolution",
    )
    before = Reorder(
        shape=(transform.inputs,),
        places=_flat_places(transform.input_shape, enlarge if first else 1).transpose(2, 1, 0),
        name=f"{synapses.name}.image",
    )
    behind = Reorder(
        shape=process.a_out.shape,
        places=_image_places(plain.output_shape, 1 if first else enlarge),
        exponent=synapses.exponent,
        name=f"{synapses.name}.maps",
    )
    before.s_out.connect(process.s_in)
    process.a_out.connect(behind.s_in)
    return LavaConvolution(synapses.name, process, before, behind)


def _image(shape: tuple[int, ...]) -> tuple[int, int, int]:
    channels, rows, columns = shape
    return columns, rows, channels


def _flat_places(shape: tuple[int, ...], side: int) -> np.ndarray:
    """The places of maps in the flat order [channels, rows, columns], each over side x side."""
    places = np.arange(int(np.prod(shape))).reshape(shape)
    return places.repeat(side, axis=1).repeat(side, axis=2)


def _image_places(shape: tuple[int, ...], side: int) -> np.ndarray:
    """For each of the flat maps' values its place in a flattened image (x, y, channel)."""
    channels, rows, columns = shape
    places = np.arange(channels * rows * columns).reshape(columns, rows, channels)
    return places.transpose(2, 1, 0).repeat(side, axis=1).repeat(side, axis=2).reshape(-1)


def _require_no_wrap(name: str, weights: np.ndarray) -> None:
    reach = int(np.abs(weights.reshape(len(weights), -1)).sum(axis=1).max())
    if reach > MEMBRANE_MAX:
        raise ValueError(
            f"synapses {name!r}: the weights of an output add up to {reach}, and Lava's Conv wraps "
            f"sums beyond {MEMBRANE_MAX}; use smaller weights or backend lava-fused"
        )
