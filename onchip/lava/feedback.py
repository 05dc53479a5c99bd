"""The Lava processes that carry errors back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.proc.dense.process import Dense
from lava.utils.weightutils import SignMode

from onchip.arithmetic.loihi import drop_lowest_bit
from onchip.lava.processes.live_feedback import LiveFeedback
from onchip.network.transforms import Dense as DenseTransform
from onchip.program.graphs import INTEGERS
from onchip.program.program import FeedbackPath, Program, dtype_of

GRADED_BITS = 24
"""Message width of the feedback connections; in floating point it only marks them as graded."""


def make_feedback(
    program: Program, route: FeedbackPath, layers: Mapping[str, Any]
) -> Dense | LiveFeedback:
    """Return the process of a route; `layers` by the names of their populations."""
    if route.matrix is not None:
        options: dict[str, Any] = {"num_message_bits": GRADED_BITS, "name": route.name}
        return Dense(weights=route.matrix.copy(), sign_mode=SignMode.MIXED, **options)
    return _live_feedback(program, route, layers)


def _live_feedback(
    program: Program, route: FeedbackPath, layers: Mapping[str, Any]
) -> LiveFeedback:
    """The transpose of the weights above, of which the bias's column takes no part."""
    assert route.live is not None
    synapses = program.named(route.live)
    if not isinstance(synapses.transform, DenseTransform):
        raise ValueError(
            f"synapses {synapses.name!r}: in Lava feedback 'exact' reads dense weights, not "
            f"{type(synapses.transform).__name__}; use feedback 'symmetric'"
        )
    columns, plastic = synapses.weights.shape[1], synapses.plasticity is not None
    process = LiveFeedback(
        schedule=program.schedule,
        weight=_loaded(program, synapses.weights[:, : columns - synapses.always_on]),
        columns=columns,
        reads=plastic,
        name=route.name,
    )
    if plastic:
        process.weights.connect_var(layers[synapses.target].incoming[synapses.name].weights)
    return process


def _loaded(program: Program, weights: np.ndarray) -> np.ndarray:
    """Weights as synapses hold them before any learning."""
    if program.numbers == INTEGERS:
        weights = drop_lowest_bit(weights)
    return np.array(weights, dtype_of(program.numbers))
