"""Plastic synapses in integers of any transform that gives each synapse a weight of its own.

Each learns as a synapse of Lava's `fixed_pt` LearningDense does, by itself; the transform says
which inputs and outputs a weight is between.
"""

from __future__ import annotations

import numpy as np

from onchip.engine.integer_synapses import OtherIntegerSynapses
from onchip.engine.loihi_synapses import apply_rules, at_epoch, at_epochs_end, learned_state
from onchip.program.program import Synapses

Array = np.ndarray


class OwnIntegerSynapses(OtherIntegerSynapses):
    """Synapses of a transform with the verbs `of_inputs` and `of_outputs`, a `LocalConvolution`.

    `learning` is a `SynapseState` whose weights and tags lie as the transform's. Weights that meet
    no input, as taps on a padding do, stay as they are.
    """

    def __init__(self, synapses: Synapses) -> None:
        super().__init__(synapses)
        there = self._of_inputs(np.ones(synapses.transform.inputs, np.int32))
        self._nowhere = None if there.all() else there == 0  # no synapse

    @property
    def _inputs(self) -> int:
        """As `LoihiSynapses._inputs`."""
        return self.synapses.transform.inputs

    def learn(self, spikes: Array, phase: int, factors: Array) -> None:
        """As `LoihiSynapses.learn`; factors [3, *target shape]."""
        assert self._rule is not None
        rule, draws = self._rule, next(self.draws)
        state = at_epoch(self.learning, spikes, phase, factors, rule)
        traces, y = at_epochs_end(state, rule, draws)
        inputs = {name: self._of_inputs(trace) for name, trace in traces.items()}
        between = self.synapses.transform.of_outputs(y)
        weights, tag = apply_rules(state, rule, inputs, between, draws.synapse)
        if self._nowhere is not None:
            weights = np.where(self._nowhere, state.weights, weights)
            tag = np.where(self._nowhere, state.tag, tag)
        self.learning = learned_state(state, weights, tag, traces)

    def _of_inputs(self, trace: Array) -> Array:
        """What each weight sees of inputs [inputs], broadcasting to the weights."""
        seen: Array = self.synapses.transform.of_inputs(trace[np.newaxis])[0]
        return seen
