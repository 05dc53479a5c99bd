"""What an execution did on the samples of a parity check, and whether anything happened in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from onchip.deploy.backends.engine_network import spiking_names
from onchip.deploy.backends.execution import Execution
from onchip.deploy.backends.table import build
from onchip.execution import RunResult
from onchip.network.partition import trunk_names
from onchip.network.parts import ALWAYS_ON
from onchip.program.graphs import AnyNetwork, as_graph

Factory = Callable[[], Execution]
"""Builds an execution of the network that records spikes."""


class Course(NamedTuple):
    """What an execution did: spikes and outputs of each sample, the spec after each."""

    results: list[RunResult]
    specs: list[AnyNetwork]


def follow(factory: Factory, frames: np.ndarray, labels: np.ndarray) -> Course:
    """Learn from one sample after the other and run the first again; without learning, run all."""
    course = Course([], [])
    with factory() as execution:
        if execution.spec.learning is None:
            return Course([execution.run(frames)], [])
        for i in range(len(frames)):
            result = execution.learn(frames[i : i + 1], labels[i : i + 1])
            course.results.append(RunResult(result.outputs, result.spikes))
            course.specs.append(execution.snapshot())
        course.results.append(execution.run(frames[:1]))
        course.specs.append(execution.snapshot())
    return course


class Activity(NamedTuple):
    """What happened: spikes fired, and how many weights `changed` of the `learning` ones of plastic
    layers, without biases (both None where nothing learns); `untested` says what did not happen.

    A bias learns from the error alone, whether anything spikes or not: that only biases change says
    nothing of traces, surrogates and feedback.
    """

    fired: int
    changed: int | None
    learning: int | None
    untested: str


def activity_of(spec: AnyNetwork, reference: Course) -> Activity:
    """The activity of a course of `spec` on the NumPy engine."""
    fired = sum(_fired(reference, name) for name in spiking_names(spec))
    changed, learning = None, None
    if reference.specs:
        with build(spec) as start:  # as it is loaded: integers may lose their lowest bit there
            before = start.snapshot()
        pairs = list(_learned_weights(before, reference.specs[-1]))
        learning = sum(ours.size for ours, _ in pairs)
        changed = sum(int((ours != theirs).sum()) for ours, theirs in pairs)
    return Activity(fired, changed, learning, _untested(_silence(spec, reference), changed))


def _silence(spec: AnyNetwork, reference: Course) -> str:
    """Which layers never fired, if none did that the backends execute."""
    graph = as_graph(spec)
    hidden = [population.name for population in graph.populations[:-1]]
    # frozen convolutions are evaluated on the host: their spikes alone test no backend
    trunk = trunk_names(graph)
    spiking = [name for name in hidden if name not in trunk] or hidden
    if not spiking:
        outputs = any(result.outputs.any() for result in reference.results)
        return "" if outputs else "every output is zero"
    if any(_fired(reference, name) for name in spiking):
        return ""
    return f"no spike was fired by {', '.join(spiking)}"


def _fired(reference: Course, name: str) -> int:
    recorded = (result.spikes.get(name) for result in reference.results)
    return sum(int(spikes.sum()) for spikes in recorded if spikes is not None)


def _untested(silent: str, changed: int | None) -> str:
    """What did not happen: no weight changed, or in a network that does not learn no spike."""
    if changed or (changed is None and not silent):
        return ""
    still = "no weight changed" if changed == 0 else ""
    what = " and ".join(filter(None, [silent, still]))
    return f"{what}: take more or other samples, train longer or learn at a higher rate"


def _learned_weights(
    before: AnyNetwork, after: AnyNetwork
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The weights of the plastic connections, before and after, without biases."""
    pairs = zip(as_graph(before).connections, as_graph(after).connections, strict=True)
    for start, end in pairs:
        if start.plastic and start.source != ALWAYS_ON:
            yield start.transform.weight, end.transform.weight
