"""Three-factor rules for weights that many synapses share: the kernel of a convolution.

A kernel weight w[o, k] acts once at every output position, on another input each time. Its change
is the sum over positions of what each of these synapses would learn by itself:

    dw[o, k] = sum over pos of  mantissa 2^exponent  x1[input of k at pos]  y1[pos, o]

so with y1 = -eta g and x1 = a it is -eta sum g a, OTTT's gradient of a kernel. What integers make
of it, and of tags, is written down in `onchip.engine.shared_updates`, which computes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.loihi import EPOCH_MAX
from onchip.engine.shared_updates import update_shared
from onchip.lava.fast.convolution import Patches, correlate
from onchip.lava.fast.position_sums import position_sums
from onchip.program.plasticity import Products

Array = np.ndarray

STORED_EXPONENT = 7
"""Lava stores a product's exponent plus this."""


class Traces(NamedTuple):
    """What a rule reads: `x` by name x0, x1 (x, y, in), `y` by name y1, y2, y3 (x, y, out), at
    least one and all that its products name, and `tag` [out, kx, ky, in / groups].
    """

    x: Mapping[str, Array]
    y: Mapping[str, Array]
    tag: Array


def shared_products(rule: Any) -> Products:
    """The products of dw and dt of a Loihi3FLearningRule that shared weights can learn by.

    Raises ValueError, with the product, for what has no meaning for them or is not offered.
    """
    if not isinstance(rule, Loihi3FLearningRule):
        _refuse(f"a rule of type {type(rule).__name__}", "use Loihi3FLearningRule")
    if rule.dd is not None:
        _refuse("a rule for delays (dd)", "leave it out")
    if rule.decimate_exponent:
        _refuse(f"the dependency u{rule.decimate_exponent}", "use u0")
    if not 1 <= rule.t_epoch <= EPOCH_MAX:
        _refuse(f"t_epoch {rule.t_epoch}", f"use 1 to {EPOCH_MAX}")
    if not rule.x1_tau > 0:
        _refuse(f"x1_tau {rule.x1_tau}", "use a time constant above 0")
    series = (rule.dw, rule.dt)
    return Products(*(tuple(_products(each, rule.t_epoch)) for each in series))


def _products(series: Any, epoch: int) -> Iterator[Product]:
    for product in series.products if series is not None else ():
        names = tuple(factor.state_var for factor in product.factors)
        text = f"{product.dependency}*{'*'.join(map(str, product.factors))}"
        if any(factor.const or factor.is_sgn for factor in product.factors):
            _refuse(f"{text}: constants and signs", "use plain factors")
        if "t" in names and (product.dependency != "u" or "x1" in names):
            _refuse(f"{text}: a tag with a presynaptic factor", "use u0, t and gates y")
        if "d" in names:
            _refuse(f"{text}: the second tag d", "use t")
        if "w" in names:
            _refuse(f"{text}: the weight w as a factor", "use x1, t and gates y")
        if product.dependency not in ("u", "x0"):
            _refuse(f"{text}: the dependency {product.dependency}", "use u0 or x0")
        if product.dependency == "x0" and epoch > 1:
            _refuse(f"{text}: x0 with t_epoch {epoch}", "use u0, or an epoch of one step")
        if product.dependency == "u" and not {"t", "x1"} & set(names):
            _refuse(f"{text}: no presynaptic factor", "use x1, x0 or t")
        dependency = "u0" if product.dependency == "u" else "x0"
        exponent = product.s_exp - STORED_EXPONENT
        yield Product(product.s_mantissa, exponent, names, dependency)


def _refuse(what: str, remedy: str) -> None:
    raise ValueError(f"plastic convolution: {what} cannot be learned by; {remedy}")


def float_change(products: Sequence[Product], traces: Traces, patches: Patches) -> Array:
    """What the products add to weights or tags, of their shape, in floating point."""
    total = np.zeros_like(traces.tag)
    for pre, places in _by_inputs(products).items():
        group = [products[place] for place in places]
        if pre:
            total += _input_change(pre, group, traces, patches)
        else:
            total += sum(_scale(product) * _tag_product(product, traces) for product in group)
    return total


def _input_change(
    pre: tuple[str, ...], products: Sequence[Product], traces: Traces, patches: Patches
) -> Array:
    """Products of the same presynaptic factors, summed over positions."""
    inputs = _pre(pre, traces.x)
    post: Any = sum(_post(product, traces.y, _scale(product)) for product in products)
    if not (inputs.any() and post.any()):
        return np.zeros_like(traces.tag)
    return correlate(patches.of(inputs), post).reshape(traces.tag.shape)


def _tag_product(product: Product, traces: Traces) -> Array:
    """The factors of a product of tags multiplied, [out, kx, ky, in / groups]."""
    values = {"t": traces.tag, **_channel_gates(product, traces.y)}
    total = np.ones_like(traces.tag)
    for name in product.factors:
        total = total * values[name]
    return total


def fixed_update(
    variable: Array,
    products: Sequence[Product],
    traces: Traces,
    random: float,
    limits: tuple[int, int],
    patches: Patches,
) -> Array:
    """The new weights or tags [out, kx, ky, in / groups] int32, rounded with one `random`.

    `traces` are integers: x1 and y in 0..127, x0 in 0..1. `patches` hold 16-bit integers.
    """
    layout = _LavaLayout(traces, patches, variable.shape)
    return update_shared(variable, products, traces.tag, layout, random, limits)


class _LavaLayout:
    """How kernels lie in Lava, for `onchip.engine.shared_updates`."""

    def __init__(self, traces: Traces, patches: Patches, shape: tuple[int, ...]) -> None:
        self._traces, self._patches, self._shape = traces, patches, shape

    def sums(self, products: Sequence[Product]) -> list[Array]:
        """As `Layout.sums`."""
        pre = _pre(products[0].of_inputs, self._traces.x)
        posts = [_post(product, self._traces.y, product.mantissa) for product in products]
        sums = position_sums(pre, products, posts, self._patches)
        return [total.reshape(self._shape) for total in sums]

    def gate(self, name: str) -> Array:
        """As `Layout.gate`."""
        return _channel_gate(name, self._traces.y)

    def acts(self, name: str) -> bool:
        """As `Layout.acts`."""
        return bool(self._traces.y[name].any())


def _by_inputs(products: Sequence[Product]) -> dict[tuple[str, ...], list[int]]:
    """Places of the products by their presynaptic factors; those of tags have none."""
    places: dict[tuple[str, ...], list[int]] = {}
    for place, product in enumerate(products):
        gate = ("x0",) if product.dependency == "x0" else ()
        key = (*gate, *(name for name in product.factors if name == "x1"))
        places.setdefault(key, []).append(place)
    return places


def _pre(names: tuple[str, ...], x: Mapping[str, Array]) -> Array:
    first, *others = (x[name] for name in names)
    for other in others:
        first = first * other
    return first


def _post(product: Product, y: Mapping[str, Array], scale: float | int) -> Array:
    """`scale` times the third factors of a product, (x, y, out)."""
    total: Any = scale
    for name in product.factors:
        if name in y:
            total = total * y[name]
    shape = next(iter(y.values())).shape
    return total if np.ndim(total) else np.full(shape, total)


def _scale(product: Product) -> float:
    return float(product.mantissa * 2.0**product.exponent)


def _channel_gates(product: Product, y: Mapping[str, Array]) -> dict[str, Array]:
    """The gates of a product of tags, [out, 1, 1, 1]; ValueError where positions disagree."""
    return {name: _channel_gate(name, y) for name in product.factors if name in y}


def _channel_gate(name: str, y: Mapping[str, Array]) -> Array:
    value = y[name]
    if (value != value[0, 0]).any():
        raise ValueError(
            f"plastic convolution: {name} gates a tag, which all positions share, but differs "
            "between the positions of an output channel; send the same value at all of them"
        )
    gate: Array = value[0, 0][:, np.newaxis, np.newaxis, np.newaxis]
    return gate


def require_integers(name: str, values: np.ndarray, limits: tuple[int, int]) -> None:
    """Raise ValueError unless all `values` are whole and within `limits`, both included."""
    values, (low, high) = np.asarray(values), limits
    whole = np.issubdtype(values.dtype, np.integer) or not (values % 1).any()
    if not whole or values.min() < low or values.max() > high:
        raise ValueError(
            f"{name}: {values.min()} to {values.max()} must be integers in {low}..{high}; "
            "quantize or rescale them (an error goes into two factors, one for each sign)"
        )
