"""The PyTorch trainer as an execution of a specification, beside the NumPy engine and Lava.

`TorchNetwork` runs and learns by the trainer's own layers, autograd functions, feedback and update
loops with plain SGD. It shares the neurons' and the loss's equations with the engine, but not the
learning rule: its gradients come out of torch's backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onchip.checks import check_output
from onchip.engine.inputs import check_frames
from onchip.engine.state import check_state
from onchip.models.networks.layers import Connection, OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.models.networks.network import SpikingNetwork
from onchip.models.torch_graph import TorchGraph
from onchip.models.training.feedback import Feedback
from onchip.models.training.updates import Learner, ottt_a, ottt_o
from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.network.spec import NetworkSpec
from onchip.objectives.classification import Classification
from onchip.sealed import Sealed

Recorder = Callable[[str, np.ndarray], None]
_LOOPS = {"accumulate": ottt_a, "online": ottt_o}


class TorchNetwork(Sealed):
    """Runs and trains a specification in torch; the interface of `onchip.Engine`.

    `dtype` is float64 (to be compared) or float32. A batch learns by the mean of its gradients.
    """

    def __init__(self, spec: NetworkSpec, dtype: Any = np.float64) -> None:
        self.spec = spec
        self.dtype = np.dtype(dtype)
        self.model = network_from_spec(spec, self.dtype)
        self._learner = _make_learner(spec, self.model)

    def run(self, frames: np.ndarray, recorder: Recorder | None = None) -> np.ndarray:
        """Inference: `frames` [samples, T, *input_shape] -> outputs [samples, T, classes]."""
        x, state, steps = self._frames(frames), self.model.initial_state(), []
        observe = self._observer(recorder, steps)
        with torch.no_grad():
            for n in range(x.shape[1]):
                outputs, state = self.model.step(x[:, n], state)
                observe(outputs)
        return np.stack(steps, axis=1)

    def learn(
        self, frames: np.ndarray, labels: np.ndarray, recorder: Recorder | None = None
    ) -> np.ndarray:
        """Learn from one batch of samples: as `run`, with integer `labels` [samples].

        Or with one-hot targets [samples, T, classes] that change from step to step.
        """
        if self.spec.learning is None or self._learner is None:
            raise ValueError(
                "network: it has no learning section; use onchip.network.learning.with_learning"
            )
        x = self._frames(frames)
        objective = Classification(self.spec.learning.mse_weight)
        given = objective.targets(labels, len(x), self.spec.time_steps, self.spec.classes)
        targets = torch.from_numpy(np.array(given, self.dtype))
        loop, steps = _LOOPS[self.spec.learning.mode], []
        loop(self._learner, x, targets, self._observer(recorder, steps))
        outputs = np.stack(steps, axis=1)
        check_output(outputs)
        return outputs

    def snapshot(self) -> NetworkSpec:
        """The spec with the present weights."""
        layers = tuple(
            replace(layer, **_parameters(module)) if layer.plastic else layer
            for layer, module in zip(self.spec.layers, self.model.layers, strict=True)
        )
        return replace(self.spec, layers=layers)

    def state(self) -> dict[str, np.ndarray]:
        """All that changes between two samples: the plastic layers' weights, copies by name."""
        plastic = self._plastic()
        return {name: p.detach().numpy().copy() for name, p in plastic.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state` of this network; ValueError, before any change, where it is none."""
        plastic = self._plastic()
        check_state(state, {name: p.detach().numpy() for name, p in plastic.items()}, ())
        with torch.no_grad():
            for name, parameter in plastic.items():
                parameter.copy_(torch.from_numpy(np.array(state[name])))

    def _plastic(self) -> dict[str, Tensor]:
        named = self.model.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}

    def _frames(self, frames: np.ndarray) -> Tensor:
        return torch.from_numpy(check_frames(frames, self.spec).astype(self.dtype))

    def _observer(
        self, recorder: Recorder | None, steps: list[np.ndarray]
    ) -> Callable[[list[Tensor]], None]:
        """What sees every step's outputs: the readout's go to `steps` [batch, classes]."""

        def observe(outputs: list[Tensor]) -> None:
            steps.append(outputs[-1].detach().flatten(1).numpy())
            if recorder is not None:
                for layer, output in zip(self.model.layers, outputs, strict=True):
                    recorder(layer.name, output.detach().numpy())

        return observe


def make_torch_network(network: NetworkSpec | Network, dtype: Any = np.float64) -> Any:
    """A network as an execution in torch: the trainer's layers for a chain, else `TorchGraph`."""
    return (TorchGraph if isinstance(network, Network) else TorchNetwork)(network, dtype)  # type: ignore[arg-type]


def network_from_spec(spec: NetworkSpec, dtype: Any = np.float64) -> SpikingNetwork:
    """A torch network with the weights of `spec`; only its plastic layers' weights learn."""
    layers = [_layer_from_spec(layer) for layer in spec.layers]
    torch_dtype = torch.from_numpy(np.empty(0, dtype)).dtype
    return SpikingNetwork(layers, spec.input_shape, spec.time_steps).to(torch_dtype)


def _layer_from_spec(spec: LayerSpec) -> SpikingLayer:
    recurrent = None
    if isinstance(spec, DenseSpec) and spec.recurrent_weight is not None:
        post = len(spec.recurrent_weight)
        recurrent = OTTTLinear(post, post, bias=False)
        _fill(recurrent, spec.recurrent_weight, None)
    layer = SpikingLayer(spec.name, _connection(spec), spec.neuron, recurrent=recurrent)
    return layer.double().requires_grad_(spec.plastic)


def _connection(spec: LayerSpec) -> Connection:
    has_bias, shape = spec.bias is not None, spec.weight.shape
    if isinstance(spec, ConvSpec):
        channels, kernel = (shape[1], shape[0]), (shape[2], shape[3])
        connection: Connection = OTTTConv2d(
            channels, kernel, stride=spec.stride, padding=spec.padding, bias=has_bias
        )
    else:
        connection = OTTTLinear(shape[1], shape[0], bias=has_bias)
    return _fill(connection, spec.weight, spec.bias)


def _fill(connection: Connection, weight: np.ndarray, bias: np.ndarray | None) -> Connection:
    """Double precision, with copies of the given values."""
    connection.double()
    with torch.no_grad():
        connection.weight.copy_(torch.tensor(weight))
        if connection.bias is not None and bias is not None:
            connection.bias.copy_(torch.tensor(bias))
    return connection


def _make_learner(spec: NetworkSpec, model: SpikingNetwork) -> Learner | None:
    if spec.learning is None:
        return None
    learning = spec.learning
    matrices = {
        name: torch.tensor(matrix, dtype=model.dtype)
        for name, matrix in learning.feedback_matrices.items()
    }
    return Learner(
        model,
        torch.optim.SGD(
            [p for p in model.parameters() if p.requires_grad], lr=learning.learning_rate
        ),
        Feedback(model, learning.feedback, matrices),
        mse_weight=learning.mse_weight,
        update_delay=learning.update_delay if learning.mode == "online" else 0,
    )


def _parameters(layer: SpikingLayer) -> dict[str, np.ndarray]:
    found = {"weight": layer.connection.weight, "bias": layer.connection.bias}
    if layer.recurrent is not None:
        found["recurrent_weight"] = layer.recurrent.weight
    return {k: v.detach().double().numpy().copy() for k, v in found.items() if v is not None}
