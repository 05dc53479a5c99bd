"""What a network takes, by one rule for every backend, checked before anything runs.

A network takes spikes: frames of 0 and 1. Real-valued frames are currents, which a network in
floating point takes where convolutions alone read them: they are evaluated on the host, or in one
process, and send spikes. Another first layer would receive them through a synapse of Lava, which
knows spikes only, and integers take no currents. That a simulator could do with more (the
NumPy engine multiplies whatever it is given) is no reason to accept there what others refuse.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.checks import plain_array
from onchip.engine.inputs import check_samples
from onchip.network.convolution import Convolution
from onchip.network.parts import INPUT
from onchip.objectives.given import check_labels
from onchip.program.graphs import INTEGERS, AnyNetwork, as_graph, numbers_of


def takes_currents(spec: AnyNetwork) -> bool:
    """Whether a network takes real-valued frames: convolutions alone read its input."""
    if numbers_of(spec) == INTEGERS:
        return False
    readers = (c.transform for c in as_graph(spec).connections if c.source == INPUT)
    return all(isinstance(transform, Convolution) for transform in readers)


def check_given(given: Any, spec: AnyNetwork, samples: int) -> np.ndarray:
    """What a network is to learn from `samples` samples, as an array; ValueError unless it fits.

    Integer labels [samples], or what its objective takes instead, such as [samples, T, outputs].
    """
    graph = as_graph(spec)
    if graph.learning is None:
        return check_labels(given, samples, graph.classes)
    array = plain_array("labels", given)
    graph.learning.objective.targets(array, samples, graph.time_steps, graph.classes)
    return array


def require_learning(spec: AnyNetwork) -> None:
    """Raise ValueError for a network that does not learn."""
    if spec.learning is None:
        raise ValueError(
            "network: it has no learning section; export it with --plastic or use "
            "onchip.network.learning.with_learning"
        )


def check_inputs(frames: np.ndarray, spec: AnyNetwork) -> np.ndarray:
    """`frames` as [samples, T, *input_shape]; ValueError unless the network takes them.

    See `onchip.engine.inputs.check_frames` for shapes and types, and this module for values.
    """
    return check_samples(frames, spec, not takes_currents(spec))


def check_sample(where: str, frames: Any, label: Any, spec: AnyNetwork) -> np.ndarray:
    """Frames of one sample as [1, T, *input_shape]; ValueError, saying `where`, if it is unfit.

    So is a label for a network that does not learn.
    """
    try:
        found = check_inputs(np.asarray(frames)[np.newaxis], spec)
        if label is not None:
            require_learning(spec)
            check_given(np.asarray(label)[np.newaxis], spec, 1)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return found
