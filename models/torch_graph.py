"""Any graph as an execution in PyTorch, beside the trainer's own network of layers.

The third factors come out of torch's backward pass: each population's output carries a gradient to
its current (the neuron's derivative) and each feedback route a gradient from the current above to
the spikes below, through the live weights or the route's own matrix. Only the product with the
traces is written out, by the transforms' verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onchip.arithmetic.real import REAL
from onchip.checks import check_output
from onchip.engine.inputs import check_frames
from onchip.models.torch_state import TorchState
from onchip.models.torch_synapses import (
    TorchSynapses,
    added,
    plastic_weights,
    restore_weights,
    transmitted,
)
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Learning, Route
from onchip.program.lower import require_any_machine
from onchip.sealed import Sealed

Recorder = Callable[[str, np.ndarray], None]


class TorchGraph(Sealed):
    """Runs and trains a graph in torch; the interface of `onchip.Engine`.

    `dtype` is float64 (to be compared) or float32. A batch learns by the mean of its gradients, at
    the rules' rates or by the optimizer that `optimizer` makes of the plastic weights (what it
    returns has `step`, by their `grad`). Raises ValueError for a network of integers.
    """

    def __init__(
        self,
        spec: Network,
        dtype: Any = np.float64,
        optimizer: Callable[[list[Tensor]], Any] | None = None,
    ) -> None:
        require_any_machine(spec, "torch")
        self.spec, self.dtype = spec, np.dtype(dtype)
        named = zip(spec.names, spec.connections, strict=True)
        self._synapses = [TorchSynapses(spec, *pair, self._tensor) for pair in named]
        self._into = {
            p.name: [s for s in self._synapses if s.connection.target == p.name]
            for p in spec.populations
        }
        routes = spec.learning.routes if spec.learning else ()
        self._routes = [(route, self._fixed(route)) for route in routes]
        plastic = [s.weight for s in self._synapses if s.connection.plastic]
        self.optimizer = None if optimizer is None else optimizer(plastic)

    def run(self, frames: np.ndarray, recorder: Recorder | None = None) -> np.ndarray:
        """Inference: `frames` [samples, T, *input_shape] -> outputs [samples, T, classes]."""
        x, steps = self._frames(frames), []
        state = self._begin(len(x))
        for n in range(x.shape[1]):
            outputs = self._step(x[:, n], state, recorder)
            steps.append(outputs[self.spec.populations[-1].name].detach().flatten(1).numpy())
        return np.stack(steps, axis=1)

    def learn(
        self, frames: np.ndarray, labels: np.ndarray, recorder: Recorder | None = None
    ) -> np.ndarray:
        """Learn from one batch of samples: as `run`, with what the objective takes as targets."""
        learning = self.spec.learning
        if learning is None:
            raise ValueError(
                "network: it has no learning section; use onchip.network.learning.with_learning"
            )
        x = self._frames(frames)
        given = learning.objective.targets(labels, len(x), self.spec.time_steps, self.spec.classes)
        targets, state = (
            self._tensor(given),
            TorchState(self.spec, self._synapses, len(x), self._tensor),
        )
        steps, waiting = [], list[Tensor | None]()
        for n in range(x.shape[1]):
            outputs = self._step(x[:, n], state, recorder)
            last = outputs[self.spec.populations[-1].name]
            gradients = self._gradients(learning, outputs, targets[:, n], state)
            steps.append(last.detach().flatten(1).numpy())
            waiting = self._update(learning, waiting, gradients)
        self._apply(waiting)
        found = np.stack(steps, axis=1)
        check_output(found)
        return found

    def snapshot(self) -> Network:
        """The graph with the present weights."""
        weights = {
            name: synapses.weight.double().numpy().copy()
            for name, synapses in zip(self.spec.names, self._synapses, strict=True)
            if synapses.connection.plastic
        }
        return self.spec.with_weights(weights)

    def state(self) -> dict[str, np.ndarray]:
        """All that changes between two samples: the plastic weights, copies by name."""
        return plastic_weights(self._named())

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state` of this network; ValueError, before any change, where it is none."""
        restore_weights(self._named(), state)

    def _named(self) -> dict[str, TorchSynapses]:
        if self.optimizer is not None:
            raise ValueError("network: its optimizer keeps more than the weights; use snapshot")
        return dict(zip(self.spec.names, self._synapses, strict=True))

    def _begin(self, batch: int) -> TorchState:
        return TorchState(self.spec, self._synapses, batch, self._tensor)

    # -- one step -----------------------------------------------------------------------------

    def _step(
        self, frame: Tensor, state: TorchState, recorder: Recorder | None
    ) -> dict[str, Tensor]:
        """The outputs of all populations, with their paths for the backward pass."""
        spikes = {INPUT: frame, ALWAYS_ON: frame.new_ones(len(frame), 1)}
        for population in self.spec.populations:
            current, name = frame.new_zeros(len(frame), *population.shape), population.name
            for synapses in self._into[name]:
                source = synapses.connection.source
                sent = (state.spikes if synapses.connection.delay else spikes)[source]
                flat = synapses.transmit(sent.detach(), synapses.weight)
                same = flat.numel() == current.numel()  # a bias goes by its channels
                current = current + (flat.reshape(current.shape) if same else flat)
                synapses.advance(sent.detach())
            current = current + self._paths(name, spikes)
            before = state.neurons[name]
            output, now = population.neuron.step(current.detach(), before, REAL)
            state.neurons[name] = now
            derivative = population.neuron.derivative(now, REAL) * torch.ones_like(output)
            for synapses in self._into[name]:
                if synapses.connection.plastic:
                    observe = synapses.kind.observe
                    told = observe(population.neuron, before, current.detach(), now, REAL)
                    synapses.hear(tuple(value * torch.ones_like(output) for value in told))
            # Without a route from above a current has no path, and its neurons start one.
            spikes[name] = output + (current - current.detach()).requires_grad_() * derivative
            if recorder is not None:
                recorder(name, output.numpy())
        state.spikes = {name: values.detach() for name, values in spikes.items()}
        return spikes

    def _paths(self, name: str, spikes: dict[str, Tensor]) -> Tensor | float:
        """What is zero but for its gradient: from the current of a population to those below."""
        total: Tensor | float = 0.0
        for route, matrix in self._routes:
            if route.source == name and not route.is_error:
                path = self._carried(route, matrix, spikes[route.target])
                path = path.reshape(len(path), *self.spec.population(name).shape)
                total = total + path - path.detach()
        return total

    def _carried(self, route: Route, matrix: Tensor | None, below: Tensor) -> Tensor:
        """Spikes [batch, receiving] by way of a route: [batch, sending]."""
        if route.transform is not None:
            assert matrix is not None
            return transmitted(route.transform, below, matrix)
        if matrix is not None:
            return below.flatten(1) @ matrix
        live = next(
            s
            for s in self._into[route.source]
            if s.connection.source == route.target and not s.connection.delay
        )
        return live.transmit(below, live.weight)

    def _gradients(
        self, learning: Learning, outputs: dict[str, Tensor], target: Tensor, state: TorchState
    ) -> list[Tensor | None]:
        """The mean gradient of each connection in this step; None of frozen ones."""
        errors = {name: self._error(name, outputs, target, state) for name in self.spec.readouts}
        weighed = [(error * outputs[name].flatten(1)).sum() for name, error in errors.items()]
        total = torch.stack(weighed).sum()
        for route, matrix in self._routes:
            if route.is_error:
                carried = self._carried(route, matrix, outputs[route.target])
                total = total + (errors[route.source] * carried).sum()
        names = self.spec.plastic_names
        found = torch.autograd.grad(total, [outputs[name] for name in names], allow_unused=True)
        signals = dict(zip(names, found, strict=True))
        return [
            s.gradient(signals[s.connection.target]) if s.connection.plastic else None
            for s in self._synapses
        ]

    def _error(
        self, name: str, outputs: dict[str, Tensor], target: Tensor, state: TorchState
    ) -> Tensor:
        """The error of a readout in this step."""
        learning = self.spec.learning
        assert learning is not None
        error: Tensor
        error, state.memory[name] = learning.objective.step(
            outputs[name].detach().flatten(1), target, state.memory.get(name), self.spec.time_steps
        )
        return error

    def _update(
        self,
        learning: Learning,
        waiting: list[Tensor | None],
        gradients: list[Tensor | None],
    ) -> list[Tensor | None]:
        """Apply what is due; returns what waits."""
        if learning.mode == "accumulate":
            pairs = zip(waiting, gradients, strict=True)
            return [added(*pair) for pair in pairs] if waiting else gradients
        self._apply(waiting if learning.update_delay else gradients)
        return gradients if learning.update_delay else []

    def _apply(self, gradients: list[Tensor | None]) -> None:
        if not gradients:  # nothing waits
            return
        if self.optimizer is not None:
            for synapses, gradient in zip(self._synapses, gradients, strict=True):
                synapses.weight.grad = gradient
            self.optimizer.step()
            return
        for synapses, gradient in zip(self._synapses, gradients, strict=True):
            rule = synapses.connection.rule
            if gradient is not None and rule is not None:
                synapses.weight = synapses.weight - rule.learning_rate * gradient

    def _fixed(self, route: Route) -> Tensor | None:
        """The fixed weights of a route: a matrix, or those of its transform."""
        if route.transform is not None:
            return self._tensor(route.transform.weight)
        return None if route.matrix is None else self._tensor(route.matrix)

    def _frames(self, frames: np.ndarray) -> Tensor:
        return self._tensor(check_frames(frames, self.spec))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array, self.dtype))
