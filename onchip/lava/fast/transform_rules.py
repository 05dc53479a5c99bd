"""Three-factor rules for the weights of any transform, in floating point, by the transform's verbs.

A product of a trace and third factors, u0 x1 y1, is what `correlate` makes of them: for weights
that several synapses share the sum over these synapses, for all others the product itself. A tag
belongs to a weight. Its third factors are gates, equal for all neurons, or they are looked up for
each weight by `of_outputs`, which shared weights refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.network.transform import Transform
from onchip.program.synapses import Plasticity

Array = np.ndarray

INPUTS = ("x1", "x2")
"""Presynaptic factors of a product; its dependency may be another, x0."""

OUTPUTS = ("y1", "y2", "y3")
"""Third factors."""

TAGS = ("t", "d")
"""Variables of a synapse other than its weight."""


class Factors(NamedTuple):
    """What a rule reads: `x` by name x0, x1, x2 [inputs], `y` by name y1, y2, y3 [outputs], `tags`.

    Tags by name t, d have the shape of the weights.
    """

    x: Mapping[str, Array]
    y: Mapping[str, Array]
    tags: Mapping[str, Array]


def change(transform: Transform, products: Sequence[Product], factors: Factors) -> Array:
    """Return what the products add to weights or tags, of their shape."""
    total = np.zeros(transform.weight.shape)
    for key, group in _by_gates(products).items():
        post = _gate(key, factors)
        if key[0]:
            total += _tagged(transform, group, post, factors.tags[key[0]])
        elif np.any(post):
            total += _correlated(transform, group, post, factors)
    return total


def rules_of(plasticity: Plasticity) -> tuple[tuple[Product, ...], ...]:
    """Return the products of the weights, of the tags and, where it has any, of the second tags."""
    return plasticity.dw, plasticity.dt, getattr(plasticity, "dd", ())


def require_known(products: Sequence[Product]) -> None:
    """Raise ValueError, with the product, for one that these synapses cannot learn by."""
    for product in products:
        tags, inputs, gates = (_those(product, names) for names in (TAGS, INPUTS, OUTPUTS))
        known = len(tags) + len(inputs) + len(gates) == len(product.factors)
        mixed = len(tags) > 1 or (tags and (inputs or product.dependency != "u0"))
        if not known or mixed or product.dependency not in ("u0", "x0"):
            raise ValueError(
                f"{product}: synapses of a transform learn by products of x1, x2, x0 and third "
                "factors, or of one tag and third factors; use another rule, or backend lava-fused"
            )


def _those(product: Product, names: Sequence[str]) -> list[str]:
    return [name for name in product.factors if name in names]


def _by_gates(products: Sequence[Product]) -> dict[tuple[str, ...], list[Product]]:
    """The products by (their tag or "", *their third factors)."""
    groups: dict[tuple[str, ...], list[Product]] = {}
    for product in products:
        key = ("".join(_those(product, TAGS)), *sorted(_those(product, OUTPUTS)))
        groups.setdefault(key, []).append(product)
    return groups


def _gate(key: tuple[str, ...], factors: Factors) -> Any:
    """The third factors of a group multiplied: [outputs], or 1.0 where there are none."""
    post: Any = 1.0
    for name in key[1:]:
        post = post * factors.y[name]
    return post


def _scale(product: Product) -> float:
    return float(product.mantissa * 2.0**product.exponent)


def _correlated(
    transform: Transform, group: Sequence[Product], post: Any, factors: Factors
) -> Array:
    """Products of traces and the same third factors: one trace, since they are linear in it."""
    pre: Any = 0.0
    for product in group:
        value: Any = _scale(product) * (factors.x["x0"] if product.dependency == "x0" else 1.0)
        for name in product.factors:
            if name in INPUTS:
                value = value * factors.x[name]
        pre = pre + value
    trace = np.zeros_like(factors.x["x1"]) + pre
    if not trace.any():
        return np.zeros(transform.weight.shape)
    outputs = next(iter(factors.y.values())).shape
    maps = (np.zeros(outputs) + post).reshape(1, *transform.output_shape)
    correlated: Array = transform.correlate(trace[np.newaxis], maps)[0]
    return correlated.reshape(transform.weight.shape)


def _tagged(transform: Transform, group: Sequence[Product], post: Any, tag: Array) -> Array:
    scale = sum(_scale(product) for product in group)
    if np.ndim(post) == 0 or (post == post.flat[0]).all():
        uniform: Array = scale * float(np.ravel(post)[0]) * tag
        return uniform
    seen = transform.of_outputs(post.reshape(1, *transform.output_shape))
    return scale * np.asarray(seen * tag[np.newaxis])[0]
