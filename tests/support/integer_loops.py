"""A network in Loihi's integers as a slow loop: one synapse and one position at a time.

The equations as they are written, in Python's own integers. Of the packages only numbers are used:
those of the network, the draws of random numbers and the error of the output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from integer_synapse_loops import LoopSynapses, clipped, even, kept, pairs_of

from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.neurons.alif import ALIF
from onchip.neurons.cuba import CuBa
from onchip.program.lower import lower_for_engine
from onchip.program.timetable import arrival_phase


class IntegerLoops:
    """Learns from samples as the engine in integers should, on the sequenced schedule."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.program = lower_for_engine(network)
        self.populations = self.program.populations
        timetable = self.program.timetable
        self.synapses: dict[str, Any] = {}
        for s in self.program.synapses:
            if s.plastic:
                phase = arrival_phase(timetable, timetable.offsets[s.target])
                self.synapses[s.name] = LoopSynapses(s, phase)
                if self._in_tags(s.target):
                    self._fill_tags(s)

    def _share(self, name: str, index: Any) -> float:
        shares = self.network.learning.shares or {}
        return float(shares[name][index]) if name in shares else 1.0

    def _in_tags(self, target: str) -> bool:
        shares = self.network.learning.shares or {}
        named = zip(self.network.connections, self.network.names, strict=True)
        return any(c.target == target and name in shares for c, name in named)

    def _fill_tags(self, s: Any) -> None:
        """Each synapse's share of the rate, in units of 1 / gate; a bias is the last column."""
        tags, gate = self.synapses[s.name].tag, self._plasticity(s.name).rate.gate
        for post, pre in tags:
            own, index = (s.name, (post, pre))
            if s.always_on and pre == s.transform.inputs:
                own, index = f"{s.target}.bias", post
            share = self._share(own, index) * self._share(s.target, post)
            tags[post, pre] = round(gate * share)

    def weights(self) -> dict[str, np.ndarray]:
        """The present weights of what learns, by the names of synapses."""
        found = {}
        for s in self.program.synapses:
            if s.plastic:
                array = np.zeros(s.weights.shape, np.int64)
                for index, value in self.synapses[s.name].weights.items():
                    array[index] = value
                found[s.name] = array
        return found

    def learn(self, frames: np.ndarray, targets: Any) -> np.ndarray:
        """Outputs [samples, T, outputs]; `targets` as the engine's `learn` takes them."""
        objective, steps = self.network.learning.objective, self.network.time_steps
        whole = objective.targets(targets, len(frames), steps, self.network.classes)
        return np.array([self._sample(f, t) for f, t in zip(frames, whole, strict=True)])

    def _sample(self, frames: np.ndarray, targets: np.ndarray) -> list[list[int]]:
        self.u = {p.name: [0] * math.prod(p.shape) for p in self.populations}
        self.extra = {p.name: [0] * math.prod(p.shape) for p in self.populations}
        self.spikes = {p.name: [0] * math.prod(p.shape) for p in self.populations}
        self.memory, outputs = None, []
        self.signals: dict[str, list[int]] = {}
        for frame, target in zip(frames, targets, strict=True):
            outputs.append(self._step(frame, target))
        for gate in self._after():
            for s in self.program.synapses:
                if s.plastic:
                    synapses = self.synapses[s.name]
                    size = math.prod(self.program.population(s.target).shape)
                    y = {"y1": [0] * size, "y2": [0] * size, "y3": [gate] * size}
                    if self._filters(s.name):
                        y = self._apart([0] * size, self.signals[s.target], bool(gate))
                    synapses.learn([0] * len(synapses.x1), y)
        for name, synapses in self.synapses.items():
            synapses.x1, synapses.x2 = [0] * len(synapses.x1), [0] * len(synapses.x2)
            if self._filters(name):
                synapses.tag = dict.fromkeys(synapses.tag, 0)
        return outputs

    def _plasticity(self, name: str) -> Any:
        named = zip(self.network.connections, self.network.names, strict=True)
        return next(c.plasticity for c, n in named if n == name)

    def _filters(self, name: str) -> bool:
        return self._plasticity(name).filter is not None

    def _apart(self, derivative: list[int], signal: list[int], heard: bool) -> dict[str, list[int]]:
        return {
            "y1": derivative,
            "y2": [max(-s, 0) * heard for s in signal],
            "y3": [max(s, 0) * heard for s in signal],
        }

    def _after(self) -> list[int]:
        """The gates of the epochs after a sample's last step."""
        learning = self.network.learning
        if learning.mode == "accumulate":
            return [64, 0]
        return [1, 0] if learning.update_delay else []

    def _step(self, frame: np.ndarray, target: np.ndarray) -> list[int]:
        before = dict(self.spikes)
        now = {INPUT: [int(v) for v in frame.ravel()], ALWAYS_ON: [1]}
        got = {}
        for p in self.populations:
            total = [0] * math.prod(p.shape)
            for s in self.program.into(p.name):
                arrived = (before if s.delay else now)[s.source] + [1] * s.always_on
                if s.plastic:
                    got[s.name] = arrived
                total = [a + b for a, b in zip(total, self._sent(s, arrived), strict=True)]
            now[p.name] = self._fired(p, total)
        self.spikes = {p.name: now[p.name] for p in self.populations}
        last = self.populations[-1]
        output = (self.spikes if last.spiking else self.u)[last.name]
        before = dict(self.signals)
        factors = self._factors(output, target)
        for s in self.program.synapses:
            if s.plastic:
                y = self._third(s, factors[s.target])
                if self._filters(s.name):
                    old = before.get(s.target, [0] * len(factors[s.target]))
                    y = self._apart(self._derivatives(s.target), old, True)
                self.synapses[s.name].learn(got[s.name], y)
        return list(output)

    def _derivatives(self, name: str) -> list[int]:
        chip = self.network.population(name)
        if not chip.neuron.spiking:
            return [64] * len(self.u[name])
        return [self._derivative(chip.neuron, self._above(name, i)) for i in range(chip.size)]

    def _derivative(self, neuron: Any, u: int) -> int:
        """Of a triangle as wide as the threshold."""
        assert neuron.surrogate.name == "triangle"
        vth = int(neuron.v_threshold)
        width = round(neuron.surrogate.parameter * vth)
        return 127 * max(0, width - abs(u - vth)) // width

    def _third(self, s: Any, factor: list[int]) -> dict[str, list[int]]:
        learning = self.network.learning
        gate = self._plasticity(s.name).rate.gate
        if learning.mode == "accumulate":
            gate = 0
        elif learning.update_delay:
            gate = 1
        return {
            "y1": [max(-g, 0) for g in factor],
            "y2": [max(g, 0) for g in factor],
            "y3": self._gates(s.target, gate, len(factor)),
        }

    def _gates(self, target: str, gate: int, size: int) -> list[int]:
        """A gate for each neuron; of those with shares in tags it does not count."""
        return [round(gate * self._share(target, i)) for i in range(size)]

    def _sent(self, s: Any, arrived: list[int]) -> list[int]:
        size = math.prod(self.program.population(s.target).shape)
        sums = [0] * size
        if s.plastic:
            pairs, weights = self.synapses[s.name].pairs, self.synapses[s.name].weights
        else:
            pairs, weights = list(pairs_of(s.transform)), even(s.weights)
        for post, pre, index in pairs:
            sums[post] += weights[index] * arrived[pre]
        return [v << s.exponent if s.exponent > 0 else v >> -s.exponent for v in sums]

    def _fired(self, p: Any, total: list[int]) -> list[int]:
        chip = self.network.population(p.name)
        neuron, biases = chip.neuron, () if chip.bias is None else chip.bias
        positions = math.prod(p.shape) // max(1, len(biases))  # that share one
        spikes = []
        for i, sent in enumerate(total):
            bias = 0 if chip.bias is None else int(biases[i // positions])
            u, s = self.u[p.name][i], self.spikes[p.name][i]
            current = (sent << 6) + bias
            if isinstance(neuron, CuBa):
                current += kept(self.extra[p.name][i], neuron.current_decay)
                if current > 2**23:
                    current -= 2**24
                elif current <= -(2**23):
                    current += 2**24
                self.extra[p.name][i] = current
            if p.spiking and neuron.reset == "soft":
                u -= int(neuron.v_threshold) * s
            elif p.spiking:
                u *= 1 - s
            u = clipped(kept(u, neuron.decay) + current, -(2**23) + 1, 2**23 - 1)
            self.u[p.name][i] = u
            if isinstance(neuron, ALIF):
                b = kept(self.extra[p.name][i], neuron.threshold_decay) + 4096 * s
                self.extra[p.name][i] = min(b, 2**23 - 1)
            spikes.append(int(p.spiking and self._above(p.name, i) >= neuron.v_threshold))
        return spikes

    def _above(self, name: str, i: int) -> int:
        """The membrane, below what its own spikes have raised the threshold by."""
        neuron = self.network.population(name).neuron
        if not isinstance(neuron, ALIF):
            return self.u[name][i]
        return self.u[name][i] - (int(neuron.strength) * self.extra[name][i] >> 12)

    def _factors(self, output: list[int], target: np.ndarray) -> dict[str, list[int]]:
        objective, steps = self.network.learning.objective, self.network.time_steps
        error, self.memory = objective.step(np.array(output), target, self.memory, steps)
        error = [int(e) for e in error]
        last = self.populations[-1]
        factors = {last.name: self._factor(last, error) if last.spiking else error}
        self.signals[last.name] = error
        for p in reversed(self.populations[:-1]):
            routes = [r for r in self.program.routes if r.target == p.name]
            if not routes:
                continue
            signal = [0] * math.prod(p.shape)
            for route in routes:
                sent = error if route.is_error else factors[route.source]
                for below, above, weight in self._backward(route):
                    signal[below] += weight * sent[above]
            factors[p.name] = self._factor(p, signal)
            self.signals[p.name] = self._heard(p, signal)
        return factors

    def _heard(self, p: Any, signal: list[int]) -> list[int]:
        shift = self.network.population(p.name).factor.signal_shift or 0
        found = []
        for s in signal:
            s = clipped(s, -(2**23) + 1, 2**23 - 1)
            size = math.floor(abs(s) / (1 << shift) + 0.5)
            found.append(int(math.copysign(min(size, 127), s)))
        return found

    def _backward(self, route: Any) -> Iterator[tuple[int, int, int]]:
        """(receiving, sending, weight) of a route's synapses."""
        if route.matrix is not None:
            for index, weight in even(route.matrix).items():
                yield *index, weight
            return
        if route.transform is not None:
            weights, pairs = even(route.transform.weight), pairs_of(route.transform)
        else:
            live = self.program.named(route.live)
            frozen = not live.plastic
            weights = even(live.weights) if frozen else self.synapses[route.live].weights
            pairs = pairs_of(live.transform)
        for post, pre, index in pairs:
            yield pre, post, weights[index]

    def _factor(self, p: Any, signal: list[int]) -> list[int]:
        """g of neurons with a triangle as wide as their threshold."""
        chip = self.network.population(p.name)
        scale, found = chip.factor, []
        for i, s in enumerate(signal):
            derivative = self._derivative(chip.neuron, self._above(p.name, i))
            product = clipped(s, -(2**23) + 1, 2**23 - 1) * derivative
            multiple = scale.multiple or 1
            size = math.floor(abs(product) / (multiple << scale.shift) + 0.5)
            found.append(int(math.copysign(multiple * min(size, 127 // multiple), product)))
        return found
