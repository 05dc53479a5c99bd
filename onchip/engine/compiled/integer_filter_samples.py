"""A sample in integers in one call, of filtered eligibilities or an objective besides classes.

Synapses without a filter learn as without the others, by the epochs of `integer_samples`.
"""

from __future__ import annotations

import numpy as np

from onchip.engine.compiled.columns import ONLINE
from onchip.engine.compiled.events import copy, read_out, record
from onchip.engine.compiled.integer_filter_steps import (
    begin_filters,
    filter_epoch,
    find_other_error,
    forget_tags,
)
from onchip.engine.compiled.integer_filters import OBJECTIVE, Filters
from onchip.engine.compiled.integer_layout import Constants, Draws, Neural, Synaptic, Work
from onchip.engine.compiled.integer_samples import close, forget, learn_epoch
from onchip.engine.compiled.integer_steps import backward, begin, forward
from onchip.engine.compiled.jit import jitted
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def learn_filtered_sample(
    starts: Array,
    inputs: Array,
    labels: Array,
    outputs: Array,
    recorded: Array,
    wiring: Wiring,
    constants: Constants,
    draws: Draws,
    synaptic: Synaptic,
    neural: Neural,
    work: Work,
    filters: Filters,
) -> None:
    """As `integer_samples.learn_sample`; `labels` below 0 stand for what the targets say."""
    pipelined, mode = constants.facts[1] == 1, constants.facts[2]
    steps = outputs.shape[0]
    begin(wiring, synaptic, neural, work)
    begin_filters(wiring, synaptic, filters)
    for n in range(steps + pipelined):
        spiking = n < steps
        if pipelined:
            copy(neural.held, neural.factor)
        if spiking:
            forward(n, starts, inputs, wiring, constants, synaptic.weights, neural, work)
            record(n, recorded, neural.spikes)
            read_out(outputs[n], wiring.populations, neural.u, neural.spikes)
            if filters.objective[OBJECTIVE] != 0:
                find_other_error(n, outputs[n], filters, work.error)
            backward(labels[n], wiring, constants, synaptic.weights, neural, work)
        if not pipelined:
            copy(neural.held, neural.factor)
        learn_epoch(n, spiking, starts, inputs, wiring, constants, draws, synaptic, neural, work)
        filter_epoch(
            n, spiking, starts, inputs, wiring, constants, draws, synaptic, neural, work, filters
        )
    if mode != ONLINE:
        filter_epoch(
            steps, False, starts, inputs, wiring, constants, draws, synaptic, neural, work, filters
        )
        close(steps + pipelined, wiring, constants, draws, synaptic, work)
    forget(wiring, synaptic, work)
    forget_tags(wiring, synaptic, filters)
