"""Products of a learning rule for the weights of any transform, against sums over synapses."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from convolution_cases import pairs_of

from onchip.arithmetic.accumulator import Product
from onchip.lava.fast.transform_rules import Factors, change, require_known
from onchip.network.convolution import Convolution
from onchip.network.transforms import Dense
from onchip.network.unrolling import unrolled_convolution


def factors_of(rng, transform, uniform=False) -> Factors:
    inputs, outputs = transform.inputs, int(np.prod(transform.output_shape))
    y = {name: rng.normal(size=1 if uniform else outputs) + np.zeros(outputs) for name in YS}
    x = {name: rng.normal(size=inputs) for name in ("x0", "x1", "x2")}
    return Factors(x, y, {name: rng.normal(size=transform.weight.shape) for name in "td"})


YS = ("y1", "y2", "y3")
RULE = (
    Product(3, -2, ("x1", "y1")),
    Product(-1, 0, ("x2", "y1")),
    Product(-1, 0, ("y1",), "x0"),
    Product(1, 1, ("x1", "y1", "y2")),
    Product(5, -3, ("x1",)),
)


class OfAnything(NamedTuple):
    """A product of factors that this version's rules may not name."""

    mantissa: int
    exponent: int
    factors: tuple[str, ...]
    dependency: str = "u0"


TAGGED = (Product(1, 0, ("t", "y3")), Product(-3, -2, ("t",)), OfAnything(1, -1, ("d",)))


def product_at(product, factors, pre, post, weight) -> float:
    """One synapse's product, factor by factor."""
    value = product.mantissa * 2.0**product.exponent
    names = product.factors + (("x0",) if product.dependency == "x0" else ())
    for name in names:
        values = {**factors.x, **factors.y, **factors.tags}[name]
        place = {"x": pre, "y": post}.get(name[0], weight)
        value *= values[place]
    return value


def test_shared_weights_get_the_sum_over_their_synapses(rng):
    transform = Convolution(np.ones((3, 2, 3, 2)), (2, 5, 4), (2, 1), (1, 0))
    factors, expected = factors_of(rng, transform), np.zeros((3, 2, 3, 2))
    for post, pre, weight in pairs_of(transform):
        expected[weight] += sum(product_at(p, factors, pre, post, weight) for p in RULE)
    np.testing.assert_allclose(change(transform, RULE, factors), expected, atol=1e-12)


def test_a_tag_of_shared_weights_takes_gates_that_are_equal_everywhere(rng):
    transform = Convolution(np.ones((3, 2, 3, 2)), (2, 5, 4))
    factors = factors_of(rng, transform, uniform=True)
    gate, (t, d) = factors.y["y3"][0], factors.tags.values()
    found = change(transform, TAGGED, factors)
    np.testing.assert_allclose(found, gate * t - 0.75 * t + 0.5 * d, atol=1e-12)
    with pytest.raises(ValueError, match="weights are shared between positions"):
        change(transform, TAGGED, factors_of(rng, transform))


@pytest.mark.parametrize("kind", ["dense", "local"])
def test_weights_of_one_synapse_each_get_its_products(rng, kind):
    transform = Dense(np.ones((4, 3)))
    if kind == "local":
        transform = unrolled_convolution(Convolution(np.ones((2, 1, 2, 2)), (1, 3, 3)))
    factors = factors_of(rng, transform)
    pre = np.round(transform.of_inputs(np.arange(transform.inputs)[np.newaxis] * 1.0)).astype(int)
    outputs = np.arange(int(np.prod(transform.output_shape)))[np.newaxis]
    post = np.round(transform.of_outputs(outputs * 1.0)).astype(int)
    shape = transform.weight.shape
    pre, post = (np.broadcast_to(places[0], shape) for places in (pre, post))
    expected = np.zeros(shape)
    for weight in itertools.product(*map(range, shape)):
        ends = pre[weight], post[weight]
        expected[weight] = sum(product_at(p, factors, *ends, weight) for p in (*RULE, *TAGGED))
    np.testing.assert_allclose(change(transform, (*RULE, *TAGGED), factors), expected, atol=1e-12)


@pytest.mark.parametrize(
    "product",
    [
        OfAnything(1, 0, ("w", "y1")),
        OfAnything(1, 0, ("t", "x1")),
        OfAnything(1, 0, ("t", "d")),
        OfAnything(1, 0, ("t", "y1"), "x0"),
    ],
)
def test_other_products_are_refused_with_the_product(product):
    require_known((*RULE, *TAGGED))
    with pytest.raises(ValueError, match=r"OfAnything\(.*use another rule, or backend lava-fused"):
        require_known((product,))
