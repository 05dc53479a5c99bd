"""The learning accumulator against Python's unbounded integers, its bias, and learning rates."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onchip.fixed_point import split_error
from onchip.fixed_rules import (
    FLOAT_OVER_FIXED,
    TAG_LIMITS,
    WEIGHT_LIMITS,
    FixedProduct,
    product_value,
    realise_rate,
    update_variable,
)
from onchip.fixed_synapses import FixedSynapses, initial_state, learning_draws, synapse_step

WIDTHS = {"x1": 7, "y1": 7, "y2": 7, "y3": 7, "t": 9}
FACTORS = st.fixed_dictionaries(
    {**dict.fromkeys(("x1", "y1", "y2", "y3"), st.integers(0, 127)), "t": st.integers(-257, 255)}
)
PRODUCTS = st.builds(
    FixedProduct,
    st.sampled_from([m for m in range(-7, 8) if m]),
    st.integers(-7, 8),
    st.lists(st.sampled_from(sorted(WIDTHS)), min_size=1, max_size=3).map(tuple),
)


def clipped(value: int, bits: int) -> int:
    """To -2^bits - 1 .. 2^bits - 1, Lava's accumulator and tag."""
    return max(-(2**bits) - 1, min(2**bits - 1, value))


def big_integer_product(product: FixedProduct, factors: dict[str, int]) -> int:
    value = product.mantissa * math.prod(factors[name] for name in product.factors)
    width = sum(WIDTHS[name] for name in product.factors) + 4
    return clipped(value // 2 ** max(0, width - 15) * 2 ** (product.exponent + 7), 15)


def big_integer_update(variable, products, factors, random, limits) -> int:
    accumulator = variable * 128
    for product in products:
        accumulator = clipped(accumulator + big_integer_product(product, factors), 15)
    whole, rest = divmod(accumulator, 128)
    rounded = whole + int(Fraction(random) < Fraction(rest, 128))
    return max(limits[0], min(limits[1], rounded))


def arrays(factors: dict[str, int]) -> dict[str, np.ndarray]:
    return {name: np.array([[value]]) for name, value in factors.items()}


@given(PRODUCTS, FACTORS)
def test_a_product_equals_its_big_integer_model(product, factors):
    assert product_value(product, arrays(factors)) == big_integer_product(product, factors)


@given(
    st.integers(-256, 255),
    st.lists(PRODUCTS, max_size=4),
    FACTORS,
    st.floats(0, 1, exclude_max=True),
    st.sampled_from([WEIGHT_LIMITS, TAG_LIMITS]),
)
def test_an_update_equals_its_big_integer_model(variable, products, factors, random, limits):
    updated = update_variable(np.array([[variable]]), products, arrays(factors), random, limits)
    assert updated == big_integer_update(variable, products, factors, random, limits)


def test_the_shift_floors_negative_products_too():
    factors = arrays({"x1": 1, "y1": 1})
    assert product_value(FixedProduct(1, -7, ("x1", "y1")), factors) == 0
    assert product_value(FixedProduct(-1, -7, ("x1", "y1")), factors) == -1


def mean_updates(sign: int, product_scale: tuple[int, int], seeds: int = 1000):
    """Mean of (integer - real-valued update) of 200 weights and its standard error over seeds.

    The real-valued update is m 2^e / 8 x1 (scale e) of the error e before it is made an integer.
    """
    mantissa, exponent = product_scale
    rule = tuple(
        FixedProduct(s * mantissa, exponent, ("x1", y)) for s, y in ((1, "y1"), (-1, "y2"))
    )
    differences = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x1, error = rng.integers(0, 128, (1, 200)), sign * rng.uniform(0, 1, (1, 200))
        y1, y2 = split_error(error, 127)
        factors = {"x1": x1, "y1": y1, "y2": y2}
        new = update_variable(np.zeros((1, 200), int), rule, factors, rng.random(), WEIGHT_LIMITS)
        real = mantissa * 2.0**exponent / 8 * x1 * (127 * error)
        differences.append((new - real).mean())
    return np.mean(differences), np.std(differences) / math.sqrt(seeds)


@pytest.mark.parametrize("scale", [(1, -7), (5, -7), (7, -6)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_mean_update_over_1000_seeds_is_the_real_one(sign, scale):
    bias, standard_error = mean_updates(sign, scale)
    assert standard_error < 0.02
    assert abs(bias) < 3 * standard_error


# Mean loss of the floor, in accumulator units, over all pairs of a trace and a factor in 1..127.
MEASURED_BIAS = {1: 0.349, 2: 0.254, 4: 0.127, 5: 0.349, 6: 0.254, 7: 0.349}


@pytest.mark.parametrize("mantissa", MEASURED_BIAS)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_floor_biases_both_signs_downwards_by_less_than_one_accumulator_unit(mantissa, sign):
    x, y = np.meshgrid(np.arange(1, 128), np.arange(1, 128))
    value = product_value(FixedProduct(sign * mantissa, -7, ("x1", "y1")), {"x1": x, "y1": y})
    loss = sign * mantissa * x * y / 8 - value
    assert 0 == loss.min() < loss.max() < 1
    remainders = [sign * mantissa * a * b % 8 for a in range(1, 128) for b in range(1, 128)]
    assert loss.mean() == pytest.approx(sum(remainders) / 8 / 127**2, rel=1e-12)
    assert loss.mean() == pytest.approx(MEASURED_BIAS[mantissa], abs=5e-4)


@given(
    st.floats(2**-7, 7 * 2**8),
    st.fixed_dictionaries(
        {
            "weight_step": st.floats(1e-3, 1),
            "trace_unit": st.floats(1, 127),
            "factor_unit": st.floats(1, 1000),
        }
    ),
)
def test_the_realised_rate_is_the_nearest_scale(scale, units):
    unit = math.prod(units.values()) / 8
    rate = min(max(scale, 2**-7 * (1 + 1e-12)), 7 * 2**8 * (1 - 1e-12)) * unit
    result = realise_rate(rate, **units)
    realised = result.mantissa * 2.0**result.exponent
    assert result.wanted == rate
    assert result.realised == pytest.approx(realised * unit, rel=1e-12)
    assert result.realised_floating == 8 * result.realised
    best = min(abs(m * 2.0**e - scale) for m in range(1, 8) for e in range(-7, 9))
    assert abs(realised - scale) <= best + 1e-9 * scale
    assert scale < 4 * 2**-7 or abs(realised / scale - 1) <= 1 / 8
    assert FixedProduct(result.mantissa, result.exponent, ("x1", "y1")).left_shift in range(16)


def test_the_realised_rate_is_the_mean_weight_change_per_factor_and_trace():
    rate = realise_rate(0.37, weight_step=0.01, trace_unit=63, factor_unit=100)
    rule = (FixedProduct(rate.mantissa, rate.exponent, ("x1", "y1")),)
    # 64 * 64 is a multiple of 8: the shift loses nothing; 1000 random numbers average the rounding.
    factors = arrays({"x1": 64, "y1": 64})
    weights = np.zeros((1, 1), int)
    changes = [
        update_variable(weights, rule, factors, k / 1024, WEIGHT_LIMITS)[0, 0] for k in range(1024)
    ]
    trace, factor = 64 / 63, 64 / 100
    assert np.mean(changes) * 0.01 == pytest.approx(rate.realised * factor * trace, rel=1e-12)


def test_equal_scales_take_the_larger_mantissa():
    rate = realise_rate(1 / FLOAT_OVER_FIXED)
    assert (rate.mantissa, rate.exponent, rate.realised) == (4, -2, 1 / 8)


def test_a_rate_out_of_range_names_limit_and_remedy():
    with pytest.raises(ValueError, match=r"below 0\.0009766, .* smaller factor_unit"):
        realise_rate(9e-4)
    with pytest.raises(ValueError, match=r"above 224, .* larger factor_unit"):
        realise_rate(225)
    with pytest.raises(ValueError, match="learning rate is nan"):
        realise_rate(float("nan"))
    with pytest.raises(ValueError, match="trace_unit is 0"):
        realise_rate(1.0, trace_unit=0)


def learned_weight(error: float) -> int:
    """A weight of 10 after one step with a spiking presynaptic neuron and `error` on its target."""
    rule = (FixedProduct(4, -5, ("x1", "y1")), FixedProduct(-4, -5, ("x1", "y2")))
    synapses = FixedSynapses(dw=rule)
    y1, y2 = split_error(np.array([error]), 100)
    factors = np.stack([y1, y2, np.zeros_like(y1)])
    state = initial_state(np.array([[10]]))
    return int(
        synapse_step(state, np.array([1]), factors, synapses, learning_draws(synapses)).weights[
            0, 0
        ]
    )


def test_a_negative_error_lowers_the_weight_and_a_positive_one_raises_it():
    assert learned_weight(-1.0) < 10 < learned_weight(1.0)
    assert learned_weight(0.0) == 10


def test_weights_stop_at_their_limits():
    factors = arrays({"x1": 127, "y1": 127, "y2": 127})
    up = (FixedProduct(7, 8, ("x1", "y1")),)
    down = (FixedProduct(-7, 8, ("x1", "y2")),)
    weights = np.array([[250]])
    assert update_variable(weights, up, factors, 0.5, WEIGHT_LIMITS) == 255
    assert update_variable(-weights, down, factors, 0.5, WEIGHT_LIMITS) == -256
    assert update_variable(-weights, down, factors, 0.999, TAG_LIMITS) == -257


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FixedProduct(8, 0, ("x1",)), "mantissa is 8"),
        (lambda: FixedProduct(0, 0, ("x1",)), "not 0"),
        (lambda: FixedProduct(1, -8, ("x1",)), "exponent is -8"),
        (lambda: FixedProduct(-8, 0, ("x1",)), "stored as -4 with exponent 1"),
        (lambda: FixedProduct(1, 0, ("w",)), "choose one of x1"),
        (lambda: FixedProduct(1, 0, ()), "one to three factors"),
        (lambda: FixedSynapses(dw=(), impulse=128), "impulse is 128"),
        (lambda: FixedSynapses(dw=(), impulse=0.5), "must be an integer"),
        (lambda: FixedSynapses(dw=(), tau=0), "tau is 0"),
        (lambda: FixedSynapses(dw=(), epoch=64), "epoch is 64"),
        (lambda: initial_state(np.array([[300]])), "quantise them first"),
        (lambda: initial_state(np.array([[0.5]])), "must be integers"),
    ],
)
def test_rules_that_do_not_fit_the_chip_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
