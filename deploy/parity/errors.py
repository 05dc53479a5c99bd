"""How far the arrays of one execution are from those of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from onchip.program.graphs import AnyNetwork, as_graph


def weight_error(ours: Iterable[AnyNetwork], theirs: Iterable[AnyNetwork]) -> float | None:
    """Return the largest relative error of all parameters of networks to their references.

    None without networks.
    """
    errors = [
        relative_error(values, expected)
        for pair in zip(ours, theirs, strict=True)
        for values, expected in zip(*map(_parameters, pair), strict=True)
    ]
    return worst(errors) if errors else None


def _parameters(network: AnyNetwork) -> Iterator[np.ndarray]:
    """The weights of all connections, and in integers the biases of the membranes."""
    graph = as_graph(network)
    yield from (connection.transform.weight for connection in graph.connections)
    biases = (getattr(population, "bias", None) for population in graph.populations)
    yield from (bias for bias in biases if bias is not None)


def relative_error(values: np.ndarray, reference: np.ndarray) -> float:
    """max |x - ref| / max |ref|; the absolute difference where the reference is zero."""
    if reference.size == 0:
        return 0.0
    scale = float(np.abs(reference).max()) or 1.0
    return float(np.abs(values - reference).max()) / scale


def worst(errors: Sequence[float]) -> float:
    """Return the largest error; NaN where one of them is."""
    return float(np.max(errors))
