"""From a learning rate to the products of a rule: impulses, rates, corrections, seeds."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integer_neurons import integer_integrator, integer_lif

from onchip.arithmetic.accumulator import Product
from onchip.program.integer_layer_spec import FixedPlasticity
from onchip.program.integer_traces import trace_unit
from onchip.program.plans import plan_plasticity
from onchip.program.plasticity import (
    CLEARING_GATE,
    connection_seed,
    gate_value,
    make_synapses,
    rule_products,
)
from onchip.program.rates import FixedRate
from onchip.program.timetable import Schedule

SEQUENCED = Schedule("sequenced", 6, 10, 10, 3)
PIPELINED = Schedule("pipelined", 1, 10, 13, 3)
SCHEDULES = {"sequenced": SEQUENCED, "pipelined": PIPELINED}
decays = st.integers(300, 3700)
modes = st.sampled_from(["online", "accumulate"])


def per_trace_and_factor(rate: FixedRate, mode: str) -> Fraction:
    """Integer weights that one unit of x1 times one unit of y1 brings, by the rule's definition."""
    scale = Fraction(rate.mantissa) * Fraction(2) ** rate.exponent
    if mode == "online":
        return scale * rate.gate / 1024
    return scale / 8 / 2**rate.tag_shift


def correctable(impulse: int) -> bool:
    """Whether some mantissa times the impulse has an odd part of at most 7."""
    return impulse // (impulse & -impulse) <= 7


@settings(max_examples=60)
@given(decays, modes, st.integers(1, 3), st.floats(-1, 2), st.sampled_from(sorted(SCHEDULES)))
def test_the_realised_rate_is_the_weight_change_for_a_trace_and_a_factor_of_one(
    decay, mode, layer, log, name
):
    schedule, weight_step, factor_unit = SCHEDULES[name], 0.003, 1e-3
    kept = Fraction(4096 - decay, 4096)
    largest = math.floor(127 * (1 - kept))
    if name == "pipelined" and largest < 8:
        return
    wanted = 10.0**log * weight_step * largest / factor_unit / 64
    found = plan_plasticity(
        schedule, layer, integer_integrator(decay), mode, wanted, weight_step, factor_unit
    )
    assert found.rate.wanted == wanted
    if name == "pipelined":
        assert found.impulse % 8 == 0 and found.impulse <= largest and correctable(found.impulse)
        one_spike = float(found.impulse * kept)  # a step later, the spike of that step taken back
    else:
        assert found.impulse == largest
        # Spikes of layer 1 arrive in step 1 of 6 and decay five times, those of layer 3 three.
        one_spike = found.impulse * float(kept) ** ((6 - layer) / 6)
    # A factor of 1 (float) is 1 / factor_unit integers, a trace of 1 one_spike of x1.
    change = float(per_trace_and_factor(found.rate, mode)) * one_spike / factor_unit * weight_step
    assert found.rate.realised == pytest.approx(change, rel=1e-9)
    # Without a gate that is high enough, or any, mantissas alone set the rate: 1, 2, 4 at worst.
    fine = mode == "online" and found.rate.gate > 50
    assert abs(change / wanted - 1) <= (0.01 if fine else 1 / 3 + 1e-9)


@given(decays, st.integers(1, 3))
def test_a_trace_unit_decays_for_the_rest_of_the_epoch_and_pipelined_for_one_step(decay, layer):
    kept = (4096 - decay) / 4096
    for_layer = {1: 5 / 6, 2: 4 / 6, 3: 3 / 6}[layer]
    assert trace_unit(SEQUENCED, layer, kept, 40) == pytest.approx(40 * kept**for_layer)
    assert trace_unit(PIPELINED, layer, kept, 40) == 40 * kept


PLASTICITY = FixedPlasticity(40, FixedRate(3, -2, gate=20, tag_shift=2))


def test_the_online_rule_is_two_products_of_opposite_sign():
    products = rule_products(SEQUENCED, PLASTICITY, "online")
    assert products.dt == ()
    assert products.dw == (
        Product(3, -2, ("x1", "y1", "y3")),
        Product(-3, -2, ("x1", "y2", "y3")),
    )


def test_the_accumulating_rule_gathers_in_the_tag_applies_and_clears_it():
    products = rule_products(SEQUENCED, PLASTICITY, "accumulate")
    assert products.dw == (Product(1, -3, ("t", "y3")),)
    assert products.dt == (
        Product(3, -2, ("x1", "y1")),
        Product(-3, -2, ("x1", "y2")),
        Product(-1, -1, ("t", "y3")),
    )


@pytest.mark.parametrize(
    ("mode", "mantissa", "exponent", "gate"),
    [
        # 2 2^-2 40 / 128 = 5 2^-5, on y1 y3 shifted by 3: five 32nds times y1 y3 / 8
        ("online", 5, -5, ("y3",)),
        # 2 2^-2 40 / 8 = 5 2^-1 on y1 as it is
        ("accumulate", 5, -1, ()),
    ],
)
def test_the_pipelined_rule_takes_the_last_spike_back(mode, mantissa, exponent, gate):
    plasticity = FixedPlasticity(40, FixedRate(2, -2, gate=20))
    products = rule_products(PIPELINED, plasticity, mode)
    gradient = products.dw if mode == "online" else products.dt
    assert gradient[2:4] == (
        Product(-mantissa, exponent, ("y1", *gate), "x0"),
        Product(mantissa, exponent, ("y2", *gate), "x0"),
    )
    plain = rule_products(SEQUENCED, plasticity, mode)
    assert (plain.dw if mode == "online" else plain.dt)[:2] == gradient[:2]


@given(st.integers(0, 2**31), st.integers(1, 60))
def test_connections_share_no_seed_of_traces_and_factors(seed, layers):
    """Each uses its seed, and that of the factors two further on."""
    seeds = [
        connection_seed(seed, layer, recurrent) + offset
        for layer in range(1, layers + 1)
        for recurrent in (False, True)
        for offset in range(4)
    ]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == seed + 8 and max(seeds) < 2**32


def test_the_gate_is_the_rate_online_and_clears_a_tag_exactly_else():
    assert gate_value(PLASTICITY.rate, "online") == 20
    gate = gate_value(PLASTICITY.rate, "accumulate")
    assert gate == CLEARING_GATE
    for tag in range(-257, 256):
        # -2^-1 t y3 in a tag's accumulator, which holds 128 t
        assert (-tag * gate >> 5) << (-1 + 7) == -128 * tag
    assert any((-tag * 63 >> 5) << 6 != -128 * tag for tag in range(-257, 256))


@given(decays, modes, st.integers(0, 2**31), st.integers(-8, 7))
def test_synapses_get_the_decay_of_their_neuron_over_an_epoch(decay, mode, seed, exponent):
    neuron = integer_lif(decay, 1000)
    made = make_synapses(SEQUENCED, neuron, PLASTICITY, mode, seed, exponent)
    assert (made.epoch, made.seed, made.weight_exponent, made.impulse) == (6, seed, exponent, 40)
    assert math.exp(-6 / made.tau) == pytest.approx((4096 - decay) / 4096, rel=1e-12)
    assert (made.dw, made.dt) == rule_products(SEQUENCED, PLASTICITY, mode)


def test_a_membrane_without_leak_keeps_its_trace_for_a_billion_steps():
    made = make_synapses(SEQUENCED, integer_lif(0, 1000), PLASTICITY, "online", 0, 0)
    assert made.tau == 1e9


def plan(decay: int, schedule: Schedule = SEQUENCED, rate: float = 0.1, mode: str = "online"):
    return plan_plasticity(schedule, 1, integer_integrator(decay), mode, rate, 0.01, 0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plan(16), r"trace: decay 0\.996.* at most 126/127"),
        (lambda: plan(0), r"trace: decay 1\.0.* at most 126/127"),
        (lambda: plan(200, PIPELINED), r"decay 0\.9512 leaves an impulse below 8.*multiple of 8"),
        (lambda: plan(2048, rate=1e-9), "learning rate 1e-09 is out of reach"),
        (lambda: plan(2048, rate=0.0), "learning rate is 0.0"),
        (lambda: plan(2048, mode="accumulate", rate=1e9), "learning rate 1e[+]09 is out of reach"),
        (
            lambda: rule_products(PIPELINED, replace(PLASTICITY, impulse=41), "online"),
            r"rate 3 2\^-2 with impulse 41 cannot be corrected .* multiple of 8 up to 127",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@settings(max_examples=30)
@given(decays, modes, st.floats(-1, 1))
def test_every_planned_rate_can_be_corrected_on_the_pipelined_schedule(decay, mode, log):
    largest = 127 * decay // 4096
    if largest < 8:
        return
    found = plan_plasticity(PIPELINED, 3, integer_integrator(decay), mode, 10.0**log, 0.01, 0.01)
    assert 8 <= found.impulse <= largest
    rule_products(PIPELINED, found, mode)
