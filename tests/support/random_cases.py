"""Random networks, each with samples to learn from: cases for a comparison of the executions.

A `Case` is kept in the parts that it is made from, so that it can be shrunk and written as a
script: a network in floating point without learning, the options of `with_learning`, the options of
`quantize` where it is to be in integers, and the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec, Surrogate
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.layer_spec import LayerSpec
from onchip.network.learning import with_learning
from onchip.neurons.lif import RESETS
from onchip.neurons.readouts import LinearReadout
from onchip.neurons.surrogates import SURROGATES
from onchip.neurons.table import Neuron
from onchip.program.graphs import AnyNetwork
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES


class Range(NamedTuple):
    """What is drawn from: `decays` besides those drawn evenly from (0, 1), `surrogates`, and the
    exponents of ten of the `rates`."""

    decays: tuple[float, ...]
    surrogates: tuple[str, ...]
    rates: tuple[float, float]


FLOATS = Range(
    (1.0, 1 - 1e-12, 0.999, 0.99, 0.9, 0.5, 0.1, 0.001, 1e-5, 1e-9), tuple(SURROGATES), (-4, 0)
)
INTEGERS = Range(
    (1.0, 0.9999, 0.99, 0.98, 0.9, 0.5, 0.1, 0.001, 1 / 4096),
    ("sigmoid", "rectangle", "triangle"),
    (-2, 0.5),
)
"""A decay near 1 or a learning rate may still be out of their reach."""

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Case:
    """`frames` [samples, T, *inputs] and `labels` [samples] for a network made of `start` (without
    learning), `learning` (options of `with_learning`, or None) and `integers` (options of
    `quantize`, or None: in floating point)."""

    start: NetworkSpec
    learning: dict[str, Any] | None
    integers: Quantization | None
    frames: np.ndarray
    labels: np.ndarray

    def network(self) -> AnyNetwork:
        """The network; ValueError where it cannot be, in integers for example."""
        spec = self.start if self.learning is None else with_learning(self.start, **self.learning)
        return spec if self.integers is None else quantize(spec, self.integers)


def draw_case(seed: int, number: int) -> tuple[Case, str]:
    """(case `number` of `seed`, why it is not in integers as it was meant to be, or "")."""
    rng = np.random.default_rng([seed, number])
    integers = rng.random() < 0.6
    among = INTEGERS if integers else FLOATS
    start, frames = draw_network(rng, among)
    labels = rng.integers(0, start.classes, len(frames))
    learning, schedule = draw_learning(rng, start, among)
    case = Case(start, learning, None, frames, labels)
    if not integers:
        return case, ""
    headroom = float(rng.choice([0.5, 1.25, 4]))
    wanted = Quantization(schedule, headroom, int(rng.integers(1000)))
    binary = (frames > 0).astype(np.uint8)
    fixed = Case(start, learning, wanted, binary, labels)
    try:
        fixed.network()
    except ValueError as error:
        return case, str(error)
    return fixed, ""


def draw_network(rng: Rng, among: Range) -> tuple[NetworkSpec, np.ndarray]:
    """A network without learning, and frames for it: spikes, or currents for a convolution."""
    samples, steps = int(rng.integers(1, 5)), int(rng.integers(1, 11))
    threshold = 10 ** rng.uniform(-2, 1.5)
    layers: list[LayerSpec] = []
    if rng.random() < 0.2:
        shape: tuple[int, ...] = (int(rng.integers(1, 3)), *map(int, rng.integers(3, 6, 2)))
        layers.append(draw_convolution(rng, shape, draw_lif(rng, threshold, among)))
        size = int(np.prod(layers[0].output_shape))
    else:
        shape = (int(rng.integers(1, 20)),) if rng.random() < 0.7 else (2, 3, 2)
        size = int(np.prod(shape))
    for number in range(int(rng.integers(0, 4))):
        layers.append(draw_dense(rng, f"fc{number + 1}", size, draw_lif(rng, threshold, among)))
        size = layers[-1].output_shape[0]
    layers.append(draw_dense(rng, "readout", size, draw_readout(rng, threshold, among)))
    currents = len(layers[0].output_shape) == 3 and rng.random() < 0.3
    rate = rng.choice([0.05, 0.2, 0.5, 0.9, 1.0])
    frames = (rng.random((samples, steps, *shape)) < rate).astype(np.uint8)
    shown = frames * rng.normal(1, 1, frames.shape) if currents else frames
    return NetworkSpec(tuple(layers), shape, steps), shown


def draw_decay(rng: Rng, among: Range) -> float:
    return float(rng.choice(among.decays)) if rng.random() < 0.5 else float(rng.uniform(0.01, 1))


def draw_lif(rng: Rng, threshold: float, among: Range) -> LIF:
    surrogate = Surrogate(str(rng.choice(among.surrogates)), float(rng.uniform(0.5, 6)))
    own = float(threshold * rng.uniform(0.5, 2))
    return LIF(draw_decay(rng, among), own, str(rng.choice(list(RESETS))), surrogate)


def draw_readout(rng: Rng, threshold: float, among: Range) -> Neuron:
    kind = rng.choice(["integrator", "linear", "spiking"], p=[0.5, 0.25, 0.25])
    if kind == "spiking":
        return draw_lif(rng, threshold, among)
    decay = draw_decay(rng, among)
    return LinearReadout(decay) if kind == "linear" else LeakyIntegrator(decay)


def draw_dense(rng: Rng, name: str, size: int, neuron: Neuron) -> DenseSpec:
    """Weights that make the neurons fire, now and then; a readout is rarely recurrent."""
    post = int(rng.integers(1, 13))
    unit = getattr(neuron, "v_threshold", 1.0)
    weight = unit * rng.normal(0.4, rng.uniform(0.6, 2.5), (post, size)) / np.sqrt(size)
    bias = None if rng.random() < 0.3 else unit * rng.normal(0, 0.2, post)
    recurrent = None
    if isinstance(neuron, LIF) and rng.random() < (0.05 if name == "readout" else 0.4):
        recurrent = unit * rng.normal(0, 0.5, (post, post))
    return DenseSpec(name, weight, neuron, bias, recurrent)


def draw_convolution(rng: Rng, shape: tuple[int, ...], neuron: LIF) -> ConvSpec:
    kernel = (int(rng.integers(1, 4)), shape[0], *map(int, rng.integers(1, 4, 2)))
    unit = neuron.v_threshold / np.sqrt(np.prod(kernel[1:]))
    weight = unit * rng.normal(0.3, 1.5, kernel)
    bias = None if rng.random() < 0.5 else neuron.v_threshold * rng.normal(0, 0.2, kernel[0])
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    padding = (int(rng.integers(0, 2)), int(rng.integers(0, 2)))
    three = (shape[0], shape[1], shape[2])
    return ConvSpec("conv", weight, neuron, three, bias, stride, padding)


def draw_learning(rng: Rng, start: NetworkSpec, among: Range) -> tuple[dict[str, Any] | None, str]:
    """(options of `with_learning` or None, the schedule for integers); a third of them pipelined,
    which only lets the last layer learn, and an online update one step late."""
    pipelined = bool(rng.random() < 0.35)
    schedule = "pipelined" if pipelined else "sequenced"
    if rng.random() < 0.1:
        return None, schedule
    dense = [layer.name for layer in start.layers if isinstance(layer, DenseSpec)]
    chosen = [name for name in dense if rng.random() < 0.7]
    mode = str(rng.choice(list(UPDATE_MODES)))
    options = {
        "learning_rate": float(10 ** rng.uniform(*among.rates)) * smallest_threshold(start),
        "plastic": dense[-1:] if pipelined or not chosen else chosen,
        "mode": mode,
        "feedback": str(rng.choice(list(FEEDBACKS))),
        "mse_weight": float(rng.choice([0, 0.05, 0.5, 1])),
        "update_delay": int(pipelined and mode == "online"),
        "seed": int(rng.integers(1000)),
    }
    return options, schedule


def smallest_threshold(start: NetworkSpec) -> float:
    """Steps of learning scale with it, as the weights do; 1 where it is larger."""
    thresholds = [
        layer.neuron.v_threshold for layer in start.layers if hasattr(layer.neuron, "reset")
    ]
    return min([1.0, *thresholds])
