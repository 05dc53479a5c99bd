"""The Lava processes that carry errors back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from lava.proc.dense.process import Dense
from lava.utils.weightutils import SignMode

from onchip.arithmetic.loihi import drop_lowest_bit
from onchip.lava.processes.live_feedback import LiveFeedback
from onchip.lava.processes.transform_feedback import TransformFeedback
from onchip.network.transform import Transform
from onchip.network.transforms import Dense as DenseTransform
from onchip.program.graphs import INTEGERS
from onchip.program.program import FeedbackPath, Program, Synapses, dtype_of

GRADED_BITS = 24
"""Message width of the feedback connections; in floating point it only marks them as graded."""


Feedback: TypeAlias = "Dense | LiveFeedback | TransformFeedback"
"""The process of a route: fixed, or reading the weights above."""


def make_feedback(program: Program, route: FeedbackPath, layers: Mapping[str, Any]) -> Feedback:
    """Return the process of a route; `layers` by the names of their populations."""
    if route.matrix is not None:
        options: dict[str, Any] = {"num_message_bits": GRADED_BITS, "name": route.name}
        return Dense(weights=route.matrix.copy(), sign_mode=SignMode.MIXED, **options)
    if route.transform is not None:
        weight = _loaded(program, route.transform.weight.astype(dtype_of(program.numbers)))
        return _through(program, route, route.transform, weight, reads=False)
    return _live_feedback(program, route, layers)


def _through(
    program: Program, route: FeedbackPath, transform: Transform, weight: np.ndarray, reads: bool
) -> TransformFeedback:
    return TransformFeedback(
        schedule=program.schedule, transform=transform, weight=weight, reads=reads, name=route.name
    )


def _live_feedback(program: Program, route: FeedbackPath, layers: Mapping[str, Any]) -> Feedback:
    """Back through the present weights above, of which the bias's column takes no part."""
    assert route.live is not None
    synapses = program.named(route.live)
    process: LiveFeedback | TransformFeedback
    if isinstance(synapses.transform, DenseTransform):
        process = _transposed(program, route, synapses)
    else:
        weight, reads = _loaded(program, synapses.weights), synapses.plasticity is not None
        process = _through(program, route, synapses.transform, weight, reads)
    if synapses.plasticity is not None:
        process.weights.connect_var(layers[synapses.target].incoming[synapses.name].weights)
    return process


def _transposed(program: Program, route: FeedbackPath, synapses: Synapses) -> LiveFeedback:
    columns, plastic = synapses.weights.shape[1], synapses.plasticity is not None
    return LiveFeedback(
        schedule=program.schedule,
        weight=_loaded(program, synapses.weights[:, : columns - synapses.always_on]),
        columns=columns,
        reads=plastic,
        name=route.name,
    )


def _loaded(program: Program, weights: np.ndarray) -> np.ndarray:
    """Weights as synapses hold them before any learning."""
    if program.numbers == INTEGERS:
        weights = drop_lowest_bit(weights)
    return np.array(weights, dtype_of(program.numbers))
