"""The learning accumulator against Python's unbounded integers, its bias, and learning rates."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onchip.arithmetic.accumulator import TAG_LIMITS, Product, product_value, update_variable
from onchip.arithmetic.draws import LearningDraws
from onchip.arithmetic.loihi import WEIGHT_LIMITS, split_error
from onchip.engine.loihi_synapses import initial_state, synapse_step
from onchip.program.rates import pipelined_correction, realise_accumulate, realise_online
from onchip.program.synapses import IntegerPlasticity

WIDTHS = {"x1": 7, "y1": 7, "y2": 7, "y3": 7, "t": 9}
FACTORS = st.fixed_dictionaries(
    {**dict.fromkeys(("x1", "y1", "y2", "y3"), st.integers(0, 127)), "t": st.integers(-257, 255)}
)
PRODUCTS = st.builds(
    Product,
    st.sampled_from([m for m in range(-7, 8) if m]),
    st.integers(-7, 8),
    st.lists(st.sampled_from(sorted(WIDTHS)), min_size=1, max_size=3).map(tuple),
)


def clipped(value: int, bits: int) -> int:
    """To -2^bits - 1 .. 2^bits - 1, Lava's accumulator and tag."""
    return max(-(2**bits) - 1, min(2**bits - 1, value))


def big_integer_product(product: Product, factors: dict[str, int]) -> int:
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
    assert product_value(Product(1, -7, ("x1", "y1")), factors) == 0
    assert product_value(Product(-1, -7, ("x1", "y1")), factors) == -1


def mean_updates(sign: int, product_scale: tuple[int, int], seeds: int = 1000):
    """Mean of (integer - real-valued update) of 200 weights and its standard error over seeds.

    The real-valued update is m 2^e / 8 x1 (scale e) of the error e before it is made an integer.
    """
    mantissa, exponent = product_scale
    rule = tuple(Product(s * mantissa, exponent, ("x1", y)) for s, y in ((1, "y1"), (-1, "y2")))
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
    value = product_value(Product(sign * mantissa, -7, ("x1", "y1")), {"x1": x, "y1": y})
    loss = sign * mantissa * x * y / 8 - value
    assert 0 == loss.min() < loss.max() < 1
    remainders = [sign * mantissa * a * b % 8 for a in range(1, 128) for b in range(1, 128)]
    assert loss.mean() == pytest.approx(sum(remainders) / 8 / 127**2, rel=1e-12)
    assert loss.mean() == pytest.approx(MEASURED_BIAS[mantissa], abs=5e-4)


@given(st.floats(-9, 10), st.floats(1e-3, 1e3))
def test_an_online_rate_is_within_one_percent_at_the_lowest_exponent_or_else_the_nearest(log, unit):
    rate = 2.0**log * unit / 8
    found = realise_online(rate, unit)
    assert found.wanted == rate
    values = {
        (m, e, g): unit * m * g * 2.0**e / 1024
        for m in range(1, 8)
        for e in range(-7, 9)
        for g in range(1, 128)
    }
    assert found.realised == pytest.approx(values[found.mantissa, found.exponent, found.gate])
    close = [e for (_, e, _), value in values.items() if abs(value / rate - 1) < 0.0099]
    if close:
        assert abs(found.realised / rate - 1) <= 0.01 and found.exponent <= min(close)
    else:
        best = min(abs(value / rate - 1) for value in values.values())
        assert abs(found.realised / rate - 1) <= best + 1e-9


@given(st.floats(-12, 10), st.floats(1e-3, 1e3))
def test_an_accumulated_rate_is_within_an_eighth(log, unit):
    rate = 2.0**log * unit / 8
    found = realise_accumulate(rate, unit)
    shift = found.exponent - found.tag_shift
    assert found.realised == pytest.approx(unit * found.mantissa * 2.0**shift / 8)
    assert log < -11 or abs(found.realised / rate - 1) <= 1 / 7


def mean_change(rule, factors, limits=WEIGHT_LIMITS) -> float:
    """Mean over 1024 evenly spaced random numbers: they average the rounding away."""
    weight = np.zeros((1, 1), int)
    changes = [update_variable(weight, rule, factors, k / 1024, limits) for k in range(1024)]
    return float(np.mean(changes))


def test_the_realised_online_rate_is_the_mean_weight_change_per_factor_and_trace():
    rate = realise_online(0.037, 0.01 * 63 * 100)
    products = [Product(rate.mantissa, rate.exponent, ("x1", "y1", "y3"))]
    factors = arrays({"x1": 64, "y1": 112, "y3": rate.gate})
    trace, factor = 64 / 63, 112 / 100
    floor = 2.0**rate.exponent * 0.01  # the shift loses less than a unit of the accumulator
    change = mean_change(products, factors) * 0.01
    assert change <= rate.realised * factor * trace <= change + floor


def test_the_realised_accumulated_rate_is_the_change_that_the_tag_brings():
    rate = realise_accumulate(0.004, 0.01 * 63 * 100)
    gradient = [Product(rate.mantissa, rate.exponent, ("x1", "y1"))]
    tag = mean_change(gradient, arrays({"x1": 64, "y1": 112}), TAG_LIMITS)
    gate = [Product(1, -1 - rate.tag_shift, ("t", "y3"))]
    change = mean_change(gate, arrays({"t": 128, "y3": 64})) / 128
    assert tag * change * 0.01 == pytest.approx(rate.realised * 112 / 100 * 64 / 63, rel=1e-3)


def test_a_rate_out_of_range_names_what_integers_hold_and_the_remedy():
    with pytest.raises(ValueError, match=r"integers hold 7\.629e-06 to 222\.2.*scale the layer"):
        realise_online(1e-6, 1.0)
    with pytest.raises(ValueError, match="out of reach"):
        realise_accumulate(1e9, 1.0)
    with pytest.raises(ValueError, match="learning rate is nan"):
        realise_online(float("nan"), 1.0)


@given(st.integers(1, 7), st.integers(-7, 8), st.integers(1, 15), st.booleans())
def test_the_pipelined_correction_takes_exactly_one_impulse_back(
    mantissa, exponent, eighths, online
):
    impulse = 8 * eighths
    found = pipelined_correction(mantissa, exponent, impulse, online)
    wanted = Fraction(mantissa * impulse) * Fraction(2) ** exponent / 2 ** (10 if online else 3)
    if found is None:
        odd = (mantissa * impulse) // ((mantissa * impulse) & -(mantissa * impulse))
        assert odd > 7 or not -7 <= math.log2(wanted * (8 if online else 1) / odd) <= 8
    else:
        assert Fraction(found[0]) * Fraction(2) ** found[1] / (8 if online else 1) == wanted


def learned_weight(error: float) -> int:
    """A weight of 10 after one step with a spiking presynaptic neuron and `error` on its target."""
    rule = (Product(4, -5, ("x1", "y1")), Product(-4, -5, ("x1", "y2")))
    synapses = IntegerPlasticity(dw=rule)
    y1, y2 = split_error(np.array([error]), 100)
    factors = np.stack([y1, y2, np.zeros_like(y1)])
    state = initial_state(np.array([[10]]))
    return int(
        synapse_step(state, np.array([1]), factors, synapses, LearningDraws(synapses)).weights[0, 0]
    )


def test_a_negative_error_lowers_the_weight_and_a_positive_one_raises_it():
    assert learned_weight(-1.0) < 10 < learned_weight(1.0)
    assert learned_weight(0.0) == 10


def test_weights_stop_at_their_limits():
    factors = arrays({"x1": 127, "y1": 127, "y2": 127})
    up = (Product(7, 8, ("x1", "y1")),)
    down = (Product(-7, 8, ("x1", "y2")),)
    weights = np.array([[250]])
    assert update_variable(weights, up, factors, 0.5, WEIGHT_LIMITS) == 255
    assert update_variable(-weights, down, factors, 0.5, WEIGHT_LIMITS) == -256
    assert update_variable(-weights, down, factors, 0.999, TAG_LIMITS) == -257


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Product(8, 0, ("x1",)), "mantissa is 8"),
        (lambda: Product(0, 0, ("x1",)), "not 0"),
        (lambda: Product(1, -8, ("x1",)), "exponent is -8"),
        (lambda: Product(-8, 0, ("x1",)), "stored as -4 with exponent 1"),
        (lambda: Product(1, 0, ("y0",)), "choose one of x1"),
        (lambda: Product(1, 0, ()), "one to three factors"),
        (lambda: IntegerPlasticity(dw=(), impulse=128), "impulse is 128"),
        (lambda: IntegerPlasticity(dw=(), impulse=0.5), "must be an integer"),
        (lambda: IntegerPlasticity(dw=(), tau=0), "tau is 0"),
        (lambda: IntegerPlasticity(dw=(), epoch=64), "epoch is 64"),
        (lambda: initial_state(np.array([[300]])), "quantize them first"),
        (lambda: initial_state(np.array([[0.5]])), "must be integers"),
    ],
)
def test_rules_that_do_not_fit_the_chip_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
