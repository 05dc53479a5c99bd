"""Fast process models of Lava's `Dense`, which give what the stock ones give.

`onchip.lava.run_config.FastSimCfg` chooses these models.
"""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import AbstractPyDenseModelBitAcc, AbstractPyDenseModelFloat
from lava.proc.dense.process import Dense
from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

from onchip.lava.processes.fast_synapses import FloatSynapses, IntegerSynapses


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt", "fast")
class FastDenseModelFloat(FloatSynapses, AbstractPyDenseModelFloat):
    """`Dense` in floating point, binary or graded."""


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt", "fast")
class FastDenseModelFixed(IntegerSynapses, AbstractPyDenseModelBitAcc):
    """`Dense` in integers, binary or graded."""

    def _whole_weights(self, bits: int) -> np.ndarray:
        sign_mode = self.proc_params.get("sign_mode") or determine_sign_mode(self.weights)
        clipped = clip_weights(self.weights, sign_mode, num_bits=8)
        return np.asarray(truncate_weights(clipped, sign_mode, bits))
