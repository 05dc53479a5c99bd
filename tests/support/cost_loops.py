"""The costs of a network counted one by one: a slow simulation, and a loop over its synapses.

No array operation counts anything here, and of the packages only the numbers of the network are
used (and, in integers, the loops of `integer_loops`).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from integer_loops import IntegerLoops, even, pairs_of

from onchip.network.local import LocalConvolution
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.transforms import OneToOne
from onchip.program.chip_network import ChipNetwork

Vector = list[float]


def all_pairs(transform: Any) -> list[tuple[int, int, tuple[int, ...]]]:
    """(output, input, weight) of every synapse."""
    if isinstance(transform, OneToOne):
        places = list(np.ndindex(transform.weight.shape))
        return [(i, i, place) for i, place in enumerate(places)]
    if isinstance(transform, LocalConvolution):
        _, height, width = transform.output_shape
        found = []
        for post, pre, index in pairs_of(transform.kernel):
            row, column = divmod(post % (height * width), width)
            found.append((post, pre, (row, column, *index)))
        return found
    return list(pairs_of(transform))


class FloatLoops:
    """Learning in floating point: dictionaries of weights, neurons with a soft reset.

    Surrogates are triangles as wide as the threshold; rules plain or filtered by one exponential.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.named = list(zip(network.connections, network.names, strict=True))
        self.pairs = {name: all_pairs(c.transform) for c, name in self.named}
        self.held = {
            name: {k: float(c.transform.weight[k]) for k in np.ndindex(c.transform.weight.shape)}
            for c, name in self.named
        }
        self.pending: list[tuple[str, dict, float]] = []

    def weight(self, name: str) -> dict:
        return self.held[name]

    def start(self) -> None:
        self.u = {p.name: [0.0] * p.size for p in self.network.populations}
        self.spikes = {p.name: [0.0] * p.size for p in self.network.populations}
        self.traces = {n: [0.0] * self.network.size_of(c.source) for c, n in self.named}
        self.eligible = {n: dict.fromkeys(self.pairs[n], 0.0) for _, n in self.named}
        self.sums = {n: dict.fromkeys(self.held[n], 0.0) for _, n in self.named}
        self.pending = []

    def step(self, frame: np.ndarray, target: np.ndarray | None) -> None:
        before = dict(self.spikes)
        now: dict[str, Vector] = {INPUT: [float(v) for v in frame.ravel()], ALWAYS_ON: [1.0]}
        for p in self.network.populations:
            current = [0.0] * p.size
            for c, name in self.named:
                if c.target != p.name:
                    continue
                arrived = (before if c.delay else now)[c.source]
                for post, pre, index in self.pairs[name]:
                    current[post] += self.held[name][index] * arrived[pre]
                decay = p.neuron.decay
                old = self.traces[name]
                self.traces[name] = [decay * a + s for a, s in zip(old, arrived, strict=True)]
            now[p.name] = [self._fire(p, i, sent) for i, sent in enumerate(current)]
        self.spikes = {p.name: now[p.name] for p in self.network.populations}
        self.outputs = {
            p.name: now[p.name] if p.neuron.spiking else list(self.u[p.name])
            for p in self.network.populations
        }
        if target is not None:
            self._teach(target)
            self._learn()

    def _fire(self, p: Any, i: int, sent: float) -> float:
        neuron, u = p.neuron, self.u[p.name][i]
        if neuron.spiking:
            u -= neuron.v_threshold * self.spikes[p.name][i]
        self.u[p.name][i] = u = neuron.decay * u + sent
        return float(neuron.spiking and u >= neuron.v_threshold)

    def _teach(self, target: np.ndarray) -> None:
        network = self.network
        self.signal: dict[str, Vector] = {}
        self.factor: dict[str, Vector] = {}
        for p in reversed(network.populations):
            routes = [r for r in network.learning.routes if r.target == p.name]
            if p.name in network.readouts:
                self.signal[p.name] = self._error(p.name, target)
                self.factor[p.name] = self._factor(p)
            elif routes:
                total = [0.0] * p.size
                for route in routes:
                    values = self.signal if route.is_error else self.factor
                    for below, above, weight in self.way(route):
                        total[below] += weight * values[route.source][above]
                self.signal[p.name] = total
                self.factor[p.name] = self._factor(p)

    def _factor(self, p: Any) -> Vector:
        if not p.neuron.spiking:
            return list(self.signal[p.name])
        pairs = zip(self.signal[p.name], self.u[p.name], strict=True)
        return [s * self._psi(p.neuron, u) for s, u in pairs]

    @staticmethod
    def _psi(neuron: Any, u: float) -> float:
        z = (u - neuron.v_threshold) / neuron.v_threshold
        width = neuron.surrogate.parameter
        return max(0.0, 1 - abs(z) / width) / width / neuron.v_threshold

    def _error(self, name: str, target: np.ndarray) -> Vector:
        output, alpha = self.outputs[name], self.network.learning.objective.mse_weight
        largest, classes = max(output), len(output)
        shares = [math.exp(o - largest) for o in output]
        return [
            ((1 - alpha) * (share / sum(shares) - t) + alpha * 2 / classes * (o - t))
            / self.network.time_steps
            for share, o, t in zip(shares, output, target, strict=True)
        ]

    def way(self, route: Any) -> list[tuple[int, int, float]]:
        """(receiving, sending, weight) of each synapse of a route."""
        if route.matrix is not None:
            return [(*k, float(route.matrix[k])) for k in np.ndindex(route.matrix.shape)]
        if route.transform is not None:
            weight = route.transform.weight
            pairs = all_pairs(route.transform)
            return [(pre, post, float(weight[index])) for post, pre, index in pairs]
        name = next(
            n
            for c, n in self.named
            if (c.source, c.target, c.delay) == (route.target, route.source, 0)
        )
        return [(pre, post, self.held[name][index]) for post, pre, index in self.pairs[name]]

    def _learn(self) -> None:
        learning, updates = self.network.learning, []
        for c, name in self.named:
            if c.rule is None:
                continue
            change = dict.fromkeys(self.held[name], 0.0)
            for pair in self.pairs[name]:
                post, pre, index = pair
                if c.rule.eligibility_decay:
                    neuron = self.network.population(c.target).neuron
                    psi = self._psi(neuron, self.u[c.target][post]) if neuron.spiking else 1.0
                    old = c.rule.eligibility_decay * self.eligible[name][pair]
                    self.eligible[name][pair] = old + psi * self.traces[name][pre]
                    change[index] += self.signal[c.target][post] * self.eligible[name][pair]
                else:
                    change[index] += self.factor[c.target][post] * self.traces[name][pre]
            updates.append((name, change, c.rule.learning_rate))
        if learning.mode == "accumulate":
            for name, change, _ in updates:
                for index, value in change.items():
                    self.sums[name][index] += value
        elif learning.update_delay:
            self._apply(self.pending)
            self.pending = updates
        else:
            self._apply(updates)

    def _apply(self, updates: list) -> None:
        for name, change, rate in updates:
            self.held[name] = {k: w - rate * change[k] for k, w in self.held[name].items()}

    def finish(self) -> None:
        if self.network.learning is None:
            return
        if self.network.learning.mode == "accumulate":
            rates = [(n, self.sums[n], c.rule.learning_rate) for c, n in self.named if c.rule]
            self._apply(rates)
        self._apply(self.pending)
        self.pending = []


class WholeLoops(IntegerLoops):
    """Learning in integers, with the same face as `FloatLoops`."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.named = list(zip(network.connections, network.names, strict=True))
        self.pairs = {name: all_pairs(c.transform) for c, name in self.named}

    def weight(self, name: str) -> dict:
        if name in self.synapses:
            synapses = self.program.named(name)
            inputs = synapses.transform.inputs if synapses.always_on else math.inf
            weights = self.synapses[name].weights
            return {k: w for k, w in weights.items() if k[-1] < inputs}
        target, _, kind = name.rpartition(".")
        if kind == "bias":
            merged = self.program.into(target)
            column = next((s for s in merged if s.always_on), None)
            if column is not None:
                last = column.transform.inputs
                weights = self.synapses[column.name].weights
                return {(k[0],): w for k, w in weights.items() if k[1] == last}
        return even(next(c.transform.weight for c, n in self.named if n == name))

    def start(self) -> None:
        self.u = {p.name: [0] * math.prod(p.shape) for p in self.populations}
        self.spikes = {p.name: [0] * math.prod(p.shape) for p in self.populations}
        self.memory = None
        self.signals = {}

    def step(self, frame: np.ndarray, target: np.ndarray) -> None:
        self._step(frame, target)
        self.outputs = {
            p.name: self.spikes[p.name] if p.spiking else list(self.u[p.name])
            for p in self.populations
        }

    def _factors(self, output: list[int], target: np.ndarray) -> dict[str, list[int]]:
        self.factor = super()._factors(output, target)
        self.signal = self.factor
        return self.factor

    def way(self, route: Any) -> list[tuple[int, int, float]]:
        routes = self.network.learning.routes
        place = next(i for i, r in enumerate(routes) if r is route)
        return list(self._backward(self.program.routes[place]))

    def finish(self) -> None:
        for gate in self._after():
            for name, synapses in self.synapses.items():
                target = next(c.target for c, n in self.named if n == name)
                size = math.prod(self.program.population(target).shape)
                y = {"y1": [0] * size, "y2": [0] * size, "y3": [gate] * size}
                synapses.learn([0] * len(synapses.x1), y)
        for synapses in self.synapses.values():
            synapses.x1, synapses.x2 = [0] * len(synapses.x1), [0] * len(synapses.x2)


def counted_one_by_one(network: Any, frames: np.ndarray, labels: Any) -> dict[str, int]:
    """The totals of `Costs`, by loops over synapses, neurons and weights."""
    loops: Any = WholeLoops(network) if isinstance(network, ChipNetwork) else FloatLoops(network)
    found: Counter = Counter()
    learns, readouts = labels is not None, network.readouts
    mode = network.learning.mode if network.learning is not None else ""
    plastic = [(c, n) for c, n in loops.named if c.plastic]
    for number, sample in enumerate(frames):
        loops.start()
        outputs = {p.name: [0.0] * p.size for p in network.populations}
        heard = {n: [False] * network.size_of(c.source) for c, n in plastic}
        membranes: dict | None = None
        for frame in sample:
            target = np.eye(network.classes)[labels[number]] if learns else None
            held = {n: dict(loops.weight(n)) for _, n in loops.named}
            ways = [(r, list(loops.way(r))) for r in network.learning.routes] if learns else []
            before = outputs
            loops.step(frame, target)
            outputs = loops.outputs
            _forward(found, network, loops, held, frame, before)
            for p in network.populations:
                for i in range(p.size):
                    found["neuron_updates"] += 1
                    changed = membranes is None or membranes[p.name][i] != loops.u[p.name][i]
                    found["membranes_changed"] += changed
                    found["spikes"] += bool(p.neuron.spiking and outputs[p.name][i] != 0)
            membranes = {n: list(u) for n, u in loops.u.items()}
            if not learns:
                continue
            for name, values in loops.factor.items():
                found["factors"] += sum(v != 0 for v in values)
                if name in readouts:
                    found["errors"] += sum(v != 0 for v in loops.signal[name])
            for route, way in ways:
                sent = (loops.signal if route.is_error else loops.factor)[route.source]
                found["feedback_messages"] += sum(v != 0 for v in sent)
                for _, above, weight in way:
                    found["feedback_dense"] += 1
                    found["feedback_effective"] += bool(sent[above] != 0 and weight != 0)
            for c, name in plastic:
                _learned(found, loops, c, name, _arrived(c, frame, outputs, before), heard[name])
                if mode == "online":
                    found["weight_writes"] += len(held[name])
                    found["weights_changed"] += _changed(held[name], loops.weight(name))
        held = {n: dict(loops.weight(n)) for _, n in loops.named}
        loops.finish()
        for _, name in plastic if learns else []:
            found["weight_writes"] += len(held[name]) if mode == "accumulate" else 0
            found["weights_changed"] += _changed(held[name], loops.weight(name))
    return dict(found)


def _arrived(c: Any, frame: np.ndarray, outputs: dict, before: dict) -> list:
    if c.source == ALWAYS_ON:
        return [1]
    if c.source == INPUT:
        return list(frame.ravel())
    return (before if c.delay else outputs)[c.source]


def _forward(found, network, loops, held, frame, before) -> None:
    for c, name in loops.named:
        if c.source == ALWAYS_ON and not c.plastic:
            continue
        arrived = _arrived(c, frame, loops.outputs, before)
        graded = any(v not in (-1, 0, 1) for v in arrived)
        for _, pre, index in loops.pairs[name]:
            found["synaptic_dense"] += 1
            if arrived[pre] != 0 and held[name][index] != 0:
                found["synaptic_effective"] += 1
                found["synaptic_macs" if graded else "synaptic_acs"] += 1


def _learned(found, loops, c, name, arrived, heard) -> None:
    learning = loops.network.learning
    for i, value in enumerate(arrived):
        heard[i] = heard[i] or value != 0
        found["trace_updates"] += 1
        found["traces_held"] += heard[i]
    filtered = c.rule is not None and c.rule.eligibility_decay > 0
    third = (loops.signal if filtered else loops.factor)[c.target]
    for post, pre, _ in loops.pairs[name]:
        found["rule_evaluations"] += 1
        found["rules_met"] += bool(heard[pre] and third[post] != 0)
        found["tag_updates"] += filtered + (learning.mode == "accumulate")


def _changed(old: dict, new: dict) -> int:
    return sum(old[k] != new[k] for k in old)
