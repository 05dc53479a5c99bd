"""What the fast models of `Dense` and `LearningDense` share: spikes in, activations out.

They have the stock models' Vars and ports. A step gathers the weights of the inputs that spike;
nothing larger than the weights is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.loihi import shift_activation
from onchip.lava.fast.input_sums import (
    nonzero,
    stored_by_input,
    stored_by_output,
    stored_for_blas,
    summed_inputs,
    summed_payloads,
)
from onchip.lava.processes.halves import SpikeHalves

# The mixins stand before Lava's base classes and use their attributes: `self: Any` says so.


class FastSynapses(SpikeHalves):
    """What all four models do: `matrices` names the Vars [post, pre], of type `dtype`, and `store`
    gives the order in memory that binary spikes are fast in.
    """

    matrices: tuple[str, ...] = ("weights",)

    def run_spk_sending(self: Any) -> None:
        """The first half of `run_spk`, which waits for nobody."""
        self._prepare_weights()
        self.a_out.send(self.a_buff)

    def run_spk_receiving(self: Any) -> None:
        """The second half of `run_spk`."""
        self._receive(self.s_in.recv())

    def _receive(self: Any, spikes: np.ndarray) -> np.ndarray | None:
        """Sum up what the spikes give; the indices of the spiking inputs, if they were needed."""
        graded = self.num_message_bits.item() > 0
        weights = self._kept("weights", graded)
        if graded:
            active, sums = None, summed_payloads(weights, spikes)
        else:
            active = nonzero(spikes)
            sums = summed_inputs(weights, active)
        self.a_buff = self._activation(sums)
        return active

    def _kept(self: Any, name: str, graded: bool) -> np.ndarray:
        """A Var [post, pre], brought to the order in memory that it is fast in, if need be.

        There is no copy beside it, so what others read, write or replace is what counts.
        """
        matrix = getattr(self, name)
        store = stored_by_output if graded else self.store
        stored: np.ndarray = store(matrix, self.dtype)
        if stored is not matrix:
            setattr(self, name, stored)
        return stored

    def _set_var(self: Any) -> None:
        # Lava sets a Var in the order of its memory, which must be row-major then.
        for name in self.matrices:
            setattr(self, name, np.ascontiguousarray(getattr(self, name)))
        super()._set_var()  # type: ignore[misc]


class FloatSynapses(FastSynapses):
    """Those in floating point."""

    dtype, store = np.float64, staticmethod(stored_for_blas)

    def _prepare_weights(self) -> None:
        """Floats are used as they are."""

    def _activation(self, sums: np.ndarray) -> np.ndarray:
        return sums


class IntegerSynapses(FastSynapses):
    """Those in integers."""

    dtype, store = np.int32, staticmethod(stored_by_input)

    def _prepare_weights(self: Any) -> None:
        """At the first step the weights become what the chip can hold."""
        if not self.weights_set:
            self.weights = self._whole_weights(self.proc_params.get("num_weight_bits", 8))
            self.weights_set = True

    def _activation(self: Any, sums: np.ndarray) -> np.ndarray:
        return shift_activation(sums, self.weight_exp)
