"""The integer network: what `onchip.network.spec.NetworkSpec` is to floating point.

Frozen dataclasses of read-only int64 arrays and plain numbers, no torch, no Lava.
`onchip.deploy.quantization.network` makes one from a float specification; the integer engine and
the Lava processes execute it. A layer's `membrane_unit` says what one membrane integer is worth in
the unit of the float network, so one integer weight is worth `weight_step` = 2^(6 +
weight_exponent) of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onchip.arithmetic.integer_softmax import FixedError
from onchip.arithmetic.loihi import TRACE_MAX, WEIGHT_LIMITS, require_integer
from onchip.checks import require_between, require_choice
from onchip.metadata import plain_metadata
from onchip.network.arrays import integers
from onchip.network.layer_spec import equal_fields
from onchip.network.spec import NetworkShape, check_chain
from onchip.neurons.lif import LIF
from onchip.program.integer_layer_spec import FixedLayerSpec, freeze_integers
from onchip.program.timetable import SCHEDULES
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

SHIFT_MAX = 40
"""Most bits by which a fed-back error is shifted right."""


@dataclass(frozen=True, eq=False)
class FixedFactor:
    """How a layer makes its factor g: matrix B of its feedback, and bits dropped at the end.

        g = saturate(round(h derivative 2^-shift)) in -127..127,   h = B (error or factor above)

    `matrix` [receiving, sending] holds integers in -256..255, or is None for the readout (h is the
    error) and for "exact" feedback (B is the transpose of the live weights above). `shift` in 0..40
    is not used by a readout that does not spike (g is the error). `unit` is what g = 1 is worth in
    the float network: g_float = unit g.
    """

    shift: int
    unit: float
    matrix: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check ranges, freeze the matrix."""
        require_integer("factor: shift", self.shift, 0, SHIFT_MAX)
        require_between("factor: unit", self.unit, 0, 1e30, open_low=True)
        freeze_integers(self, "matrix", "factor", 2, WEIGHT_LIMITS)

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class FixedLearningSpec:
    """How an integer network learns, on one schedule.

    `mode`, `feedback` as in `LearningSpec`; `schedule` "sequenced" or "pipelined" (traces, rates
    and roundings depend on it); `error` makes the output error; `factors` one `FixedFactor` for
    each layer from the lowest plastic one to the readout, by name; `seed` 0..2^31 of the roundings.
    """

    mode: str
    feedback: str
    schedule: str
    error: FixedError
    factors: Mapping[str, FixedFactor] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the names."""
        require_choice("fixed learning: mode", self.mode, UPDATE_MODES)
        require_choice("fixed learning: feedback", self.feedback, FEEDBACKS)
        require_choice("fixed learning: schedule", self.schedule, SCHEDULES)
        require_integer("fixed learning: seed", self.seed, 0, 2**31)
        object.__setattr__(self, "factors", dict(self.factors))

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def update_delay(self) -> int:
        """Steps by which an online update lags: 1 on the pipelined schedule, else 0."""
        return int(self.schedule == "pipelined" and self.mode == "online")


@dataclass(frozen=True, eq=False, repr=False)
class FixedNetworkSpec(NetworkShape):
    """A feedforward chain of integer layers; fields and properties as in `NetworkSpec`.

    Raises ValueError when shapes, names or the learning section do not fit together.
    """

    layers: tuple[FixedLayerSpec, ...]
    input_shape: tuple[int, ...]
    time_steps: int
    learning: FixedLearningSpec | None = None
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


def _check_learning(spec: FixedNetworkSpec) -> None:
    learning = spec.learning
    if learning is None:
        if spec.plastic_names:
            raise ValueError(
                f"network: layers {list(spec.plastic_names)} are plastic, but there is no learning "
                "section"
            )
        return
    if not spec.plastic_names:
        raise ValueError("network: it has a learning section, but no layer is plastic")
    layers = spec.learning_layers
    unknown = set(learning.factors) - {layer.name for layer in layers}
    if unknown:
        raise ValueError(
            f"fixed learning: factors for {', '.join(sorted(unknown))}, which need none; name only "
            "the layers from the lowest plastic one to the readout"
        )
    for index, layer in enumerate(layers):
        factor = learning.factors.get(layer.name)
        if factor is None:
            raise ValueError(f"layer {layer.name!r}: the learning section has no factor for it")
        expected = _matrix_shape(spec, index)
        shape = None if factor.matrix is None else factor.matrix.shape
        if shape != expected:
            raise ValueError(
                f"layer {layer.name!r}: feedback {learning.feedback!r} needs a matrix of shape "
                f"{expected}, got {shape}"
            )
        hidden = index < len(layers) - 1
        if isinstance(layer.neuron, LIF) and layer.neuron.surrogate is None:
            kind = "hidden layer" if hidden else "spiking readout"
            raise ValueError(f"layer {layer.name!r}: a {kind} that learns needs a surrogate")
    _check_impulses(spec)


def _matrix_shape(spec: FixedNetworkSpec, index: int) -> tuple[int, int] | None:
    """Shape of the feedback matrix of a learning layer, None where it has none."""
    layers, learning = spec.learning_layers, spec.learning
    assert learning is not None
    if index == len(layers) - 1 or learning.feedback == "exact":
        return None
    sending = spec.classes if learning.feedback == "direct" else layers[index + 1].output_shape[0]
    return layers[index].output_shape[0], sending


def _check_impulses(spec: FixedNetworkSpec) -> None:
    """A trace must not saturate at one spike a step: it would no longer be a sum."""
    for layer in spec.learning_layers:
        if layer.plasticity is None:
            continue
        lost = 1 - layer.neuron.decay
        if layer.plasticity.impulse > TRACE_MAX * lost:
            raise ValueError(
                f"layer {layer.name!r}: impulse {layer.plasticity.impulse} lets the trace saturate "
                f"at decay {1 - lost:.4g}; use at most {int(TRACE_MAX * lost)}, or a smaller decay"
            )
