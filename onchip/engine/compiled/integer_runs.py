"""Samples in integers in one call, only run: what `integer_samples` does without the learning."""

from __future__ import annotations

import numpy as np

from onchip.engine.compiled.events import read_out, record
from onchip.engine.compiled.integer_layout import Constants, Neural, Synaptic, Work
from onchip.engine.compiled.integer_steps import begin, forward
from onchip.engine.compiled.jit import jitted
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def run_samples(
    starts: Array,
    inputs: Array,
    own: Array,
    outputs: Array,
    recorded: Array,
    wiring: Wiring,
    constants: Constants,
    synaptic: Synaptic,
    neural: Neural,
    work: Work,
) -> None:
    """Run samples of T steps, as `events.collect` lists all steps of all of them.

    Fills `outputs` [samples T, classes] and, if it has rows, `recorded` [samples T, neurons].
    `starts` [samples T + 1]; `own` [1, T + 1] is room for those of one sample.
    """
    steps = own.shape[1] - 1
    for sample in range(outputs.shape[0] // steps):
        first = sample * steps
        for n in range(steps + 1):
            own[0, n] = starts[first + n]
        begin(wiring, synaptic, neural, work)
        for n in range(steps):
            forward(n, own, inputs, wiring, constants, synaptic.weights, neural, work)
            record(first + n, recorded, neural.spikes)
            read_out(outputs[first + n], wiring.populations, neural.u, neural.spikes)
