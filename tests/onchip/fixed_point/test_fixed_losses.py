"""The integer error against exact exponentials and against Python's unbounded integers."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onchip.arithmetic.integer_softmax import FixedError, fixed_error, fixed_softmax, make_error
from onchip.arithmetic.loihi import MEMBRANE_MAX
from onchip.objectives.classification import instantaneous_error

getcontext().prec = 40
TABLE = [round(Decimal(2) ** (24 - (Decimal(k) + Decimal("0.5")) / 256)) for k in range(256)]

potentials = st.integers(-MEMBRANE_MAX, MEMBRANE_MAX)
near = st.integers(-2000, 2000)


def many(drawn: tuple[int, int, int]) -> list[int]:
    """Up to 100 classes at random within a limit."""
    classes, seed, limit = drawn
    return np.random.default_rng(seed).integers(-limit, limit + 1, classes).tolist()


outputs = st.one_of(
    st.lists(potentials, min_size=2, max_size=20),
    st.lists(near, min_size=2, max_size=20),
    st.tuples(st.integers(21, 100), st.integers(0, 2**32), st.integers(1, MEMBRANE_MAX)).map(many),
    st.lists(st.sampled_from([-MEMBRANE_MAX, 0, MEMBRANE_MAX]), min_size=2, max_size=6),
)
units = st.floats(-23, 6).map(lambda log: 2.0**log)
weights = st.floats(0, 1)


def one_hot(label: int, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.int64)[label % classes]


def exact_softmax(values: list[int], unit: float) -> list[Decimal]:
    powers = [((o - max(values)) * Decimal(unit)).exp() for o in values]
    return [power / sum(powers) for power in powers]


def big_integer_softmax(values: list[int], error: FixedError) -> list[int]:
    digits = [(max(values) - o) * error.exponent_multiplier for o in values]
    digits = [d // 2**error.exponent_shift for d in digits]
    powers = [TABLE[d % 256] // 2 ** min(d // 256, 100) for d in digits]
    return [(2**15 * power + sum(powers) // 2) // sum(powers) for power in powers]


def big_integer_error(values: list[int], label: int, error: FixedError) -> list[int]:
    found = []
    for k, (p, o) in enumerate(zip(big_integer_softmax(values, error), values, strict=True)):
        target = int(k == label % len(values))
        total = error.probability_multiplier * (p - 2**15 * target)
        total += error.squared_multiplier * (o - error.one * target)
        found.append(max(-127, min(127, (total + 2**22) // 2**23)))
    return found


@given(outputs, units)
def test_probabilities_are_exact_to_four_in_a_thousand_and_fifteen_bits(values, unit):
    got = fixed_softmax(np.array(values), make_error(unit, 0.5, len(values)))
    for p, exact in zip(got.tolist(), exact_softmax(values, unit), strict=True):
        floors = Decimal(len(values)) / 2**24  # every exponential loses less than one of 2^24
        bound = exact * Decimal("0.004") + floors + Decimal(2) ** -16
        assert abs(Decimal(p) / 2**15 - exact) <= bound


@given(outputs, units)
def test_probabilities_sum_to_one_within_half_a_unit_each(values, unit):
    got = fixed_softmax(np.array(values), make_error(unit, 0.5, len(values)))
    assert (got >= 0).all() and abs(int(got.sum()) - 2**15) <= len(values) / 2


@given(st.lists(near, min_size=2, max_size=20), st.integers(-(2**22), 2**22), units)
def test_a_common_shift_changes_nothing(values, shift, unit):
    error = make_error(unit, 0.0, len(values))
    shifted = fixed_softmax(np.array(values) + shift, error)
    np.testing.assert_array_equal(shifted, fixed_softmax(np.array(values), error))


def test_equal_outputs_are_equally_probable_and_a_clear_winner_takes_all():
    error = make_error(2.0**-10, 0.0, 4)
    assert fixed_softmax(np.full(4, 123), error).tolist() == [8192] * 4
    assert fixed_softmax(np.array([0, 2**15, 0, 0]), error).tolist() == [0, 2**15, 0, 0]
    # One e-fold: 1 / (1 + e) = 0.2689
    assert fixed_softmax(np.array([0, 2**10]), error) / 2**15 == pytest.approx(
        [0.2689, 0.7311], abs=2e-3
    )


def real_error(values: list[int], target: np.ndarray, unit: float, alpha: float) -> np.ndarray:
    """127 T e, saturated."""
    real = instantaneous_error(unit * np.array([values], float), target[np.newaxis], 7, alpha)
    return np.clip(127 * 7 * real[0], -127, 127)


@given(outputs, st.integers(0, 99), st.floats(-23, -4).map(lambda log: 2.0**log), weights)
def test_the_error_is_the_real_one_within_one_integer(values, label, unit, alpha):
    """Beside its rounding: 0.4 % of the probabilities, the last bits of `one` and 2 alpha / C."""
    target = one_hot(label, len(values))
    got = fixed_error(np.array(values), target, make_error(unit, alpha, len(values)))
    difference = np.abs(got - real_error(values, target, unit, alpha))
    one = 127 * alpha * 2 / len(values) * abs(round(1 / unit) * unit - 1)
    last_bit = (np.abs(values) + 1 / unit) / 2**24
    assert (difference <= 1.05 + one + last_bit).all()


@given(
    st.tuples(st.integers(2, 100), st.integers(0, 2**32), st.integers(1, 80_000)).map(many),
    st.integers(0, 99),
    st.integers(16, 1024),
    weights,
)
def test_of_a_quantized_readout_one_is_exact_and_the_error_within_one_integer(
    values, label, mantissa, alpha
):
    unit = 1 / (64 * mantissa + 1)
    error = make_error(unit, alpha, len(values))
    assert error.one == 64 * mantissa + 1
    target = one_hot(label, len(values))
    got = fixed_error(np.array(values), target, error)
    assert np.abs(got - real_error(values, target, unit, alpha)).max() <= 1.01


@given(
    outputs,
    st.integers(0, 99),
    st.builds(
        FixedError,
        st.integers(0, 2**32),
        st.integers(0, 62),
        st.integers(0, 2**16),
        st.integers(0, 2**37),
        st.integers(0, 2**24),
    ),
)
def test_softmax_and_error_equal_big_integers_for_any_constants(values, label, error):
    target = one_hot(label, len(values))
    assert fixed_softmax(np.array(values), error).tolist() == big_integer_softmax(values, error)
    assert fixed_error(np.array(values), target, error).tolist() == big_integer_error(
        values, label, error
    )


def test_no_product_overflows_64_bits_at_the_corners():
    largest = FixedError(2**32, 0, 2**16, 2**37, 2**24)
    for values in ([-MEMBRANE_MAX, MEMBRANE_MAX], [MEMBRANE_MAX] * 2, [-MEMBRANE_MAX] * 2):
        for label in (0, 1):
            got = fixed_error(np.array(values), one_hot(label, 2), largest)
            assert got.tolist() == big_integer_error(values, label, largest)


@given(outputs, st.integers(0, 99), units, weights)
def test_classes_are_alike_in_any_order(values, label, unit, alpha):
    error = make_error(unit, alpha, len(values))
    target = one_hot(label, len(values))
    got = fixed_error(np.array(values), target, error)
    mirrored = fixed_error(np.array(values[::-1]), target[::-1], error)
    np.testing.assert_array_equal(got, mirrored[::-1])


@given(potentials, potentials, units)
def test_two_classes_have_opposite_errors_but_for_the_last_unit(left, right, unit):
    got = fixed_error(np.array([left, right]), one_hot(0, 2), make_error(unit, 0.0, 2))
    assert got[0] <= 0 <= got[1] and abs(got.sum()) <= 1


@given(st.lists(potentials, min_size=2, max_size=20), st.floats(-20, 6))
def test_the_squared_error_treats_signs_alike_but_for_ties(values, log):
    """Without a target every class's error is 2 / C o, whose sign turns with that of o."""
    error = make_error(2.0**log, 1.0, len(values))
    none = np.zeros(len(values), np.int64)
    got = fixed_error(np.array(values), none, error)
    opposite = fixed_error(-np.array(values), none, error)
    assert (np.abs(got + opposite) <= 1).all()
    ties = [(error.squared_multiplier * o) % 2**23 == 2**22 for o in values]
    assert all(g == -o or tie for g, o, tie in zip(got, opposite, ties, strict=True))


def test_errors_saturate_at_127():
    error = make_error(1.0, 1.0, 2)
    assert fixed_error(np.array([5, -5]), one_hot(0, 2), error).tolist() == [127, -127]
    assert fixed_error(np.array([-5, 5]), one_hot(0, 2), error).tolist() == [-127, 127]
    # A confident mistake of the softmax alone: p - y is -1 and 1.
    error = make_error(1.0, 0.0, 2)
    assert fixed_error(np.array([-50, 50]), one_hot(0, 2), error).tolist() == [-127, 127]


def without_the_natural_base(error: FixedError) -> FixedError:
    multiplier = round(error.exponent_multiplier * math.log(2))
    return FixedError(
        multiplier,
        error.exponent_shift,
        error.probability_multiplier,
        error.squared_multiplier,
        error.one,
    )


def without_the_mean_over_classes(error: FixedError) -> FixedError:
    return FixedError(
        error.exponent_multiplier,
        error.exponent_shift,
        error.probability_multiplier,
        5 * error.squared_multiplier,
        error.one,
    )


def with_a_target_of_one_integer(error: FixedError) -> FixedError:
    return FixedError(
        error.exponent_multiplier,
        error.exponent_shift,
        error.probability_multiplier,
        error.squared_multiplier,
        1,
    )


@pytest.mark.parametrize(
    "wrong",
    [without_the_natural_base, without_the_mean_over_classes, with_a_target_of_one_integer],
)
def test_known_mistakes_leave_the_real_error_by_more_than_two_integers(wrong):
    unit, values, target = 1 / 6401, [3000, -2000, 9000, 100, -7000], one_hot(1, 5)
    real = real_error(values, target, unit, 0.3)
    error = make_error(unit, 0.3, 5)
    assert np.abs(fixed_error(np.array(values), target, error) - real).max() <= 1
    assert np.abs(fixed_error(np.array(values), target, wrong(error)) - real).max() > 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_error(2.0**-24, 0.1, 10), r"membrane_unit is 5\.96.*must lie in"),
        (lambda: make_error(65.0, 0.1, 10), r"membrane_unit is 65\.0; it must lie in .*64\]"),
        (lambda: make_error(float("nan"), 0.1, 10), "membrane_unit is nan"),
        (lambda: make_error(0.1, 1.5, 10), r"mse_weight is 1\.5; it must lie in \[0, 1\]"),
        (lambda: FixedError(2**32 + 1, 0, 0, 0, 0), "exponent_multiplier is 4294967297"),
        (lambda: FixedError(0, 63, 0, 0, 0), r"exponent_shift is 63; .* in 0\.\.62"),
        (lambda: FixedError(0, 0, 2**16 + 1, 0, 0), r"probability_multiplier is 65537"),
        (lambda: FixedError(0, 0, 0, 2**37 + 1, 0), r"squared_multiplier is 137438953473"),
        (lambda: FixedError(0, 0, 0, 0, 2**24 + 1), r"one is 16777217; .* in 0\.\.16777216"),
        (lambda: FixedError(0, 0, 0, 0, 0.5), "one is 0.5; it must be an integer"),
    ],
)
def test_constants_out_of_range_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@given(units, weights, st.integers(2, 100))
def test_every_unit_within_the_limits_has_an_error(unit, alpha, classes):
    error = make_error(unit, alpha, classes)
    digits = error.exponent_multiplier / 2.0**error.exponent_shift
    assert digits == pytest.approx(unit / math.log(2) * 256, rel=1e-8)
