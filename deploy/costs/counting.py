"""Counting: a network runs or learns in the engine, and what each of its parts does is noted.

The counts are those of the algorithm, one evaluation of each part at each of a sample's T steps,
whatever machine executes it. In integers the weights are those that synapses hold (their lowest
bit is dropped). Samples are taken one at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.loihi import drop_lowest_bit
from onchip.deploy.costs.counts import ConnectionCost, Costs, PopulationCost
from onchip.deploy.costs.operations import crossed, crossed_back, is_graded, met, synapses_of
from onchip.deploy.costs.ways import ways_of
from onchip.engine.engine import Engine
from onchip.engine.inputs import check_samples
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection
from onchip.program.graphs import INTEGERS, AnyNetwork, as_graph, numbers_of
from onchip.rules.eligibility import Eligibility
from onchip.rules.filtered import Instantaneous

Array = np.ndarray


def count(spec: AnyNetwork, frames: Array, labels: Array | None = None) -> Costs:
    """Return what a network does with `frames` [samples, T, *input_shape].

    With `labels` (or what else the objective takes) it learns from them, sample by sample, else it
    runs. `spec` stays as it is. Raises ValueError for frames, labels or a network that do not fit,
    and for frames that are not binary where the network is in integers.
    """
    frames, graph = check_samples(frames, spec, numbers_of(spec) == INTEGERS), as_graph(spec)
    targets = None if labels is None else _targets(graph, frames, labels)
    counting = _Counting(spec, targets is not None)
    for index, sample in enumerate(frames):
        counting.sample(sample, None if targets is None else targets[index])
    return counting.costs(len(frames), frames.shape[1])


def _targets(graph: Network, frames: Array, labels: Array) -> Any:
    if graph.learning is None:
        raise ValueError(
            "network: it has no learning section, so learning has no cost; count it without "
            "labels, or use onchip.network.learning.with_learning"
        )
    objective = graph.learning.objective
    return objective.targets(labels, len(frames), frames.shape[1], graph.classes)


class _Counting:
    """A network in an engine, and the counts of its parts so far."""

    def __init__(self, spec: AnyNetwork, learns: bool) -> None:
        self.network, self._learns = as_graph(spec), learns
        self._numbers = numbers_of(spec)
        self._whole = self._numbers == INTEGERS
        self._engine = Engine(spec)
        self._weights = self._present()
        learning = self.network.learning
        self._online = learns and learning is not None and learning.mode == "online"
        self._named = list(zip(self.network.connections, self.network.names, strict=True))
        self._connections = {n: self._connection(c, n) for c, n in self._named}
        self._populations = {
            p.name: PopulationCost(p.name, p.size, p.neuron.spiking)
            for p in self.network.populations
        }
        self._kinds = {n: _kind(c) for c, n in self._named if c.plastic}
        self._ways = ways_of(self.network) if learns else []

    def costs(self, samples: int, steps: int) -> Costs:
        """The counts."""
        return Costs(
            samples,
            steps,
            self._learns,
            self._numbers,
            tuple(self._connections.values()),
            tuple(self._populations.values()),
            tuple(way.cost for way in self._ways),
        )

    # -- one sample ---------------------------------------------------------------------------

    def sample(self, frames: Array, targets: Array | None) -> None:
        """Run or learn one sample [T, ...], and count."""
        self._engine.reset(1)
        before = {p.name: np.zeros((1, *p.shape)) for p in self.network.populations}
        self._outputs = dict(before)
        self._membranes: dict[str, Array] | None = None
        self._active = {
            name: np.zeros((1, self.network.size_of(c.source)), bool)
            for c, name in self._named
            if c.plastic
        }
        for step, frame in enumerate(frames):
            before, self._outputs = self._outputs, {}
            target = None if targets is None else targets[step : step + 1]
            self._engine.step(frame[np.newaxis], target, self._note)
            self._forward(frame[np.newaxis], before)
            self._neurons()
            if target is not None:
                self._backward()
                self._learned(frame[np.newaxis], before)
        self._engine.finish()
        if self._learns:
            if not self._online:
                self._write()
            self._compare()

    def _note(self, name: str, output: Array) -> None:
        self._outputs[name] = output.copy()

    def _arrived(self, c: Connection, frame: Array, before: dict[str, Array]) -> Array:
        """What a connection gets in this step: [1, inputs]."""
        if c.source == ALWAYS_ON:
            return np.ones((1, 1))
        outputs = before if c.delay else self._outputs
        return (frame if c.source == INPUT else outputs[c.source]).reshape(1, -1)

    def _forward(self, frame: Array, before: dict[str, Array]) -> None:
        for c, name in self._named:
            cost = self._connections[name]
            if cost.counted:
                x = self._arrived(c, frame, before)
                effective = crossed(c.transform, x, self._weights[name])
                cost.operations.add(cost.synapses, effective, is_graded(x))

    def _neurons(self) -> None:
        membranes = self._engine.potentials()
        for name, cost in self._populations.items():
            cost.updates += cost.neurons
            cost.spikes += int(np.count_nonzero(self._outputs[name]))
            if self._membranes is None:
                cost.membranes_changed += cost.neurons
            else:
                cost.membranes_changed += int((membranes[name] != self._membranes[name]).sum())
        self._membranes = membranes

    # -- learning -----------------------------------------------------------------------------

    def _backward(self) -> None:
        self._signals = self._engine.signals()
        for name, (signal, factor) in self._signals.items():
            taught = self._populations[name]
            taught.factors_made += taught.neurons
            taught.factors += int(np.count_nonzero(factor))
            if name in self.network.readouts:
                taught.errors_made += taught.neurons
                taught.errors += int(np.count_nonzero(signal))
        for cost, transform, live, dense in self._ways:
            signals = self._signals[cost.source]
            sent = signals.signal if cost.is_error else signals.factor
            weight = transform.weight if live is None else self._weights[live]
            cost.values += sent.size
            cost.messages += int(np.count_nonzero(sent))
            effective = crossed_back(transform, sent.reshape(1, *transform.output_shape), weight)
            cost.operations.add(dense, effective, graded=True)

    def _learned(self, frame: Array, before: dict[str, Array]) -> None:
        for c, name in self._named:
            if name in self._kinds:
                x = self._arrived(c, frame, before) != 0
                self._active[name] |= x
                self._rule(c, name, x)
        if self._online:
            self._write()
            self._compare()

    def _rule(self, c: Connection, name: str, spikes: Array) -> None:
        cost, kind = self._connections[name].learned, self._kinds[name]
        synapses, active = self._connections[name].synapses, self._active[name]
        neuron = self.network.population(c.target).neuron
        traces = sum(decay > 0 for _, decay in kind.traces(neuron))
        cost.trace_updates += traces * active.size
        cost.traces_held += traces * int(active.sum())
        signal, factor = self._signals[c.target]
        third = factor if type(kind) is Instantaneous else signal
        known = active if traces else spikes
        cost.rule_evaluations += synapses
        cost.rules_met += met(c.transform, known, third.reshape(1, *c.transform.output_shape))
        cost.tag_updates += synapses * (len(kind.variables) + (not self._online))

    def _write(self) -> None:
        """An update of all that learns; a delayed one acts later, at the latest in `finish`."""
        for name in self._kinds:
            self._connections[name].learned.weight_writes += self._weights[name].size

    def _compare(self) -> None:
        """The present weights, and how many of them are others than before."""
        weights = self._present()
        for name in self._kinds:
            changed = int((weights[name] != self._weights[name]).sum())
            self._connections[name].learned.weights_changed += changed
        self._weights = weights

    # -- parts --------------------------------------------------------------------------------

    def _present(self) -> dict[str, Array]:
        """The weights that synapses hold now, by the names of connections."""
        graph = as_graph(self._engine.snapshot())
        return {name: self._held(c) for c, name in zip(graph.connections, graph.names, strict=True)}

    def _held(self, c: Connection) -> Array:
        """Weights that learn are in a snapshot as the synapses hold them."""
        weight = c.transform.weight
        if not self._whole or c.plastic:
            return weight
        return drop_lowest_bit(weight.astype(np.int64))

    def _connection(self, c: Connection, name: str) -> ConnectionCost:
        weight = self._weights[name]
        counted = c.source != ALWAYS_ON or c.plastic
        zeros = int(np.count_nonzero(weight == 0))
        synapses = synapses_of(c.transform)
        return ConnectionCost(
            name, c.source, c.target, c.plastic, counted, weight.size, zeros, synapses
        )


def _kind(c: Connection) -> Eligibility:
    """The eligibility of a connection that learns; integers have none but the plain one."""
    return Instantaneous() if c.rule is None else c.rule.kind
