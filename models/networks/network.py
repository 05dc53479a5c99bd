"""A spiking network: a chain of layers from the input to the readout, stepped through time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from onchip.checks import require_between, require_choice
from onchip.models.networks.attributes import Declared
from onchip.models.networks.layers import LayerState, SpikingLayer
from onchip.models.networks.normalization import OUTPUT_SCALE
from onchip.network.sheets import HEADER, row
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate
from onchip.showing import Sheet, Shown, shape_text

READOUTS = ("leaky", "linear", "lif")
NetworkState = tuple[LayerState, ...]


class SpikingNetwork(Shown, Declared, nn.Module):
    """A chain of `SpikingLayer`; the last one is the readout with one output per class.

    `input_shape` is that of one frame, `time_steps` is T of a sample. `architecture` and `config`
    (JSON-able) rebuild the network with `onchip.models.build_model`; an empty name says that this
    is not one of the named architectures.
    """

    def __init__(
        self,
        layers: Sequence[SpikingLayer],
        input_shape: Sequence[int],
        time_steps: int,
        architecture: str = "",
        config: dict[str, object] | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.input_shape = tuple(int(n) for n in input_shape)
        self.time_steps = int(time_steps)
        self.architecture, self.config = architecture, dict(config or {})

    def sheet(self) -> Sheet:
        """Return what is shown of it: a row for each layer, with the shape of its weights."""
        rows = []
        for layer in self.layers:
            weight, learns = layer.connection.weight, layer.connection.weight.requires_grad
            kinds = [type(layer.connection).__name__, *["recurrent"] * bool(layer.recurrent)]
            size = sum(p.numel() for p in layer.parameters())
            rows.append(row(layer.name, kinds, weight.shape, layer.neuron, learns, size))
        name = self.architecture or type(self).__name__
        about = f"input {shape_text(self.input_shape)}, {self.time_steps} time steps"
        return Sheet(f"{name}: {about}, {self.classes} outputs", HEADER, rows)

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return int(self.layers[-1].connection.weight.shape[0])

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the weights."""
        return self.layers[0].connection.weight.dtype

    def initial_state(self) -> NetworkState:
        """Every layer's state at zero, for a batch of any size."""
        return tuple(layer.initial_state() for layer in self.layers)

    def step(
        self, x: Tensor, state: NetworkState, *, cut: bool = False
    ) -> tuple[list[Tensor], NetworkState]:
        """One step by OTTT: frame [batch, *input_shape] -> (every layer's output, new state).

        `cut` keeps gradients from passing between layers, for direct feedback.
        """
        outputs, new = [], []
        for layer, before in zip(self.layers, state, strict=True):
            x, after = layer.step(x.detach() if cut else x, before)
            outputs.append(x)
            new.append(after)
        return outputs, tuple(new)

    def step_through_time(
        self, x: Tensor, state: NetworkState, *, detach_reset: bool = True
    ) -> tuple[Tensor, NetworkState]:
        """One step for BPTT: frame -> (output [batch, classes], state with its graph)."""
        new = []
        for layer, before in zip(self.layers, state, strict=True):
            x, after = layer.step_through_time(x, before, detach_reset=detach_reset)
            new.append(after)
        return x, tuple(new)

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """Inference: frames [batch, T, *input_shape] -> outputs of every step [batch, T, classes].

        Frames of any numeric type are converted step by step. The prediction is the argmax of the
        sum of the outputs over the steps.
        """
        state, outputs = self.initial_state(), []
        for n in range(frames.shape[1]):
            layer_outputs, state = self.step(frames[:, n].to(self.dtype), state)
            outputs.append(layer_outputs[-1])
        return torch.stack(outputs, dim=1)

    def parts(self) -> list[nn.Module]:
        """The modules that hold the parameters, each with a `name`."""
        return list(self.layers)

    def parameter_label(self, parameter: nn.Parameter) -> str:
        """The name a user knows a parameter by, such as `fc1: weight`, for messages."""
        for part in self.parts():
            for path, candidate in part.named_parameters():
                if candidate is parameter:
                    return f"layer {part.name!r}: {path.removeprefix('connection.')}"
        raise ValueError("parameter: it is not one of this network's")


@dataclass(frozen=True)
class NetworkConfig:
    """What all architectures share; every field is a plain value, so that it fits a JSON file.

    `input_shape` of one frame, `classes`, `time_steps` T; neurons: `decay` lambda in (0, 1] per
    step, `v_threshold`, `reset` "soft" or "hard", `surrogate` with its `surrogate_parameter`
    (None: the default); `readout` "leaky" (leaky integrator), "linear" or "lif" with
    `readout_decay`; `hidden` sizes of the dense layers before the readout; `normalised` for
    standardized weights, `output_scale` for the factor on hidden spikes, `weight_gain` for the
    spread of initial weights, in units of 1/sqrt(fan-in). Raises ValueError for bad values.
    """

    input_shape: tuple[int, ...]
    classes: int
    time_steps: int = 10
    hidden: tuple[int, ...] = ()
    decay: float = 0.5
    v_threshold: float = 1.0
    reset: str = "soft"
    surrogate: str = "sigmoid"
    surrogate_parameter: float | None = None
    readout: str = "leaky"
    readout_decay: float = 0.5
    normalised: bool = True
    output_scale: float = OUTPUT_SCALE
    weight_gain: float = 1.0
    bias: bool = True
    neuron: LIF = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values; lists from JSON become tuples."""
        object.__setattr__(self, "input_shape", positive_tuple("input_shape", self.input_shape))
        object.__setattr__(self, "hidden", positive_tuple("hidden", self.hidden))
        require_between("network: classes", self.classes, 2, 1_000_000)
        require_between("network: time_steps", self.time_steps, 1, 1_000_000)
        require_between("network: output_scale", self.output_scale, 0, 1e6, open_low=True)
        require_between("network: weight_gain", self.weight_gain, 0, 1e6, open_low=True)
        require_choice("network: readout", self.readout, READOUTS)
        surrogate = Surrogate(self.surrogate, self.surrogate_parameter)
        lif = LIF(self.decay, self.v_threshold, self.reset, surrogate)
        object.__setattr__(self, "neuron", lif)
        self.readout_neuron()

    @property
    def input_size(self) -> int:
        """Number of values in one frame."""
        return math.prod(self.input_shape)

    def readout_neuron(self) -> Neuron:
        """The readout's neuron."""
        if self.readout == "lif":
            surrogate = self.neuron.surrogate
            return LIF(self.readout_decay, self.v_threshold, self.reset, surrogate)
        kind = LeakyIntegrator if self.readout == "leaky" else LinearReadout
        return kind(self.readout_decay)


def positive_tuple(name: str, values: object) -> tuple[int, ...]:
    """`values` as a tuple of integers >= 1; ValueError otherwise."""
    if not isinstance(values, (list, tuple)) or any(
        isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in values
    ):
        raise ValueError(f"network: {name} is {values!r}; it must be a list of integers >= 1")
    return tuple(values)
