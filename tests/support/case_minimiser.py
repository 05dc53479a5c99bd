"""Shrinks a failing case as long as it still fails, and writes it as a script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from case_checks import SUFFIX
from random_cases import Case

from onchip import LIF, ConvSpec, DenseSpec, Surrogate
from onchip.deploy.backends.table import executions
from onchip.execution import PROCESSES


def minimise(case: Case, fails: Callable[[Case], bool], seconds: float = 30) -> Case:
    """The smallest case found within the time for which `fails` still holds (it does for `case`).

    Each reduction of the present case is tried in turn, the largest first; those that make no valid
    network are passed over.
    """
    deadline = time.monotonic() + seconds
    going = True
    while going and time.monotonic() < deadline:
        going = False
        for smaller in valid_reductions(case):
            if time.monotonic() > deadline:
                break
            if fails(smaller):
                case, going = smaller, True
                break
    return case


def valid_reductions(case: Case) -> Iterator[Case]:
    """Smaller or simpler cases whose networks can be made."""
    for reduce in reductions(case):
        try:
            smaller = reduce()
            smaller.network()
        except ValueError:
            continue
        yield smaller


def reductions(case: Case) -> Iterator[Callable[[], Case]]:
    """What to try, in this order: samples, steps, layers, widths, and then each option."""
    samples, steps = case.frames.shape[:2]
    for kept in _ranges(samples):
        yield lambda kept=kept: replace(case, frames=case.frames[kept], labels=case.labels[kept])
    for kept in _ranges(steps):
        yield lambda kept=kept: _with_steps(case, kept)
    for index in range(len(case.start.layers) - 1):
        yield lambda index=index: without_layer(case, index)
    for index, layer in enumerate(case.start.layers):
        for width in _smaller(layer.output_shape[0]):
            yield lambda index=index, width=width: narrower(case, index, width)
    for inputs in _smaller(case.start.input_size):
        yield lambda inputs=inputs: fewer_inputs(case, inputs)
    for index in range(len(case.start.layers)):
        for change in _simplest(case.start.layers[index]):
            yield lambda index=index, change=change: _with_layer(case, index, **change)
    if case.learning is not None:
        yield lambda: replace(case, learning=None)
    for options in _simpler_learning(case.learning):
        yield lambda options=options: replace(case, learning=options)


def _smaller(size: int) -> list[int]:
    return sorted({1, size // 2, size - 1} - {0, size}) if size > 1 else []


def _ranges(size: int) -> Iterator[slice]:
    for length in _smaller(size):
        yield slice(0, length)
        yield slice(size - length, size)


def _with_steps(case: Case, kept: slice) -> Case:
    frames = case.frames[:, kept]
    return replace(case, frames=frames, start=replace(case.start, time_steps=frames.shape[1]))


def _with_layers(case: Case, layers: list[Any]) -> Case:
    """The case with other layers: only names that are left can be plastic."""
    names, learning = [layer.name for layer in layers], case.learning
    if learning is not None:
        kept = [name for name in learning["plastic"] if name in names]
        learning = {**learning, "plastic": kept or names[-1:]}
    labels = case.labels % layers[-1].output_shape[0]
    start = replace(case.start, layers=tuple(layers))
    return replace(case, start=start, learning=learning, labels=labels)


def _with_layer(case: Case, index: int, **changes: Any) -> Case:
    layers = list(case.start.layers)
    layers[index] = replace(layers[index], **changes)
    return _with_layers(case, layers)


def without_layer(case: Case, index: int) -> Case:
    """The case without a layer; the next one reads what it read."""
    layers = list(case.start.layers)
    gone = layers.pop(index)
    after = layers[index]
    size = (after.output_shape[0], gone.input_size)
    if isinstance(after, ConvSpec):
        raise ValueError("a convolution reads channels; the layer before it stays")
    layers[index] = replace(after, weight=np.resize(after.weight, size))
    return _with_layers(case, layers)


def narrower(case: Case, index: int, width: int) -> Case:
    """The case with the first `width` neurons or channels of a layer."""
    layers = list(case.start.layers)
    layer = layers[index]
    changes: dict[str, Any] = {"weight": layer.weight[:width]}
    if layer.bias is not None:
        changes["bias"] = layer.bias[:width]
    if getattr(layer, "recurrent_weight", None) is not None:
        changes["recurrent_weight"] = layer.recurrent_weight[:width, :width]
    layers[index] = replace(layer, **changes)
    if index + 1 < len(layers):
        reads = int(np.prod(layers[index].output_shape))
        layers[index + 1] = replace(layers[index + 1], weight=layers[index + 1].weight[:, :reads])
    return _with_layers(case, layers)


def fewer_inputs(case: Case, inputs: int) -> Case:
    """The case with the first `inputs` values of a frame, flat, before a dense layer."""
    first = case.start.layers[0]
    if not isinstance(first, DenseSpec):
        raise ValueError("a convolution keeps its frames")
    layers = (replace(first, weight=first.weight[:, :inputs]), *case.start.layers[1:])
    frames = case.frames.reshape(*case.frames.shape[:2], -1)[:, :, :inputs]
    start = replace(case.start, layers=layers, input_shape=(inputs,))
    return replace(case, start=start, frames=frames)


def _simplest(layer: Any) -> Iterator[dict[str, Any]]:
    """Changes that make a layer simpler."""
    if layer.bias is not None:
        yield {"bias": None}
    if getattr(layer, "recurrent_weight", None) is not None:
        yield {"recurrent_weight": None}
    if layer.neuron.decay != 0.5:
        yield {"neuron": replace(layer.neuron, decay=0.5)}
    if isinstance(layer.neuron, LIF) and layer.neuron.surrogate != Surrogate():
        yield {"neuron": replace(layer.neuron, surrogate=Surrogate())}
    if isinstance(layer.neuron, LIF) and layer.neuron.reset != "soft":
        yield {"neuron": replace(layer.neuron, reset="soft")}


def _simpler_learning(learning: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if learning is None:
        return
    for name in learning["plastic"] if len(learning["plastic"]) > 1 else ():
        yield {**learning, "plastic": [other for other in learning["plastic"] if other != name]}
    if learning["feedback"] != "exact":
        yield {**learning, "feedback": "exact"}


def script(case: Case, name: str) -> str:
    """A program that runs the case on the execution `name` and prints the parity report."""
    backend, schedule = executions()[name.removesuffix(SUFFIX)]
    options = (schedule, True, PROCESSES if name.endswith(SUFFIX) else None)
    arguments = ", ".join(map(repr, (backend, *options)))
    lines = [
        "import numpy as np",
        "from onchip.deploy.backends.table import build",
        "from onchip.deploy.parity.comparison import compare",
        "from onchip.deploy.quantization.network import Quantization, quantize",
        "from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec, Surrogate",
        "from onchip.neurons.readouts import LinearReadout",
        "from onchip.network.learning import with_learning",
        "",
        "layers = (",
        *(f"    {_written(layer)}," for layer in case.start.layers),
        ")",
        f"spec = NetworkSpec(layers, {case.start.input_shape}, {case.start.time_steps})",
        *([] if case.learning is None else [f"spec = with_learning(spec, **{case.learning})"]),
        *([] if case.integers is None else [f"spec = quantize(spec, {case.integers})"]),
        f"frames = {_array(case.frames)}",
        f"labels = {_array(case.labels)}",
        f"executions = {{{name!r}: lambda: build(spec, {arguments})}}",
        "print(compare(spec, frames, labels, executions).markdown())",
    ]
    return "\n".join(lines) + "\n"


def _written(layer: Any) -> str:
    kind = type(layer).__name__
    parts = [repr(layer.name), _array(layer.weight), repr(layer.neuron)]
    if isinstance(layer, ConvSpec):
        parts += [f"{name}={getattr(layer, name)}" for name in ("input_shape", "stride", "padding")]
    for name in ("bias", "recurrent_weight"):
        if getattr(layer, name, None) is not None:
            parts.append(f"{name}={_array(getattr(layer, name))}")
    return f"{kind}({', '.join(parts)})"


def _array(array: np.ndarray) -> str:
    """With every digit, so that it reads back as the same."""
    return f"np.array({array.tolist()}, dtype={array.dtype.name!r})"
