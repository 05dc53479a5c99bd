"""The integer specification: what it refuses, by name and limit, and what it holds."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from integer_neurons import integer_integrator, integer_lif, kept

from onchip import Surrogate
from onchip.arithmetic.integer_softmax import make_error
from onchip.program.integer_layer_spec import (
    FixedConvSpec,
    FixedDenseSpec,
    FixedPlasticity,
    split_bias,
)
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec, FixedNetworkSpec
from onchip.program.integer_traces import FixedFilter
from onchip.program.rates import FixedRate

NEURON = integer_lif(2048, 641, surrogate=Surrogate("triangle"))
ERROR = make_error(1 / 1025, 0.05, 2)


def plasticity(impulse: int = 63) -> FixedPlasticity:
    return FixedPlasticity(impulse, FixedRate(3, -2))


def dense(**changes) -> FixedDenseSpec:
    """4 -> 3, plastic and recurrent."""
    given = {
        "name": "hidden",
        "weight": np.arange(-6, 6).reshape(3, 4),
        "neuron": NEURON,
        "membrane_unit": 0.001,
        "weight_exponent": 1,
        "bias": np.array([5, -4096, 4095 * 128]),
        "bias_weight": np.array([1, 2, 3]),
        "recurrent_weight": np.ones((3, 3), np.int64),
        "plasticity": plasticity(),
    }
    return FixedDenseSpec(**{**given, **changes})


def frozen(**changes) -> FixedDenseSpec:
    return dense(**{"bias_weight": None, "plasticity": None, **changes})


def readout(**changes) -> FixedDenseSpec:
    given = {
        "name": "out",
        "weight": np.ones((2, 3), np.int64),
        "neuron": integer_integrator(2048),
        "membrane_unit": 0.001,
        "plasticity": plasticity(),
    }
    return FixedDenseSpec(**{**given, **changes})


def conv(**changes) -> FixedConvSpec:
    given = {
        "name": "conv",
        "weight": np.ones((2, 1, 2, 2), np.int64),
        "neuron": NEURON,
        "membrane_unit": 0.001,
        "input_shape": (1, 3, 3),
        "bias": np.array([64, -64]),
    }
    return FixedConvSpec(**{**given, **changes})


def learning(**changes) -> FixedLearningSpec:
    given = {
        "mode": "online",
        "feedback": "random",
        "schedule": "sequenced",
        "error": ERROR,
        "factors": {
            "hidden": FixedFactor(5, 0.1, np.ones((3, 2), np.int64)),
            "out": FixedFactor(0, 0.01),
        },
        "seed": 7,
    }
    return FixedLearningSpec(**{**given, **changes})


def network(**changes) -> FixedNetworkSpec:
    given = {
        "layers": (dense(), readout()),
        "input_shape": (2, 2),
        "time_steps": 5,
        "learning": learning(),
        "metadata": {"dataset": "none"},
    }
    return FixedNetworkSpec(**{**given, **changes})


def refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


# -- what is refused ------------------------------------------------------------------------------

WHERE = "layer 'hidden'"

PARTS = [
    (lambda: plasticity(0), r"plasticity: impulse is 0; .* 1\.\.127"),
    (lambda: plasticity(128), r"plasticity: impulse is 128; .* 1\.\.127"),
    (lambda: plasticity(6.0), r"impulse is 6\.0; it must be an integer"),
    (lambda: FixedRate(8, 0), r"rate: mantissa is 8; .* 1\.\.7"),
    (lambda: FixedRate(0, 0), r"rate: mantissa is 0; .* 1\.\.7"),
    (lambda: FixedRate(1, -8), r"rate: exponent is -8; .* -7\.\.8"),
    (lambda: FixedRate(1, 9), r"rate: exponent is 9; .* -7\.\.8"),
    (lambda: FixedRate(1, 0, gate=0), r"rate: gate is 0; .* 1\.\.127"),
    (lambda: FixedRate(1, 0, gate=128), r"rate: gate is 128; .* 1\.\.127"),
    (lambda: FixedRate(1, 0, tag_shift=7), r"rate: tag_shift is 7; .* 0\.\.6"),
    (lambda: FixedRate(1, 0, wanted=-1.0), r"rate: wanted is -1\.0; it must lie in \[0"),
    (lambda: FixedRate(1, 0, realised=float("nan")), "rate: realised is nan"),
    (lambda: FixedFactor(41, 1.0), r"factor: shift is 41; .* 0\.\.40"),
    (lambda: FixedFactor(-1, 1.0), r"factor: shift is -1; .* 0\.\.40"),
    (lambda: FixedFactor(0, 0.0), r"factor: unit is 0\.0; it must lie in \(0"),
    (lambda: FixedFactor(0, 1.0, np.ones(3, int)), r"factor: matrix has .*shape \(3,\).* 2 dim"),
    (lambda: FixedFactor(0, 1.0, np.ones((2, 2))), "factor: matrix has type float64"),
    (lambda: FixedFactor(0, 1.0, np.array([[256]])), r"matrix holds 256; .* -256\.\.255"),
]

DENSE = [
    ({"weight": np.ones((3, 4))}, f"{WHERE}: weight has type float64 .* 2 dimensions of integers"),
    ({"weight": np.ones(3, int)}, rf"{WHERE}: weight .* shape \(3,\)"),
    ({"weight": np.ones((0, 4), int)}, rf"{WHERE}: weight .* shape \(0, 4\).* none of them empty"),
    ({"weight": None}, f"{WHERE}: weight has type object"),
    ({"weight": np.full((3, 4), 256)}, rf"{WHERE}: weight holds 256; .* -256\.\.255, rescale"),
    ({"weight": np.full((3, 4), -257)}, rf"{WHERE}: weight holds -257; .* -256\.\.255"),
    ({"membrane_unit": 0.0}, rf"{WHERE}: membrane_unit is 0\.0; it must lie in \(0"),
    ({"membrane_unit": float("inf")}, f"{WHERE}: membrane_unit is inf"),
    ({"weight_exponent": 8}, rf"{WHERE}: weight exponent is 8; .* -8\.\.7"),
    ({"weight_exponent": -9}, rf"{WHERE}: weight exponent is -9; .* -8\.\.7"),
    ({"neuron": "lif"}, f"{WHERE} has str neurons; it needs LIF, LeakyIntegrator"),
    ({"bias": np.ones(2, int)}, rf"{WHERE}: bias has shape \(2,\); the weight needs \(3,\)"),
    ({"bias": np.array([0, 4097, 0])}, f"{WHERE}: bias 4097 is no 13-bit mantissa"),
    ({"bias": np.array([0, 0, 2**19])}, rf"{WHERE}: bias holds 524288; .* -524288\.\.524160"),
    ({"bias": np.full(3, 0.5)}, f"{WHERE}: bias has type float64"),
    ({"bias_weight": np.ones(4, int)}, rf"{WHERE}: bias_weight has shape \(4,\); .* \(3,\)"),
    ({"bias_weight": np.full(3, 300)}, f"{WHERE}: bias_weight holds 300"),
    ({"plasticity": None}, f"{WHERE}: bias_weight is for plastic layers; use bias"),
    ({"recurrent_weight": np.ones((3, 4), int)}, r"recurrent_weight has shape .*\(3, 3\)"),
    ({"recurrent_weight": np.full((3, 3), -300)}, f"{WHERE}: recurrent_weight holds -300"),
    ({"neuron": integer_integrator(0)}, f"{WHERE}: recurrent_weight needs LIF neurons"),
]

CONV = [
    ({"neuron": integer_integrator(0)}, "layer 'conv': a convolution needs LIF neurons"),
    ({"weight": np.ones((2, 4), int)}, "layer 'conv': weight .* 4 dimensions"),
    ({"weight": np.ones((2, 3, 2, 2), int)}, "layer 'conv': weight .* reads 3 channels"),
    ({"input_shape": (1, 3)}, "layer 'conv': input_shape is .*3 integers"),
    ({"stride": (0, 1)}, r"layer 'conv': .*stride \(0, 1\).* do not fit"),
    ({"padding": (0.5, 1)}, "layer 'conv': padding is .*2 integers"),
    ({"input_shape": (1, 1, 1)}, r"layer 'conv': .* do not fit input_shape \(1, 1, 1\)"),
    ({"bias": np.ones(3, int)}, r"layer 'conv': bias has shape \(3,\); the weight needs \(2,\)"),
    ({"weight_exponent": 9}, r"layer 'conv': weight exponent is 9"),
]

LEARNING = [
    ({"mode": "batch"}, "fixed learning: mode 'batch' is unknown; choose one of"),
    ({"feedback": "none"}, "fixed learning: feedback 'none' is unknown; choose one of exact"),
    ({"schedule": "fast"}, "fixed learning: schedule 'fast' is unknown; choose one of sequenced"),
    ({"seed": -1}, r"fixed learning: seed is -1; .* 0\.\.2147483648"),
    ({"seed": 2**31 + 1}, "fixed learning: seed is 2147483649"),
]

WIDE = FixedFactor(5, 0.1, np.ones((3, 3), np.int64))
SQUARE = {"hidden": FixedFactor(5, 0.1, np.ones((2, 3), np.int64)), "out": FixedFactor(0, 0.01)}
DULL = integer_lif(2048, 641)

NETWORK = [
    ({"layers": ()}, "network: it has no layers"),
    ({"time_steps": 0}, "network: time_steps is 0"),
    ({"time_steps": 2.0}, "network: time_steps is 2.0; it must be an integer"),
    ({"input_shape": (2, 3)}, r"layer 'hidden': weight \(3, 4\) reads 4 values.* gives 6"),
    ({"input_shape": 4}, "network: input_shape is 4"),
    ({"layers": (dense(), readout(name="hidden"))}, "layer names .* must be distinct"),
    (
        {"layers": (readout(weight=np.ones((3, 4), int)), readout(name="b"))},
        "layer 'out': LeakyIntegrator does not spike, so it can only be the last layer",
    ),
    ({"learning": None}, r"layers \['hidden', 'out'\] are plastic, but there is no learning"),
    ({"layers": (frozen(), readout(plasticity=None))}, "no layer is plastic"),
    ({"learning": learning(factors={})}, "layer 'hidden': the learning section has no factor"),
    (
        {"learning": learning(factors=SQUARE)},
        r"layer 'hidden': feedback 'random' needs a matrix of shape \(3, 2\), got \(2, 3\)",
    ),
    (
        {"learning": learning(feedback="exact")},
        r"layer 'hidden': feedback 'exact' needs a matrix of shape None, got \(3, 2\)",
    ),
    (
        {"layers": (dense(neuron=DULL), readout())},
        "layer 'hidden': a hidden layer that learns needs a surrogate",
    ),
    (
        {"layers": (dense(), readout(neuron=DULL))},
        "layer 'out': a spiking readout that learns needs a surrogate",
    ),
    (
        {"layers": (dense(plasticity=plasticity(64)), readout())},
        r"layer 'hidden': impulse 64 lets the trace saturate at decay 0\.5; use at most 63",
    ),
]


@pytest.mark.parametrize(("call", "message"), PARTS)
def test_parts_out_of_range_are_refused_by_name_and_limit(call, message):
    refused(call, message)


@pytest.mark.parametrize(("changes", "message"), DENSE)
def test_a_dense_layer_out_of_range_is_refused_by_name_and_limit(changes, message):
    refused(lambda: dense(**changes), message)


@pytest.mark.parametrize(("changes", "message"), CONV)
def test_a_convolution_out_of_range_is_refused_by_name_and_limit(changes, message):
    refused(lambda: conv(**changes), message)


@pytest.mark.parametrize(("changes", "message"), LEARNING)
def test_a_learning_section_out_of_range_is_refused_by_name_and_limit(changes, message):
    refused(lambda: learning(**changes), message)


@pytest.mark.parametrize(("changes", "message"), NETWORK)
def test_parts_that_do_not_fit_together_are_refused_by_name(changes, message):
    refused(lambda: network(**changes), message)


def test_the_readout_needs_a_factor_and_no_matrix():
    factors = {**learning().factors, "out": FixedFactor(0, 0.01, np.ones((2, 2), np.int64))}
    refused(
        lambda: network(learning=learning(factors=factors)),
        r"layer 'out': .* shape None, got \(2, 2\)",
    )
    factors = {"hidden": learning().factors["hidden"]}
    refused(lambda: network(learning=learning(factors=factors)), "layer 'out': .* has no factor")


def test_direct_feedback_sends_from_the_classes_and_the_others_from_the_layer_above():
    middle = frozen(name="middle", weight=np.ones((3, 3), np.int64))
    layers = (dense(), middle, readout())
    for feedback, sending in (("direct", 2), ("random", 3), ("symmetric", 3)):
        factors = {
            "hidden": FixedFactor(5, 0.1, np.ones((3, sending), np.int64)),
            "middle": FixedFactor(5, 0.1, np.ones((3, 2), np.int64)),
            "out": FixedFactor(0, 0.01),
        }
        network(layers=layers, learning=learning(feedback=feedback, factors=factors))
        factors["hidden"] = FixedFactor(5, 0.1, np.ones((3, 5 - sending), np.int64))
        refused(
            lambda f=feedback, g=factors: network(
                layers=layers, learning=learning(feedback=f, factors=g)
            ),
            "layer 'hidden': feedback",
        )


@pytest.mark.parametrize("decay", [33, 410, 2048, 4095])
def test_the_largest_impulse_is_that_of_a_trace_at_one_spike_a_step(decay):
    """The sum of the geometric series, impulse 4096 / decay, must not exceed 127."""
    largest = 127 * decay // 4096
    neuron = replace(NEURON, decay=kept(decay))

    def with_impulse(impulse: int) -> FixedNetworkSpec:
        return network(layers=(dense(neuron=neuron, plasticity=plasticity(impulse)), readout()))

    with_impulse(largest)
    refused(lambda: with_impulse(largest + 1), f"use at most {largest}")


# -- what it holds --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [plasticity, dense, readout, conv, learning, network])
def test_replacing_nothing_gives_an_equal_value_and_rebuilding_too(make):
    built = make()
    assert replace(built) == built == make()


OTHER = {
    "plasticity": (
        plasticity,
        {"impulse": 5, "rate": FixedRate(2, 0), "second": 4, "filter": FixedFilter(0.75, -3)},
    ),
    "dense": (
        dense,
        {
            "name": "x",
            "weight": np.zeros((3, 4), int),
            "neuron": integer_lif(7, 7),
            "membrane_unit": 0.5,
            "weight_exponent": 0,
            "bias": None,
            "bias_weight": np.zeros(3, int),
            "recurrent_weight": None,
            "plasticity": plasticity(2),
        },
    ),
    "conv": (conv, {"stride": (2, 1), "padding": (1, 0), "weight": np.zeros((2, 1, 2, 2), int)}),
    "learning": (
        learning,
        {
            "mode": "accumulate",
            "feedback": "direct",
            "schedule": "pipelined",
            "error": make_error(0.5, 0.0, 2),
            "factors": {},
            "seed": 8,
        },
    ),
    "network": (network, {"time_steps": 6, "input_shape": (4,), "metadata": {}}),
}


@pytest.mark.parametrize("kind", OTHER)
def test_a_change_of_any_field_is_seen_and_undone(kind):
    make, others = OTHER[kind]
    built = make()
    for name, value in others.items():
        changed = replace(built, **{name: value})
        assert changed != built, name
        assert replace(changed, **{name: getattr(built, name)}) == built, name
    if kind not in ("conv", "network"):
        assert set(others) == {f.name for f in fields(built)}


def test_arrays_are_read_only_int64_copies():
    weight = np.arange(12, dtype=np.int8).reshape(3, 4)
    layer = dense(weight=weight)
    weight[:] = 0
    assert layer.weight.dtype == np.int64 and layer.weight[2, 3] == 11
    for array in (layer.weight, layer.bias, layer.bias_weight, layer.recurrent_weight):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_network_knows_its_sizes_and_what_learns():
    factors = {"out": learning().factors["out"]}
    last = replace(learning(), factors=factors)
    spec = network(layers=(frozen(), readout()), learning=last)
    assert (spec.input_size, spec.classes, spec.plastic_names) == (4, 2, ("out",))
    assert [layer.name for layer in spec.learning_layers] == ["out"]
    assert [layer.name for layer in network().learning_layers] == ["hidden", "out"]
    assert conv().output_shape == (2, 2, 2) and conv().input_size == 9
    assert conv(stride=(2, 1), padding=(1, 0)).output_shape == (2, 2, 2)


def test_factors_of_layers_that_need_none_are_refused():
    with pytest.raises(ValueError, match="factors for hidden, which need none"):
        network(layers=(frozen(), readout()), learning=learning())


def test_one_integer_weight_is_worth_its_shift_in_membrane_units():
    assert dense(weight_exponent=3, membrane_unit=0.5).weight_step == 0.5 * 64 * 8
    assert conv(weight_exponent=-8, membrane_unit=0.5).weight_step == 0.125


def test_only_an_online_update_on_the_pipelined_schedule_lags():
    delays = {
        (mode, schedule): learning(mode=mode, schedule=schedule).update_delay
        for mode in ("online", "accumulate")
        for schedule in ("sequenced", "pipelined")
    }
    assert {key for key, delay in delays.items() if delay == 1} == {("online", "pipelined")}
    assert set(delays.values()) == {0, 1}


@given(st.integers(-4096, 4095), st.integers(0, 7))
def test_a_bias_splits_into_the_least_exponent_that_holds_it(mantissa, exponent):
    bias = mantissa * 2**exponent
    (found,), (shift,) = split_bias(np.array([bias]))
    assert found * 2**shift == bias and -4096 <= found <= 4095
    least = next(e for e in range(8) if -4096 <= bias // 2**e <= 4095)
    assert shift == least
    layer = readout(bias=np.array([bias, 0]))
    assert layer.bias.tolist() == [bias, 0]


@given(st.integers(-(2**19), 4095 * 128))
def test_a_bias_is_accepted_exactly_when_thirteen_bits_and_an_exponent_hold_it(bias):
    holds = any(bias % 2**e == 0 and -4096 <= bias // 2**e <= 4095 for e in range(8))
    if holds:
        readout(bias=np.array([bias, 0]))
    else:
        refused(lambda: readout(bias=np.array([bias, 0])), f"bias {bias} is no 13-bit mantissa")
