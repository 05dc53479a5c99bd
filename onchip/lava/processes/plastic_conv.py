"""A convolution whose kernel learns by a three-factor rule, which Lava does not have."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from onchip.lava.fast.convolution import (
    Geometry,
)
from onchip.lava.fast.shared_weights import (
    shared_products,
)


class PlasticConv(AbstractProcess):
    """Lava's `Conv` with a `Loihi3FLearningRule`: spikes in, activations out one step later.

    Each kernel weight learns the sum over all output positions of what `LearningDense` would learn
    at one (see `onchip.lava.fast.shared_weights`); convolving one pixel with a kernel of one it
    *is* a LearningDense, bit for bit in integers. Its trace is the same too: x1 decays with x1_tau
    and takes x1_impulse at the step of a spike (of several within one epoch at that of the last;
    each one after the first adds another impulse to what x1 was at the epoch's start). With one
    spike an epoch, and the impulse and time constant of `onchip.program.timetable`, it ends at the
    sum form a[n] = lambda a[n-1] + s[n], lambda the decay of the postsynaptic membrane. There is no
    s_in_bap: third factors come from y1, y2, y3 alone.

    `weights` [out, kx, ky, in / groups] in the layout of Lava's Conv (`to_lava_kernel` makes it);
    `input_shape` (x, y, in); `stride`, `padding`, `dilation` one number or (x, y). With
    `num_message_bits` the activations take graded spikes; the trace takes x1_impulse all the same.

    Ports: `s_in` (x, y, in); `a_out` (x, y, out); `s_in_y1`, `s_in_y2`, `s_in_y3` (x, y, out).
    Variables: `weights` and `tag_1` [out, kx, ky, in / groups], `x1` and `tx` (the step of the last
    spike within the epoch, 0 for none) (x, y, in), `y1`, `y2`, `y3` and `a_buff` (x, y, out).

    floating_pt: `weight_exp` must be 0; y decays by exp(-K / 65535) on its way to the update, as in
    Lava. fixed_pt: weights are whole and in -256..255, their lowest bit is dropped at the first
    step, third factors are in 0..127, and the activation is shifted by `weight_exp` -8..7 and wraps
    around at 24 bits. Raises ValueError for what does not fit, here or at the model's start.
    """

    def __init__(
        self,
        *,
        weights: np.ndarray,
        learning_rule: Loihi3FLearningRule,
        input_shape: tuple[int, int, int],
        padding: int | tuple[int, int] = 0,
        stride: int | tuple[int, int] = 1,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        weight_exp: int = 0,
        num_message_bits: int = 0,
        tag_1: int | np.ndarray = 0,
        name: str | None = None,
        log_config: Any = None,
    ) -> None:
        super().__init__(
            weights=weights,
            learning_rule=learning_rule,
            weight_exp=weight_exp,
            graded=num_message_bits > 0,
            name=name,
            log_config=log_config,
        )
        geometry = Geometry.of(input_shape, weights, stride, padding, dilation, groups)
        self.proc_params["geometry"] = geometry
        self.proc_params["products"] = shared_products(learning_rule)
        inputs, outputs = geometry.input_shape, geometry.output_shape
        self.s_in = InPort(shape=inputs)
        self.a_out = OutPort(shape=outputs)
        self.s_in_y1 = InPort(shape=outputs)
        self.s_in_y2 = InPort(shape=outputs)
        self.s_in_y3 = InPort(shape=outputs)
        self.weights = Var(shape=geometry.weight_shape, init=weights)
        self.tag_1 = Var(shape=geometry.weight_shape, init=tag_1)
        self.x1 = Var(shape=inputs, init=0)
        self.tx = Var(shape=inputs, init=0)
        self.y1 = Var(shape=outputs, init=0)
        self.y2 = Var(shape=outputs, init=0)
        self.y3 = Var(shape=outputs, init=0)
        self.a_buff = Var(shape=outputs, init=0)
