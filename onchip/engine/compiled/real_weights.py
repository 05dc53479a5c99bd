"""The weights of an engine of real numbers in one flat array, as the kernels read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from onchip.engine.compiled.columns import ALWAYS_ON, COUNT, DENSE, MAP, PLASTIC, POST, PRE, WEIGHTS
from onchip.engine.compiled.maps import laid_out, put_back
from onchip.engine.compiled.rooms import zeros
from onchip.engine.compiled.wiring import Wiring, weights_of

Array = np.ndarray


class RealWeights:
    """`flat`, real [all weights]; a row of the table "connections" says where each one's lie.

    The engine's dense weights and biases become views of it, the same for both. Shared ones lie
    otherwise here and are copied: `take` from the engine's synapses, `give_back` to them.
    """

    def __init__(self, wiring: Wiring, synapses: Sequence[Any], dtype: np.dtype) -> None:
        """Take over the weights of the engine's `synapses`, in the order of the connections."""
        self.flat: Array = zeros(weights_of(wiring), dtype)
        self._wiring, self._synapses = wiring, synapses
        self._taken = self._ahead = False
        for row, own, group in self._connections():
            if row[MAP] != DENSE:
                continue
            pre, rows = row[PRE], own.reshape(-1, row[POST])
            rows[:pre] = group.weight
            group.weight = rows[:pre]
            if row[ALWAYS_ON]:
                rows[pre] = group.bias
                group.bias = rows[pre]

    def take(self) -> None:
        """Copy the engine's shared weights, if they may have changed."""
        if self._taken:
            return
        self._taken = True
        for row, own, group in self._connections():
            if row[MAP] != DENSE:
                own[:] = laid_out(group.synapses.transform, group.weight)

    def forget(self) -> None:
        """The engine's weights may change from here on."""
        self._taken = False

    def learn(self) -> None:
        """Kernels change `flat` from here on."""
        self._ahead = True

    def give_back(self) -> None:
        """Write shared weights that were learned to the engine's arrays."""
        if not self._ahead:
            return
        self._ahead = False
        for row, own, group in self._connections():
            if row[PLASTIC] and row[MAP] != DENSE:
                put_back(own, group.synapses.transform, group.weight)

    def _connections(self) -> Iterator[tuple[Array, Array, Any]]:
        """Each connection's row, its weights in `flat` and the engine's synapses."""
        for row, group in zip(self._wiring.connections, self._synapses, strict=True):
            yield row, self.flat[row[WEIGHTS] : row[WEIGHTS] + row[COUNT]], group
