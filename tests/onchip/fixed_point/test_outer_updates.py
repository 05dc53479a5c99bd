"""Rank-one integer updates against the definition, and the tables and jumps that save time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onchip.arithmetic.accumulator import TAG_LIMITS, Product, update_variable
from onchip.arithmetic.draws import EpochDraws, LearningDraws
from onchip.arithmetic.loihi import WEIGHT_LIMITS, add_impulse, decay_powers, decay_trace
from onchip.engine.loihi_synapses import initial_state, synapse_epoch, synapse_step
from onchip.engine.outer_updates import update_rows
from onchip.program.synapses import FACTOR_TAU, IntegerPlasticity

EXPONENTS = st.integers(-7, 8)


@st.composite
def rules(draw) -> tuple[Product, ...]:
    """Pairs of y1 and y2, with and without a gate, corrections by x0, and single products."""
    exponent, mantissa = draw(EXPONENTS), draw(st.integers(1, 7))
    gate = ("y3",) if draw(st.booleans()) else ()
    pair = [
        Product(sign * mantissa, exponent, ("x1", part, *gate))
        for sign, part in ((1, "y1"), (-1, "y2"))
    ]
    kind = draw(st.sampled_from(["pair", "single", "corrected", "unlike"]))
    if kind == "single":
        return (pair[0],)
    if kind == "unlike":
        return (pair[0], Product(-mantissa, draw(EXPONENTS), ("x1", "y2")))
    if kind == "corrected":
        other = draw(EXPONENTS)
        pair += [
            Product(sign * 3, other, (part, *gate), "x0") for sign, part in ((-1, "y1"), (1, "y2"))
        ]
    return tuple(pair)


@given(
    products=rules(),
    limits=st.sampled_from([WEIGHT_LIMITS, TAG_LIMITS]),
    random=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 999),
    overlap=st.booleans(),
    largest=st.sampled_from([3, 40, 127]),
    pre=st.sampled_from([14, 600]),  # with many inputs steps are looked up
    active=st.sampled_from([0.05, 0.6]),
)
def test_rows_learn_as_the_definition_says(
    products, limits, random, seed, overlap, largest, pre, active
):
    rng = np.random.default_rng(seed)
    variable = rng.integers(limits[0], limits[1] + 1, (9, pre)).astype(np.int32)
    traces = {
        "x1": rng.integers(0, 128, pre) * (rng.random(pre) < active),
        "x0": rng.integers(0, 2, pre),
    }
    parts = [rng.integers(0, largest + 1, 9) for _ in range(2)]
    if not overlap:  # as an error splits: one of the two is zero
        parts[1] = parts[1] * (parts[0] == 0) + (parts[0] % 5 == 1)
        parts[0] = parts[0] * (parts[1] == 0)
    rows = {"y1": parts[0], "y2": parts[1], "y3": np.full(9, rng.integers(1, 128))}
    columns = {name: row[:, np.newaxis] for name, row in rows.items()}
    expected = update_variable(variable, products, {**traces, **columns}, random, limits)
    for order in "CF":
        own = np.array(variable, order=order)
        found = update_rows(own, products, rows, traces, random, limits)
        assert found is own and found.dtype == np.int32
        np.testing.assert_array_equal(found, expected)


def test_other_types_are_not_written_to():
    product = Product(1, 0, ("x1", "y1"))
    weights, x1, y1 = np.zeros((2, 3), np.int64), np.array([0, 64, 127]), np.array([0, 90])
    rows = {"y1": y1, "y2": 0 * y1, "y3": y1}
    found = update_rows(weights, (product,), rows, {"x1": x1}, 0.999, WEIGHT_LIMITS)
    assert found.any() and not weights.any()


@given(tau=st.floats(0.1, 1e6), random=st.floats(0, 1, exclude_max=True), steps=st.integers(1, 63))
def test_the_table_of_decays_is_one_decay_after_the_other(tau, random, steps):
    trace, powers = np.arange(128), decay_powers(tau, random, steps)
    assert powers.shape == (steps + 1, 128)
    for row in powers:
        np.testing.assert_array_equal(row, trace)
        trace = decay_trace(trace, tau, random)


@pytest.mark.parametrize("random", [0.0, 0.5, 0.998, 0.9981, 0.999, 0.99999, 1 - 2**-53])
def test_factors_decay_as_one_step_after_the_other(random):
    synapses = IntegerPlasticity((Product(1, -7, ("x1", "y3")),), epoch=5, impulse=127)
    state = initial_state(np.zeros((128, 1), np.int64))
    factors = np.stack((np.arange(128), 127 - np.arange(128), np.arange(128)))
    draws = iter([EpochDraws(0.0, random, 0.0)])
    learned = synapse_epoch(state, np.ones(1), 5, factors, synapses, draws).weights[:, 0]
    gate = np.arange(128)
    for _ in range(5):
        gate = decay_trace(gate, FACTOR_TAU, random)
    products = {"x1": np.array([127]), "y3": gate[:, np.newaxis]}
    expected = update_variable(np.zeros((128, 1)), synapses.dw, products, 0.0, WEIGHT_LIMITS)
    np.testing.assert_array_equal(learned, expected[:, 0])


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999])
def test_a_tag_at_its_least_passes_the_accumulator_though_nothing_is_added(random):
    product = Product(1, 0, ("x1", "y1"))
    synapses, tags = (
        IntegerPlasticity((product,), (product,)),
        np.array([[-257, -256, 255]], np.int32),
    )
    state = initial_state(np.zeros((1, 3), np.int64))._replace(tag=tags.copy())
    nothing = {"x1": np.zeros(3, int), "y1": np.zeros((1, 1), int)}
    expected = update_variable(tags, (product,), nothing, random, TAG_LIMITS)
    silence = np.zeros((3, 1), int)
    after = synapse_epoch(
        state, np.zeros(3), 1, silence, synapses, iter([EpochDraws(0.0, 0.0, random)])
    )
    np.testing.assert_array_equal(after.tag, expected)
    assert (expected[0, 0] == -256) == (random < 0.99)


def test_an_epoch_leaves_the_state_before_it_as_it_was():
    synapses = IntegerPlasticity(
        (Product(1, 1, ("x1", "y1")),), (Product(1, 1, ("x1", "y1")),), epoch=2
    )
    state = initial_state(np.full((3, 4), 10))
    factors, spikes = np.full((3, 3), 100), np.ones(4, int)
    for advance in (
        lambda: synapse_epoch(state, spikes, 1, factors, synapses, LearningDraws(synapses)),
        lambda: synapse_step(
            synapse_step(state, spikes, factors, synapses, iter(())),
            0 * spikes,
            factors,
            synapses,
            LearningDraws(synapses),
        ),
    ):
        after = advance()
        assert (after.weights != 10).any() and after.tag.any() and after.x1.any()
        assert (state.weights == 10).all() and not state.tag.any() and not state.x1.any()


@pytest.mark.parametrize("epoch", [1, 4, 63])
def test_skipping_epochs_is_drawing_their_numbers(epoch):
    synapses = IntegerPlasticity((Product(1, 0, ("x1", "y1")),), epoch=epoch, seed=7)
    drawn, skipped = LearningDraws(synapses), LearningDraws(synapses)
    for _ in range(9):
        next(drawn)
    skipped.skip(4)
    skipped.skip(5)
    later = LearningDraws(synapses, epochs=9)
    assert drawn.epochs == skipped.epochs == later.epochs == 9
    assert next(drawn) == next(skipped) == next(later)


def test_a_trace_gets_its_impulse_after_as_many_decays_as_its_step_says():
    synapses = IntegerPlasticity((Product(1, 0, ("x1", "y1")),), impulse=70, tau=9.0, epoch=6)
    state = initial_state(np.zeros((1, 7), np.int64))._replace(
        x1=np.array([0, 127, 90, 5, 66, 127, 31], np.int32)
    )
    for phase in range(1, 7):
        spikes, x1 = np.array([1, 1, 0, 1, 0, 1, 1]), state.x1
        random = next(LearningDraws(synapses)).x
        for step in range(1, 7):
            x1 = decay_trace(x1, 9.0, random)
            x1 = np.where((step == phase) & (spikes > 0), add_impulse(x1, 70), x1)
        after = synapse_epoch(
            state, spikes, phase, np.zeros((3, 1), int), synapses, LearningDraws(synapses)
        )
        np.testing.assert_array_equal(after.x1, x1)
