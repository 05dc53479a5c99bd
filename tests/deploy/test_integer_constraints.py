"""`onchip check` of integers: each limit is violated once and found under its name, alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from check_cases import (
    ALL,
    FIXED_HARD,
    HARD,
    HIDDEN,
    OUT,
    RATE,
    Finds,
    assert_told,
    forced,
    integers,
    network,
    with_layer,
)
from integer_neurons import integer_integrator

from onchip import LeakyIntegrator
from onchip.deploy.checks.integers import largest_input
from onchip.deploy.checks.network import check
from onchip.program.integer_layer_spec import FixedConvSpec, FixedPlasticity
from onchip.program.integer_spec import FixedNetworkSpec


def with_rate(**values: Any) -> FixedNetworkSpec:
    fixed = integers()
    plasticity = forced(fixed.layers[0].plasticity, rate=forced(RATE, **values))
    return with_layer(fixed, 0, plasticity=plasticity)


def with_matrix(matrix: np.ndarray) -> FixedNetworkSpec:
    fixed = integers()
    assert fixed.learning is not None
    factor = forced(fixed.learning.factors["hidden"], matrix=matrix)
    factors = {**fixed.learning.factors, "hidden": factor}
    return forced(fixed, learning=forced(fixed.learning, factors=factors))


def layer_case(index: int = 0, **values: Any) -> Callable[[], FixedNetworkSpec]:
    return lambda: with_layer(integers(), index, **values)


def neuron_case(**values: Any) -> Callable[[], FixedNetworkSpec]:
    return layer_case(neuron=forced(FIXED_HARD, **values))


def impulse_case(impulse: int) -> Callable[[], FixedNetworkSpec]:
    return layer_case(plasticity=forced(FixedPlasticity(1, RATE), impulse=impulse))


INTEGER_CASES: dict[str, tuple[Callable[[], FixedNetworkSpec], Finds]] = {
    "weight": (layer_case(weight=256 * np.eye(1, 30, dtype=int)), {("error", HIDDEN, "weight")}),
    "weight below": (
        layer_case(recurrent_weight=np.full((3, 3), -258)),
        {("error", HIDDEN, "weight"), ("warning", HIDDEN, "weights at the limit")},
    ),
    "exponent": (layer_case(weight_exponent=-9), {("error", HIDDEN, "weight exponent")}),
    "odd": (layer_case(weight=np.array([[3, -3, 4, 2]])), {("warning", HIDDEN, "odd weights")}),
    "odd of one sign": (
        layer_case(weight=np.array([[3, 0, 4, 7]])),
        {("warning", HIDDEN, "odd weights")},
    ),
    "clipped": (
        layer_case(1, weight=np.array([[254, 2, -4], [6, 2, 8]])),
        {("warning", OUT, "weights at the limit")},
    ),
    "zeros": (layer_case(weight=np.zeros((3, 4), int)), {("error", HIDDEN, "integer weights")}),
    "headroom": (
        layer_case(weight=np.full((3, 4), 250), weight_exponent=7, bias=np.full(3, 4095 << 7)),
        {("warning", HIDDEN, "input of one step")},
    ),
    "decay": (neuron_case(decay=0.0), {("error", HIDDEN, "integer decay")}),
    "threshold of 0": (
        neuron_case(v_threshold=-63),
        {("error", HIDDEN, "threshold mantissa")},
    ),
    "threshold mantissa": (
        neuron_case(v_threshold=(131072 << 6) + 1),
        {("error", HIDDEN, "threshold mantissa")},
    ),
    "threshold form": (neuron_case(v_threshold=640), {("warning", HIDDEN, "threshold form")}),
    "bias mantissa": (
        layer_case(bias=np.array([0, 4096 << 7, 0])),
        {("error", HIDDEN, "bias mantissa")},
    ),
    "bias": (layer_case(bias=np.array([0, 8191, 0])), {("error", HIDDEN, "bias")}),
    "impulse": (impulse_case(0), {("error", HIDDEN, "trace impulse")}),
    "trace": (impulse_case(64), {("error", HIDDEN, "trace")}),
    "mantissa": (lambda: with_rate(mantissa=8), {("error", HIDDEN, "rate mantissa")}),
    "rate exponent": (lambda: with_rate(exponent=9), {("error", HIDDEN, "rate exponent")}),
    "gate": (lambda: with_rate(gate=128), {("error", HIDDEN, "rate gate")}),
    "rate": (lambda: with_rate(realised=0.113), {("warning", HIDDEN, "learning rate")}),
    "rate within 12.5 %": (lambda: with_rate(realised=0.112), set()),
    "feedback weight": (
        lambda: with_matrix(np.full((3, 2), 256)),
        {("error", HIDDEN, "feedback weight")},
    ),
    "odd feedback": (
        lambda: with_matrix(np.array([[1, -1]] * 3)),
        {("warning", HIDDEN, "odd feedback weights")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", INTEGER_CASES)
def test_what_integers_cannot_hold_is_told(case: str) -> None:
    make, expected = INTEGER_CASES[case]
    assert_told(check(network(), make()), expected)


def test_a_tag_that_a_sample_can_saturate_is_warned_of() -> None:
    """127 x 127 x 2^-6 / 8 = 31.5 at each of 5 steps fits in 255, twice as much does not."""
    fixed = integers("accumulate")
    for exponent, expected in ((-6, set()), (-5, {("warning", OUT, "tag")})):
        plasticity = FixedPlasticity(63, replace(RATE, exponent=exponent))
        changed = with_layer(fixed, 1, plasticity=plasticity)
        assert_told(check(network(mode="accumulate"), changed), expected)


def pipelined(impulse: int) -> FixedNetworkSpec:
    """Only the readout learns, one algorithmic step per step of the chip."""
    fixed = with_layer(integers(), 0, plasticity=None)
    fixed = with_layer(fixed, 1, plasticity=FixedPlasticity(impulse, replace(RATE, exponent=-3)))
    return forced(fixed, learning=replace(fixed.learning, schedule="pipelined"))


def test_the_pipelined_schedule_asks_for_an_update_delay_and_an_impulse_of_eights() -> None:
    late = network(plastic=["out"], update_delay=1)
    assert_told(check(late, pipelined(56)), set())
    assert_told(check(late, pipelined(57)), {("error", OUT, "learning rule")})
    prompt = network(plastic=["out"])
    assert_told(check(prompt, pipelined(56)), {("error", ALL, "update delay")})
    assert_told(check(late, integers()), {("error", ALL, "update delay")})


def test_a_readout_that_does_not_spike_has_no_threshold_in_integers() -> None:
    fixed = with_layer(integers(), 1, neuron=integer_integrator(2048))
    spec = network(HARD, LeakyIntegrator())
    assert_told(check(spec, fixed), {("warning", OUT, "readout")})


def test_an_unknown_rate_is_not_called_wrong() -> None:
    report = check(network(), with_rate(wanted=0.0, realised=0.0))
    assert_told(report, set())
    assert any(f.quantity == "learning rate" for f in report.of_severity("unknown"))


def test_the_largest_input_equals_that_of_all_spike_patterns(rng: np.random.Generator) -> None:
    weights, bias = rng.integers(-99, 99, (3, 4)), rng.integers(-999, 999, 3)
    patterns = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)
    inputs = ((weights @ patterns) << 2 << 6) + bias[:, np.newaxis]
    changed = with_layer(integers(), 0, weight=weights, bias=bias, weight_exponent=2)
    report = check(network(), changed)
    found = [f for f in report.findings if (f.object, f.quantity) == (HIDDEN, "input of one step")]
    assert found[0].value == np.abs(inputs).max()


def test_the_largest_input_of_a_convolution_is_that_of_its_strongest_kernel() -> None:
    """Channel 0: (5 + 3) 2^6 + 10, channel 1: -(4 + 9) 2^6 with a negative exponent, floored."""
    weight = np.array([[[[5, 3]], [[-1, 0]]], [[[-4, 2]], [[-9, 0]]]])
    layer = FixedConvSpec("conv", weight, FIXED_HARD, 0.01, (2, 1, 4), 0, np.array([10, 3]))
    assert largest_input(layer) == max((5 + 3) * 64 + 10, (4 + 9) * 64)
    assert largest_input(replace(layer, weight_exponent=-1)) == 7 * 64
