"""Sizes of a network's maps, followed from its frames: what does not fit is refused by its layer.

A pool that does not divide its map leaves out the map's border. It would train, but it cannot be
folded into the next layer's weights, so that the trained network could not be deployed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.models.networks.network import SpikingNetwork


class Stage(NamedTuple):
    """What one layer reads and what its neurons are, (channels, height, width) or (neurons,)."""

    layer: SpikingLayer
    inputs: tuple[int, ...]
    neurons: tuple[int, ...]


def check_shapes(model: SpikingNetwork) -> None:
    """Raise ValueError, naming the layer, where one does not read what the one before it gives."""
    before = "the input"
    for layer, inputs, neurons in stages(model.layers, model.input_shape):
        post, pre = layer.connection.weight.shape[:2]
        dense = isinstance(layer.connection, OTTTLinear)
        given = math.prod(inputs) if dense else inputs[0]
        if pre != given or (not dense and len(inputs) != 3):
            what = "values" if dense else "channels"
            raise ValueError(
                f"layer {layer.name!r}: its weight reads {pre} {what}, but {before} gives "
                f"{inputs}; change the one or the other"
            )
        if min(neurons) < 1:
            raise ValueError(
                f"layer {layer.name!r}: its kernel is larger than the map {inputs} with its "
                "padding; take larger frames or a smaller kernel"
            )
        if layer.recurrent is not None and tuple(layer.recurrent.weight.shape) != (post, post):
            raise ValueError(
                f"layer {layer.name!r}: its recurrent weight is "
                f"{tuple(layer.recurrent.weight.shape)}; it needs {(post, post)}"
            )
        before = f"layer {layer.name!r}"


def check_pools(model: SpikingNetwork) -> None:
    """Raise ValueError where a pool does not divide its map; says which frame size fits."""
    wrong = _undivided(model.layers, model.input_shape)
    if wrong is None:
        return
    _, height, width = wrong.neurons
    channels, *sides = model.input_shape
    fitting = [n for n in range(min(sides), 0, -1) if _fits(model.layers, (channels, n, n))]
    remedy = (
        f"take frames of {fitting[0]}x{fitting[0]} (--size {fitting[0]}) or " if fitting else ""
    )
    raise ValueError(
        f"layer {wrong.layer.name!r}: its pool of {wrong.layer.pool} does not divide its map of "
        f"{height}x{width}, so that the network could not be deployed; {remedy}change the pools"
    )


def _fits(layers: Sequence[Any], shape: tuple[int, ...]) -> bool:
    sizes = [stage.neurons for stage in stages(layers, shape) if len(stage.neurons) == 3]
    return all(min(size) >= 1 for size in sizes) and _undivided(layers, shape) is None


def _undivided(layers: Sequence[Any], shape: tuple[int, ...]) -> Stage | None:
    """The first layer whose pool does not divide its map."""
    for stage in stages(layers, shape):
        pool = stage.layer.pool
        if len(stage.neurons) == 3 and any(side % pool for side in stage.neurons[1:]):
            return stage
    return None


def stages(layers: Sequence[Any], shape: tuple[int, ...]) -> Iterator[Stage]:
    """The layers one after the other, up to the first of a kind that is not known here."""
    for layer in layers:
        connection = getattr(layer, "connection", None)
        if not isinstance(layer, SpikingLayer):
            return
        if isinstance(connection, OTTTConv2d) and len(shape) == 3:
            neurons = _map(connection, shape)
        elif isinstance(connection, (OTTTLinear, OTTTConv2d)):
            neurons = (int(connection.weight.shape[0]),)
        else:
            return
        yield Stage(layer, shape, neurons)
        sides = (side // layer.pool for side in neurons[1:])
        shape = (neurons[0], *sides)


def _map(connection: OTTTConv2d, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width) of a convolution's neurons; sides below 1 where it does not fit."""
    height, width = (
        (side + 2 * padding - kernel) // stride + 1
        for side, kernel, stride, padding in zip(
            shape[1:],
            connection.weight.shape[2:],
            connection.stride,
            connection.padding,
            strict=True,
        )
    )
    return int(connection.weight.shape[0]), height, width
