"""What a user adds to the toolkit: a rule, a neuron, a transform and a backend of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from eligibility_loops import History, eligibility

from onchip.execution import RunResult
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.local import LocalConvolution
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.transform import Transform
from onchip.neurons.base import Neuron
from onchip.neurons.surrogates import Surrogate
from onchip.objectives.base import Objective
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.feedback import GLOBAL
from onchip.rules.presets import Preset

Array = Any

REWARD_MODULATED = Preset(
    "eligibilities that wait for a reward", 0.75, objective=Reward(), feedback=GLOBAL
)


class CurrentState(NamedTuple):
    u: Array
    spikes: Array
    i: Array


@dataclass(frozen=True)
class CurrentBased(Neuron):
    """i[n] = be i[n-1] + I[n],  u[n] = al (u[n-1] - Vth s[n-1]) + i[n],  s[n] = u[n] >= Vth."""

    decay: float = 0.8
    current_decay: float = 0.5
    v_threshold: float = 1.0
    surrogate: Surrogate = field(default_factory=lambda: Surrogate("triangle"))

    spiking = True

    @property
    def traces(self):
        al, be = self.decay, self.current_decay
        return ((al / (al - be), al), (-be / (al - be), be))

    def start(self, zeros):
        return CurrentState(zeros, zeros, zeros)

    def step(self, current, state, numbers):
        i = numbers.decay(state.i, self.current_decay) + current
        past = state.u - self.v_threshold * state.spikes
        u = numbers.hold(numbers.decay(past, self.decay) + i)
        spikes = numbers.fires(u, self.v_threshold)
        return spikes, CurrentState(u, spikes, i)

    def derivative(self, state, numbers):
        return numbers.derivative(self.surrogate, state.u, self.v_threshold)


@dataclass(frozen=True, eq=False)
class Gains(Transform):
    """One-to-one connections with a learned gain each; `weight` [n]."""

    weight: np.ndarray

    @property
    def inputs(self):
        return len(self.weight)

    @property
    def output_shape(self):
        return self.weight.shape

    def transmit(self, spikes, weight):
        return spikes * weight

    def send_back(self, factor, weight):
        return factor * weight

    def of_inputs(self, trace):
        return trace

    def of_outputs(self, factor):
        return factor


def gains_in_lava(synapses):
    from onchip.lava.synapses import one_to_one_synapses

    return one_to_one_synapses(synapses)


class Loops:
    """A backend: the equations of a graph one sample, one step, one connection after the other.

    It shares no code with the executions of the packages but the neurons' own equations.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.weights = [np.array(c.transform.weight) for c in network.connections]

    def stream(self, samples, count, on_sample=lambda: None):
        found = []
        for (frames, label), _ in zip(samples, range(count), strict=False):
            found.append(self.sample(frames, label))
            on_sample()
        return RunResult(np.array(found), {})

    def run(self, frames):
        return RunResult(np.array([self.sample(frame, None) for frame in frames]), {})

    def snapshot(self):
        return self.network.with_weights(dict(zip(self.network.names, self.weights, strict=True)))

    def close(self):
        pass

    def sample(self, frames, given) -> np.ndarray:
        from onchip.arithmetic.real import REAL

        network, learning = self.network, self.network.learning
        last, steps = network.populations[-1].name, network.time_steps
        targets = None
        if given is not None:
            one = np.asarray(given)[np.newaxis]
            targets = learning.objective.targets(one, 1, steps, network.classes)[0]
        states = {p.name: p.neuron.start(np.zeros(p.size)) for p in network.populations}
        before = {p.name: np.zeros(p.size) for p in network.populations}
        kernels = [[] for _ in network.connections]
        pasts = {p.name: History() for p in network.populations}
        sums, outputs = [np.zeros_like(w) for w in self.weights], []
        for frame in frames:
            spikes = {INPUT: np.ravel(frame), ALWAYS_ON: np.ones(1)}
            for p in network.populations:
                current = np.zeros(p.size)
                for c, w, past in zip(network.connections, self.weights, kernels, strict=True):
                    if c.target == p.name:
                        sent = (before if c.delay else spikes)[c.source]
                        past.append(sent)
                        current += (
                            matrix(c.transform, w) @ sent
                            if shared(c)
                            else (w * sent if w.ndim == 1 else w @ sent)
                        )
                spikes[p.name], states[p.name] = p.neuron.step(current, states[p.name], REAL)
                state, past = states[p.name], pasts[p.name]
                past.psi.append(p.neuron.derivative(state, REAL) * np.ones(p.size))
                past.u.append(state.u)
                past.spikes.append(state.spikes)
                past.current.append(current)
            before = spikes
            outputs.append(np.array(spikes[last]))
            error = np.zeros(network.classes)
            if targets is not None:
                error = _error(learning.objective, outputs, targets, steps)
            slope = network.populations[-1].neuron.derivative(states[last], REAL)
            signals, factors = {last: error}, {last: error * slope}
            for p in reversed(network.populations[:-1]):
                into = [r for r in learning.routes if r.target == p.name]
                arrived = [backward(r) @ (error if r.is_error else factors[r.source]) for r in into]
                signals[p.name] = np.sum(arrived, axis=0) if arrived else np.zeros(p.size)
                factors[p.name] = signals[p.name] * p.neuron.derivative(states[p.name], REAL)
            for index, c in enumerate(network.connections):
                if c.rule is None:
                    continue
                neuron = network.population(c.target).neuron
                shape, past, third = self.weights[index].shape, pasts[c.target], signals[c.target]
                if shared(c):
                    shape = (len(third), len(kernels[index][-1]))
                now = eligibility(c.rule.kind, neuron, kernels[index], past, shape)
                third = third if len(shape) == 1 else third[:, np.newaxis]
                change = c.rule.learning_rate * third * now
                if shared(c):
                    change = of_kernels(c.transform, change)
                if learning.mode == "online":
                    self.weights[index] = self.weights[index] - change
                else:
                    sums[index] += change
        self.weights = [w - s for w, s in zip(self.weights, sums, strict=True)]
        return np.array(outputs)


def shared(connection) -> bool:
    return isinstance(connection.transform, Convolution | LocalConvolution)


def matrix(transform: Convolution, kernels: np.ndarray) -> np.ndarray:
    """A convolution as the dense matrix [post, pre] that it is."""
    unit = np.eye(transform.inputs)
    return transform.transmit(unit, kernels).reshape(len(unit), -1).T


def backward(route) -> np.ndarray:
    """The fixed matrix [receiving, sending] of a route."""
    if route.transform is None:
        return route.matrix
    return matrix(route.transform, route.transform.weight).T


def of_kernels(transform: Convolution, change: np.ndarray) -> np.ndarray:
    """What a change of every pair [post, pre] is to the kernels: summed where they share."""
    found = np.zeros(transform.weight.shape)
    for place in np.ndindex(found.shape):
        one = np.zeros_like(found)
        one[place] = 1
        found[place] = (matrix(transform, one) * change).sum()
    return found


def _error(objective: Objective, outputs: list[np.ndarray], targets, steps: int) -> np.ndarray:
    """The error of the last of `outputs`; of spike trains by their whole history."""
    if isinstance(objective, SpikeTrains):
        first, second = objective.decay, objective.second_decay or 0.0
        kernel = [
            sum(first**i * second ** (age - i) for i in range(age + 1))
            for age in range(len(outputs))
        ]
        history = zip(reversed(kernel), outputs, targets, strict=False)
        distance = sum(weight * (s - wanted) for weight, s, wanted in history)
        return distance / (len(outputs[-1]) * steps)
    return objective.error(outputs[-1], targets[len(outputs) - 1], steps)
