"""Integer updates of weights that many synapses share: the kernels of a convolution, a map's bias.

A kernel weight w[o, k] acts once at every output position, on another input each time. One learning
epoch changes it by what each of these synapses would learn by itself, as Lava's `fixed_pt` does it:

    p(pos) = saturate((m x[input of k at pos] y[pos, o] ... >> r) << l)        for each product
    a      = saturate(a + sum over pos of p(pos))        product by product, from a = w << 7
    w'     = saturate(floor(a / 128) + (random < the rest of it / 128))

The shift r floors at *every position* before the sum, so a product of either sign is too low by up
to one unit of the accumulator at each position where both factors are not 0; the accumulator
saturates once a product, and is rounded once, with the one random number of the epoch for all
weights. The tag belongs to a kernel weight, not to a position: a product of it is evaluated once a
weight, and its third factors (gates) must be the same at all positions of an output channel.

`onchip.arithmetic.accumulator` has the products' widths and shifts. Weights of one position learn
as those of Lava's LearningDense, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from onchip.arithmetic.accumulator import (
    ACCUMULATOR_LIMITS,
    VARIABLE_SHIFT,
    Product,
    product_value,
    round_accumulator,
)
from onchip.engine.outer_updates import saturate_accumulator

Array = np.ndarray


FARTHEST = 2**20
"""A sum beyond it saturates the accumulator from wherever it was, so no more of it is kept."""


class Layout(Protocol):
    """How weights lie, and which inputs they meet at which positions."""

    def sums(self, products: Sequence[Product]) -> list[Array]:
        """Return the sum over positions of each product of inputs: [*weights], int64."""

    def gate(self, name: str) -> Array:
        """Return a third factor that is the same at all positions, broadcasting to the weights."""

    def acts(self, name: str) -> bool:
        """Return whether a third factor is not 0 anywhere."""


def update_shared(
    variable: Array,
    products: Sequence[Product],
    tag: Array,
    layout: Layout,
    random: float,
    limits: tuple[int, int],
) -> Array:
    """The new weights or tags, int32, rounded with one `random` and saturated at `limits`.

    `variable` may be written to where no product acts.
    """
    active = [p for p in products if all(layout.acts(name) for name in p.of_outputs)]
    if not active:
        return saturate_accumulator(variable, random, limits) if products else variable
    sums = _of_inputs(active, layout)
    accumulator = variable.astype(np.int32) << VARIABLE_SHIFT
    low, high = ACCUMULATOR_LIMITS
    for index, product in enumerate(active):
        change = sums[index] if index in sums else _of_tags(product, tag, layout)
        accumulator += change
        np.minimum(accumulator, high, out=accumulator)
        np.maximum(accumulator, low, out=accumulator)
    return round_accumulator(accumulator, random, limits)


def _of_inputs(products: Sequence[Product], layout: Layout) -> Mapping[int, Array]:
    """The sums of the products of inputs by their place; those of the same inputs together."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, product in enumerate(products):
        if "t" not in product.factors:
            groups.setdefault(product.of_inputs, []).append(place)
    return {
        place: np.clip(total, -FARTHEST, FARTHEST).astype(np.int32)
        for places in groups.values()
        for place, total in zip(places, layout.sums([products[p] for p in places]), strict=True)
    }


def _of_tags(product: Product, tag: Array, layout: Layout) -> Array:
    gates = {name: layout.gate(name) for name in product.of_outputs}
    return product_value(product, {"t": tag, **gates})
