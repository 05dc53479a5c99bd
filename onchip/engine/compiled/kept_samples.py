"""A sample of real numbers in one call, with synapses that keep an eligibility or other targets.

Its other synapses learn as without them: their steps are those of `real_samples` and `real_sums`.
"""

from __future__ import annotations

import numpy as np

from onchip.engine.compiled.events import copy, read_out, record
from onchip.engine.compiled.jit import jitted
from onchip.engine.compiled.kept_cells import tell
from onchip.engine.compiled.kept_layout import Kept
from onchip.engine.compiled.kept_steps import add_sums, begin_kept, receive
from onchip.engine.compiled.real_layout import LATE, History, RealConstants, RealMemory
from onchip.engine.compiled.real_objectives import find_errors
from onchip.engine.compiled.real_samples import apply_waiting, remember_factors
from onchip.engine.compiled.real_shared import add_pending, learn_shared
from onchip.engine.compiled.real_steps import backward, begin, forward
from onchip.engine.compiled.real_sums import add_history
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def learn_kept_online(
    starts: Array,
    inputs: Array,
    values: Array,
    labels: Array,
    outputs: Array,
    recorded: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
    kept: Kept,
) -> int:
    """As `real_samples.learn_online`."""
    steps, made, n = outputs.shape[0], outputs.shape[0], np.int64(0)
    delay, populations, everywhere = (
        constants.facts[LATE],
        wiring.populations.shape[0],
        np.int64(-1),
    )
    begin(memory)
    begin_kept(wiring, kept)
    while n < made:
        for p in range(populations):
            receive(n, p, steps, starts, inputs, values, wiring, constants, weights, memory, kept)
            forward(n, p, p + 1, starts, inputs, values, wiring, constants, weights, memory)
        read_out(outputs[n], wiring.populations, memory.u, memory.spikes)
        record(n, recorded, memory.spikes)
        finite = labels[n] >= 0 or find_errors(n, wiring, constants, memory)
        if finite and backward(n, labels[n], wiring, constants, weights, memory):
            tell(n, wiring, constants, memory, kept)
            remember_factors(n, wiring, constants, memory)
            learn_shared(delay == 1, wiring, constants, weights, memory)
            n += 1
        else:
            made = n
        over = n == made
        late = delay == 1 and made == steps
        for last in range(0 if late or not over else 1, 1 + over):
            apply_waiting(n, last == 1, steps, delay, wiring, constants, weights, memory)
        if over and late:
            add_pending(wiring, weights, memory)
    receive(
        made, everywhere, steps, starts, inputs, values, wiring, constants, weights, memory, kept
    )
    return made


@jitted
def add_kept_sample(
    starts: Array,
    inputs: Array,
    values: Array,
    labels: Array,
    outputs: Array,
    recorded: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
    history: History,
    sums: Array,
    scales: Array,
    kept: Kept,
) -> int:
    """As `real_sums.add_sample`."""
    steps, populations, everywhere = outputs.shape[0], wiring.populations.shape[0], np.int64(-1)
    begin(memory)
    begin_kept(wiring, kept)
    for n in range(steps):
        for p in range(populations):
            receive(n, p, steps, starts, inputs, values, wiring, constants, weights, memory, kept)
            forward(n, p, p + 1, starts, inputs, values, wiring, constants, weights, memory)
        read_out(outputs[n], wiring.populations, memory.u, memory.spikes)
        record(n, recorded, memory.spikes)
        finite = labels[n] >= 0 or find_errors(n, wiring, constants, memory)
        if not finite or not backward(n, labels[n], wiring, constants, weights, memory):
            return n
        tell(n, wiring, constants, memory, kept)
        copy(history.factors[n], memory.factor)
        copy(history.fired[n], memory.fired[n & 1])
        copy(history.firing[n], memory.firing[n & 1])
    receive(
        steps, everywhere, steps, starts, inputs, values, wiring, constants, weights, memory, kept
    )
    add_history(starts, inputs, values, steps, wiring, constants, memory, history, sums, scales)
    add_sums(wiring, scales, sums, kept)
    return steps
