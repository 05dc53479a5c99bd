"""The network specification: the contract between training, deployment and every execution.

Frozen dataclasses of NumPy arrays, no torch, no Lava. A spec says everything about a network and
its learning; trainers write specs, executions read them, and a learned network is a new spec. The
layers are in `onchip.network.layer_spec` and can be imported from here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onchip.checks import require_between, require_choice
from onchip.metadata import plain_metadata
from onchip.network.arrays import frozen_array, integers
from onchip.network.layer_spec import ConvSpec as ConvSpec
from onchip.network.layer_spec import LayerSpec, equal_fields
from onchip.network.sheets import chain_sheet
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES
from onchip.showing import Sheet, Shown


@dataclass(frozen=True, eq=False)
class LearningSpec:
    """How a network learns.

    `learning_rate` eta > 0 per step (online) or per sample (accumulate); `mode` "online" (OTTT_O)
    or "accumulate" (OTTT_A); `feedback` one of `onchip.rules.feedback.FEEDBACKS` with its fixed
    `feedback_matrices` [receiving, sending] by receiving layer; `mse_weight` alpha of the loss in
    [0, 1]; `update_delay` 0 or 1: the number of steps by which an online update lags behind its
    gradient (1 on the pipelined schedule, whose forward pass of step n+1 is already under way when
    the gradient of step n is known).
    """

    learning_rate: float
    mode: str = "online"
    feedback: str = "exact"
    feedback_matrices: Mapping[str, np.ndarray] = field(default_factory=dict)
    mse_weight: float = 0.05
    update_delay: int = 0

    def __post_init__(self) -> None:
        """Check names and ranges, freeze the matrices."""
        require_between("learning: learning_rate", self.learning_rate, 0, 1e6, open_low=True)
        require_choice("learning: mode", self.mode, UPDATE_MODES)
        require_choice("learning: feedback", self.feedback, FEEDBACKS)
        require_between("learning: mse_weight", self.mse_weight, 0, 1)
        if self.update_delay not in (0, 1):
            raise ValueError(f"learning: update_delay is {self.update_delay!r}; it must be 0 or 1")
        matrices = {
            name: frozen_array(f"feedback matrix of layer {name!r}", matrix, 2)
            for name, matrix in self.feedback_matrices.items()
        }
        object.__setattr__(self, "feedback_matrices", matrices)

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]


class NetworkShape(Shown):
    """Sizes and learning layers of a chain of layers, in floating point or in integers."""

    layers: tuple[Any, ...]
    input_shape: tuple[int, ...]
    time_steps: int
    learning: Any

    @property
    def input_size(self) -> int:
        """Number of values in one frame."""
        return int(math.prod(self.input_shape))

    @property
    def classes(self) -> int:
        """Number of outputs of the last layer."""
        return int(math.prod(self.layers[-1].output_shape))

    def sheet(self) -> Sheet:
        """Return what is shown of it: a row for each layer."""
        return chain_sheet(self)

    @property
    def plastic_names(self) -> tuple[str, ...]:
        """Names of the layers that learn, from input to output."""
        return tuple(layer.name for layer in self.layers if layer.plastic)

    @property
    def learning_layers(self) -> tuple[Any, ...]:
        """Layers from the lowest plastic one to the readout: those that need a factor g."""
        first = next((i for i, layer in enumerate(self.layers) if layer.plastic), len(self.layers))
        return tuple(layer for layer in self.layers[first:] if not is_convolution(layer))


@dataclass(frozen=True, eq=False, repr=False)
class NetworkSpec(NetworkShape):
    """A feedforward chain of layers (convolutions first), its time steps and its learning.

    `input_shape` is that of one frame, e.g. (channels, height, width), flattened in C order for a
    dense first layer; `time_steps` is T, the steps of one sample; the last layer is the readout
    with one neuron per class; `learning=None` is a network for inference. `metadata` is provenance
    (dataset, split, seed, commands), kept as `onchip.metadata.plain_metadata` makes it. Raises
    ValueError when shapes, names or the learning section do not fit together.
    """

    layers: tuple[LayerSpec, ...]
    input_shape: tuple[int, ...]
    time_steps: int
    learning: LearningSpec | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "input_shape", integers("network: input_shape", self.input_shape))
        object.__setattr__(self, "metadata", plain_metadata(self.metadata))
        check_chain(self)
        _check_learning(self)

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]


def check_chain(spec: Any) -> None:
    """Raise ValueError unless each layer of a network reads what the one before it gives.

    Also for integer networks.
    """
    if not spec.layers:
        raise ValueError("network: it has no layers; pass at least a readout")
    if isinstance(spec.time_steps, bool) or not isinstance(spec.time_steps, (int, np.integer)):
        raise ValueError(f"network: time_steps is {spec.time_steps!r}; it must be an integer")
    require_between("network: time_steps", spec.time_steps, 1, 1_000_000)
    require_between("network: input_shape's smallest side", min(spec.input_shape), 1, 1_000_000)
    names = [layer.name for layer in spec.layers]
    if len(set(names)) != len(names) or not all(names):
        raise ValueError(f"network: layer names {names} must be distinct and not empty")
    shape: tuple[int, ...] = spec.input_shape
    for before, layer in itertools.pairwise([None, *spec.layers]):
        _check_link(before, layer, shape)
        shape = layer.output_shape


def _check_link(before: Any, layer: Any, shape: tuple[int, ...]) -> None:
    source = "the input" if before is None else f"layer {before.name!r}"
    if before is not None and not before.neuron.spiking:
        kind = type(before.neuron).__name__
        raise ValueError(f"{source}: {kind} does not spike, so it can only be the last layer")
    if is_convolution(layer) and layer.input_shape != shape:
        raise ValueError(
            f"layer {layer.name!r}: input_shape {layer.input_shape} differs from {source}'s {shape}"
        )
    if layer.input_size != math.prod(shape):
        raise ValueError(
            f"layer {layer.name!r}: weight {layer.weight.shape} reads {layer.input_size} values, "
            f"but {source} gives {math.prod(shape)}"
        )


def is_convolution(layer: Any) -> bool:
    """Whether a layer of a float or integer network is a convolution: its output has channels."""
    return len(layer.output_shape) == 3


def _check_learning(spec: NetworkSpec) -> None:
    learning = spec.learning
    if learning is None:
        if spec.plastic_names:
            raise ValueError(
                f"network: layers {list(spec.plastic_names)} are plastic, but there is no learning "
                "section; use onchip.network.learning.with_learning"
            )
        return
    if not spec.plastic_names:
        raise ValueError("network: it has a learning section, but no layer is plastic")
    for layer in spec.learning_layers:
        if layer.neuron.spiking and layer.neuron.surrogate is None:
            raise ValueError(f"layer {layer.name!r}: a spiking layer that learns needs a surrogate")
    receiving = [layer.name for layer in spec.learning_layers[:-1]]
    if learning.feedback == "exact":
        receiving = []  # it reads the live weights
    for name in learning.feedback_matrices:
        if name not in receiving:
            wanted = f"for {', '.join(receiving)}" if receiving else "none"
            raise ValueError(
                f"learning: feedback {learning.feedback!r} has a matrix for {name!r}, but takes "
                f"{wanted}; leave it out, or use onchip.network.learning.with_learning"
            )
    if learning.feedback == "exact":
        return
    for low, high in itertools.pairwise(spec.learning_layers):
        sending = spec.classes if learning.feedback == "direct" else high.output_shape[0]
        expected = (low.output_shape[0], sending)
        matrix = learning.feedback_matrices.get(low.name)
        shape = None if matrix is None else matrix.shape
        if shape != expected:
            raise ValueError(
                f"layer {low.name!r}: feedback {learning.feedback!r} needs a matrix of shape "
                f"{expected}, got {shape}; use onchip.network.learning.with_learning"
            )
