"""Fast process models for Lava's stock `Conv`: the same numbers, a matrix product a step.

`onchip.lava.run_config.FastSimCfg` chooses them in the place of the stock models.

The stock models (lava-nc 0.10.0, proc/conv/models.py) convolve each pair of channels by itself, in
64-bit floating point. Integers are equal to theirs in every bit, floating point up to the order of
summation (1e-12 relative). Where the stock models go wrong these are right, or refuse:

- *Sums of 2^31 and more* in magnitude become 0 in the stock integers (a cast that overflows); here
  they wrap around at 24 bits as all smaller ones do.
- *More than 127 groups*, kernels that dilation spreads over more than 127 pixels and paddings over
  127 overflow the stock models' 8-bit variables (zeros or an exception); here they work.
- *A weight with more input channels than a group has* is cut short silently; here it is refused.
- *weight_exp* is ignored silently; here any but 0 is refused.

As in the stock models integer weights are neither clipped nor truncated to `num_weight_bits`: they
may be any 32-bit integers, more than the chip holds. With `num_message_bits` 0 every input that is
not 0 counts as one spike.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.conv.process import Conv

from onchip.lava.fast.convolution import ExactConvolution, Patches, convolve, stock_geometry


class _FastConvModel(PyLoihiProcessModel):
    """What both precisions share; a subclass says how one input is convolved."""

    a_buf: np.ndarray

    kernel_size: np.ndarray = LavaPyType(np.ndarray, np.int64)
    stride: np.ndarray = LavaPyType(np.ndarray, np.int64)
    padding: np.ndarray = LavaPyType(np.ndarray, np.int64)
    dilation: np.ndarray = LavaPyType(np.ndarray, np.int64)
    groups: np.ndarray = LavaPyType(np.ndarray, np.int64)
    num_message_bits: np.ndarray = LavaPyType(np.ndarray, np.int64)
    weight_exp: np.ndarray = LavaPyType(np.ndarray, np.int64)
    num_weight_bits: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._geometry = stock_geometry(proc_params)

    def run_spk(self) -> None:
        """Send what the last input gave; take the new one."""
        self.run_spk_sending()
        self.run_spk_receiving()

    def run_spk_sending(self) -> None:
        """The first half of `run_spk`, which waits for nobody."""
        self.a_out.send(self.a_buf)

    def run_spk_receiving(self) -> None:
        """The second half of `run_spk`."""
        received = self.s_in.recv()
        graded = self.num_message_bits[0] > 0
        self.a_buf = self._convolve(received if graded else received.astype(bool))

    @abstractmethod
    def _convolve(self, x: np.ndarray) -> np.ndarray:
        """The activations (x, y, out) of one input (x, y, in)."""


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt", "fast")
class FastConvModelFloat(_FastConvModel):
    """Fast CPU model of `Conv` in floating point."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    a_buf: np.ndarray = LavaPyType(np.ndarray, float)
    weight: np.ndarray = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._patches = Patches(self._geometry, float)

    def _convolve(self, x: np.ndarray) -> np.ndarray:
        if not x.any():
            return np.zeros(self._geometry.output_shape)
        return convolve(self._patches.of(x), self.weight, self._geometry.output_shape)


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "fast")
class FastConvModelFixed(_FastConvModel):
    """Fast CPU model of `Conv` in integers: sums wrap around at 24 bits, with their sign."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    a_buf: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    weight: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._exact = ExactConvolution(self._geometry)

    def on_var_update(self) -> None:
        """The host may have written to the weights."""
        self._exact.forget()

    def _convolve(self, x: np.ndarray) -> np.ndarray:
        return self._exact(x, self.weight)
