"""The learning rules that Lava gets, evaluated by Lava's own parser."""

from __future__ import annotations

import math

import pytest
from parity_cases import two_hidden_layers

from onchip.arithmetic.accumulator import Product
from onchip.lava.rules import learning_rule, rule_text
from onchip.network.learning import with_learning
from onchip.program.real_lowering import plasticity
from onchip.program.schedules import make_schedule
from onchip.program.teaching import factor_scale, gate_scale


@pytest.fixture
def schedules(rng):
    spec = two_hidden_layers(rng, (2, 5, 5))
    learning = with_learning(spec, learning_rate=0.1)
    last = with_learning(spec, learning_rate=0.1, plastic=["readout"], update_delay=1)
    return make_schedule("sequenced", learning), make_schedule("pipelined", last)


def products(rule, target):
    series = rule.active_product_series[target]
    return [
        (p.s_mantissa * 2.0 ** (p.s_exp - 7), p.dependency, [f.state_var for f in p.factors])
        for p in series.products
    ]


def test_products_read_as_lava_writes_them():
    terms = (Product(1, 0, ("x1", "y1")), Product(-1, 0, ("y1",), "x0"))
    assert rule_text(terms) == "u0*x1*y1 -x0*y1"


def test_the_sequenced_rule_is_one_product(schedules):
    rule = learning_rule(plasticity(schedules[0], "online", ((1.0, 0.5),), arrival=1))
    assert products(rule, "dw") == [(1.0, "u", ["x1", "y1"])]
    assert rule.t_epoch == 6
    assert rule.x1_tau == pytest.approx(-6 / math.log(0.5))
    assert rule.x1_impulse == pytest.approx(0.5 ** (-5 / 6))


def test_the_pipelined_rule_takes_back_the_next_spike(schedules):
    rule = learning_rule(plasticity(schedules[1], "online", ((1.0, 0.5),), arrival=1))
    assert products(rule, "dw") == [(1.0, "u", ["x1", "y1"]), (-1.0, "x0", ["y1"])]
    assert (rule.t_epoch, rule.x1_impulse) == (1, 1.0)


def test_the_accumulating_rule_applies_and_clears_its_tag(schedules):
    rule = learning_rule(plasticity(schedules[0], "accumulate", ((1.0, 0.5),), arrival=1))
    assert products(rule, "dw") == [(1.0, "u", ["t", "y2"])]
    assert products(rule, "dt") == [(1.0, "u", ["x1", "y1"]), (-1.0, "u", ["t", "y3"])]


def test_scales_make_up_for_the_decay_of_y(schedules):
    sequenced, pipelined = schedules
    assert gate_scale(sequenced) * math.exp(-6 / 65535) == pytest.approx(1, rel=1e-15)
    assert factor_scale(sequenced, 0.1, 0.5) == pytest.approx(-0.1 * math.exp(6 / 65535))
    assert factor_scale(pipelined, 0.1, 0.5) == pytest.approx(-0.2 * math.exp(1 / 65535))


def test_a_scale_other_than_one_is_written_out():
    terms = (Product(3, -2, ("x1", "y1", "y3")), Product(-1, -1, ("t", "y3")))
    assert rule_text(terms) == "3*2^-2*u0*x1*y1*y3 -1*2^-1*u0*t*y3"
