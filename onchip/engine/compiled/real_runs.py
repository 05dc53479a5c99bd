"""Samples of real numbers in one call, only run: what `real_samples` does without the learning."""

from __future__ import annotations

import numpy as np

from onchip.engine.compiled.events import read_out, record
from onchip.engine.compiled.jit import jitted
from onchip.engine.compiled.real_layout import RealConstants, RealMemory
from onchip.engine.compiled.real_steps import begin, forward
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def run_samples(
    starts: Array,
    inputs: Array,
    values: Array,
    own: Array,
    outputs: Array,
    recorded: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
) -> None:
    """Run samples of T steps, as `events.collect` and `take_values` list all of their steps.

    Arrays as for `integer_runs.run_samples`. The `facts` of the constants must say that nothing is
    learned online, so that no update is pending and no trace is kept.
    """
    steps, populations = own.shape[1] - 1, wiring.populations.shape[0]
    for sample in range(outputs.shape[0] // steps):
        first = sample * steps
        for n in range(steps + 1):
            own[0, n] = starts[first + n]
        begin(memory)
        for n in range(steps):
            forward(n, 0, populations, own, inputs, values, wiring, constants, weights, memory)
            read_out(outputs[first + n], wiring.populations, memory.u, memory.spikes)
            record(first + n, recorded, memory.spikes)
