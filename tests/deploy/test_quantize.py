"""Float networks in integers: closed forms of scales, thresholds, biases, factors and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from integer_neurons import lost

from onchip import LIF, ConvSpec, DenseSpec, Engine, LeakyIntegrator, LinearReadout, NetworkSpec
from onchip.deploy.quantization.network import Quantization, dequantize, quantize
from onchip.deploy.quantization.scales import best_scale, round_bias, round_even
from onchip.network.learning import with_learning
from onchip.neurons.base import NeuronState
from onchip.neurons.surrogates import SURROGATES, Surrogate, rectangle
from onchip.program.populations import IntegerPopulation

repeatable = settings(derandomize=True, deadline=None, max_examples=60)
INPUTS, HIDDEN, CLASSES = 9, 7, 4


def network(
    seed: int = 0,
    scales: tuple[float, float] = (0.5, 0.5),
    neuron: LIF | None = None,
    readout=None,
    bias: float = 0.2,
) -> NetworkSpec:
    """9-7-4: a recurrent layer 'hidden' and a readout 'answer', both with biases."""
    rng = np.random.default_rng(seed)
    hidden, answer = scales
    layers = (
        DenseSpec(
            "hidden",
            rng.normal(0, hidden, (HIDDEN, INPUTS)),
            neuron or LIF(),
            rng.normal(0, bias * hidden, HIDDEN),
            rng.normal(0, hidden / 3, (HIDDEN, HIDDEN)),
        ),
        DenseSpec(
            "answer",
            rng.normal(0, answer, (CLASSES, HIDDEN)),
            readout or LeakyIntegrator(0.8),
            rng.normal(0, bias * answer, CLASSES),
        ),
    )
    return NetworkSpec(layers, (INPUTS,), 6, metadata={"made": "up"})


def learning(spec: NetworkSpec, **section) -> NetworkSpec:
    return with_learning(spec, **{"learning_rate": 0.05, **section})


def all_weights(layer) -> np.ndarray:
    recurrent = getattr(layer, "recurrent_weight", None)
    extra = [] if recurrent is None else [recurrent.ravel()]
    return np.concatenate([layer.weight.ravel(), *extra])


networks = st.builds(
    network,
    st.integers(0, 10_000),
    st.tuples(st.floats(-3.5, 2), st.floats(-2, 2)).map(lambda logs: tuple(10**x for x in logs)),
    st.builds(LIF, st.floats(0.01, 1), st.floats(0.3, 3), st.sampled_from(["soft", "hard"])),
    st.one_of(
        st.builds(LeakyIntegrator, st.floats(0.01, 1)),
        st.builds(LinearReadout, st.floats(0.01, 1)),
        st.builds(LIF, st.floats(0.01, 1), st.floats(0.3, 3)),
    ),
)

# -- weights --------------------------------------------------------------------------------------


@repeatable
@given(networks)
def test_weights_are_even_in_limits_and_within_half_a_step_unless_clipped(spec):
    for layer, fixed in zip(spec.layers, quantize(spec).layers, strict=True):
        real, whole = all_weights(layer), all_weights(fixed)
        assert (whole % 2 == 0).all() and np.abs(whole).max() <= 254
        # membrane_unit 2^(6 + exponent); the integers are even, so half a step is one of them
        worth = fixed.membrane_unit * 2.0 ** (6 + fixed.weight_exponent)
        error, clipped = np.abs(whole * worth - real), np.abs(real) > 254 * worth
        assert (error[~clipped] <= worth * (1 + 1e-9)).all()
        assert (whole[clipped] == 254 * np.sign(real[clipped])).all()


@repeatable
@given(networks)
def test_the_largest_weight_uses_the_integers_range(spec):
    """Up to the rounding of a threshold of at least 16 units."""
    for layer in quantize(spec).layers:
        assert np.abs(all_weights(layer)).max() >= 254 * 32 / 33 - 1


@repeatable
@given(networks)
def test_dequantizing_gives_weights_within_half_a_step_and_leaves_the_rest(spec):
    fixed = quantize(spec)
    back = dequantize(fixed, spec)
    for before, after, whole in zip(spec.layers, back.layers, fixed.layers, strict=True):
        np.testing.assert_allclose(after.weight, whole.weight * whole.weight_step, rtol=1e-12)
        np.testing.assert_allclose(after.bias, whole.bias * whole.membrane_unit, rtol=1e-12)
        clipped = np.abs(before.weight) > 254 * whole.weight_step
        assert (np.abs(after.weight - before.weight) <= whole.weight_step * 1.0001)[~clipped].all()
        assert (after.neuron, after.name) == (before.neuron, before.name)
    assert (back.metadata, back.time_steps) == (spec.metadata, spec.time_steps)


@pytest.mark.parametrize("answer", [1e-3, 1, 1e3])
@pytest.mark.parametrize("hidden", [1e-5, 1e-4, 1e-3, 1e-2, 1, 1e2, 1e3])
def test_layers_of_any_scale_keep_seven_bits_by_their_exponent(hidden, answer):
    spec = network(3, (hidden, answer), bias=0.0)
    for layer, fixed in zip(spec.layers, quantize(spec).layers, strict=True):
        assert -8 <= fixed.weight_exponent <= 7
        real, back = all_weights(layer), all_weights(fixed) * fixed.weight_step
        # Where the exponent's range ends, a threshold of few units is coarser than the weights.
        units = round((1 / fixed.membrane_unit - 1) / 64)
        assert np.abs(back - real).max() <= np.abs(real).max() * (0.01 + 0.5 / units)


def test_weights_too_small_for_any_exponent_are_refused_by_name():
    """A threshold of more than 17 bits would be needed."""
    with pytest.raises(ValueError, match=r"layer 'hidden': .*less than integers hold"):
        quantize(network(3, (1e-7, 1.0)))


def test_weights_too_large_for_any_exponent_are_refused_rather_than_all_clipped():
    with pytest.raises(ValueError, match="layer 'hidden'"):
        quantize(network(3, (1e7, 1.0), bias=0.0))


@pytest.mark.parametrize("plastic", [False, True])
@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-305, 1e-30])
def test_subnormal_weights_are_refused_as_other_small_ones(size, plastic):
    """254 / 1e-310 is infinite, which no integer is."""
    spec = network(3, bias=0.0)
    hidden = replace(spec.layers[0], weight=np.full((HIDDEN, INPUTS), size), recurrent_weight=None)
    spec = replace(spec, layers=(hidden, spec.layers[1]))
    spec = learning(spec) if plastic else spec
    with pytest.raises(ValueError, match=f"layer 'hidden': its largest weight is {size:.3g} thr"):
        quantize(spec)


@pytest.mark.parametrize("power", [-900, -300, 0, 300, 900])
def test_the_clip_search_does_not_depend_on_the_unit(power):
    """A power of two changes no digit, so that the best scale is the same times that power."""
    weights = np.random.default_rng(5).normal(size=200)
    scaled = best_scale(np.ldexp(weights, power))
    assert scaled == np.ldexp(best_scale(weights), -power)


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (1e6, r"its largest bias is 1e\+06 thresholds, .* the 8190 thresholds that integers hold"),
        (9000.0, "its largest bias is 9e\\+03 thresholds, .* the 8190 thresholds that integers"),
        (8000.0, "its largest bias is 8e\\+03 thresholds, .* more than integers hold beside it"),
        (1e300, r"its largest bias is 1e\+300 thresholds"),
    ],
)
def test_a_bias_that_does_not_fit_is_named_and_not_the_weights(bias, message):
    """524160 membrane integers at 64 m + 1 for a threshold are at most 8190 thresholds."""
    spec = network(3, (2.0, 0.5), bias=0.0)
    hidden = replace(spec.layers[0], bias=np.full(HIDDEN, bias))
    with pytest.raises(ValueError, match=f"layer 'hidden': {message}"):
        quantize(replace(spec, layers=(hidden, spec.layers[1])))


def python_rounded(value: float) -> int:
    """The nearest even integer in -254..254, by Python alone."""
    return max(-254, min(254, 2 * round(value / 2)))


@repeatable
@given(st.lists(st.floats(-600, 600), min_size=1, max_size=20))
def test_rounding_to_even_is_pythons(values):
    assert round_even(np.array(values)).tolist() == [python_rounded(v) for v in values]


def squared_error(weights: np.ndarray, scale: float) -> float:
    return sum((python_rounded(w * scale) / scale - w) ** 2 for w in weights.tolist())


@repeatable
@given(
    st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=40),
    st.floats(1.001, 40),
)
def test_the_clip_search_is_never_worse_than_no_clipping(weights, outlier):
    weights = np.array([*weights, outlier])
    scale = best_scale(weights)
    plain = 254 / np.abs(weights).max()
    assert plain <= scale <= 2 * plain * (1 + 1e-12)
    assert squared_error(weights, scale) <= squared_error(weights, plain) * (1 + 1e-9)


def test_one_outlier_is_clipped_for_finer_steps_of_the_others():
    rng = np.random.default_rng(1)
    weights = np.append(rng.normal(0, 1, 100_000), [7.0])
    scale, plain = best_scale(weights), 254 / 7.0
    assert scale > 1.04 * plain
    assert squared_error(weights, scale) < squared_error(weights, plain)


@repeatable
@given(
    networks.filter(lambda spec: not isinstance(spec.layers[1].neuron, LIF)), st.floats(0.01, 99)
)
def test_scaling_weights_biases_and_threshold_of_a_layer_changes_no_integer(spec, factor):
    layer = spec.layers[0]
    scaled = replace(
        layer,
        weight=layer.weight * factor,
        bias=layer.bias * factor,
        recurrent_weight=layer.recurrent_weight * factor,
        neuron=replace(layer.neuron, v_threshold=layer.neuron.v_threshold * factor),
    )
    before = quantize(spec).layers[0]
    after = quantize(replace(spec, layers=(scaled, spec.layers[1]))).layers[0]
    np.testing.assert_allclose(after.weight, before.weight, atol=0)
    np.testing.assert_array_equal(after.bias, before.bias)
    np.testing.assert_array_equal(after.recurrent_weight, before.recurrent_weight)
    assert (after.neuron, after.weight_exponent) == (before.neuron, before.weight_exponent)
    assert after.membrane_unit == pytest.approx(before.membrane_unit * factor)


@pytest.mark.parametrize("headroom", [1.0, 1.25, 2.0, 4.0])
def test_headroom_leaves_plastic_layers_room_and_frozen_ones_none(headroom):
    spec = learning(network(5), plastic=["answer"])
    hidden, answer = quantize(spec, Quantization(headroom=headroom)).layers
    assert np.abs(answer.weight).max() <= 254 / headroom * 1.04 + 1
    assert np.abs(answer.weight).max() >= 254 / headroom / 1.04 - 1
    assert np.abs(all_weights(hidden)).max() >= 254 / 1.04 - 1


def test_headroom_holds_for_a_layer_whose_outlier_would_best_be_clipped():
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 1, (CLASSES, 40_000))
    weights[0, 0] = 12.0
    spec = NetworkSpec((DenseSpec("answer", weights, LeakyIntegrator()),), (40_000,), 6)
    (answer,) = quantize(learning(spec), Quantization(headroom=1.25)).layers
    assert np.abs(answer.weight).max() <= 254 / 1.25 * 1.04


# -- thresholds and biases ------------------------------------------------------------------------


@repeatable
@given(networks)
def test_thresholds_are_64_m_plus_1_and_the_membrane_holds_as_many_as_promised(spec):
    for layer, fixed in zip(spec.layers, quantize(spec).layers, strict=True):
        spikes = isinstance(layer.neuron, LIF)
        reference = layer.neuron.v_threshold if spikes else 1.0
        integers = reference / fixed.membrane_unit
        threshold = round(integers)
        assert integers == pytest.approx(threshold, rel=1e-12) and threshold % 64 == 1
        if spikes:
            assert fixed.neuron.v_threshold == threshold
        if -8 < fixed.weight_exponent < 7:
            assert 16 <= threshold // 64 and 2**23 / threshold >= (31.9 if spikes else 127)


def test_a_threshold_of_64_m_fires_alike_on_the_chip():
    """u > 64 m and u >= 64 m + 1 are the same for integers; u >= 64 m is not."""
    neuron = quantize(network()).layers[0].neuron
    mantissa = (neuron.v_threshold - 1) // 64
    u = np.arange(neuron.v_threshold - 3, neuron.v_threshold + 3)
    np.testing.assert_array_equal(u > 64 * mantissa, u >= neuron.v_threshold)
    assert (u > 64 * mantissa).tolist() != (u >= 64 * mantissa).tolist()


def representable(bias: int) -> bool:
    return any(bias % 2**e == 0 and -4096 <= bias // 2**e <= 4095 for e in range(8))


@repeatable
@given(st.floats(-529_000, 529_000))
def test_biases_are_rounded_to_thirteen_bits_and_an_exponent(value):
    rounded = int(round_bias(np.array([value]))[0])
    assert representable(rounded)
    inside = max(-(2**19), min(4095 * 128, value))
    precision = next(2**e for e in range(8) if abs(inside) <= 4096 * 2**e)
    assert abs(rounded - inside) <= precision


def test_a_bias_beyond_the_largest_is_refused():
    with pytest.raises(ValueError, match=r"bias is 6e\+05 membrane integers, more than 524160"):
        round_bias(np.array([3.0, -600_000.0]))


@repeatable
@given(st.floats(-524_000, 524_000))
def test_a_bias_is_the_nearest_that_can_be_held(value):
    rounded = int(round_bias(np.array([value]))[0])
    low = high = int(value // 1)
    while not representable(low):
        low -= 1
    while high < value or not representable(high):
        high += 1
    assert abs(rounded - value) <= min(value - low, high - value) + 1e-9


@pytest.mark.parametrize("bias", [0.01, 1.0, 30.0, 100.0])
def test_a_bias_of_many_thresholds_is_held_to_a_thousandth(bias):
    spec = network(4, neuron=LIF(v_threshold=0.7))
    layer = replace(spec.layers[0], bias=np.linspace(-bias, bias, HIDDEN))
    (fixed, _) = quantize(replace(spec, layers=(layer, spec.layers[1]))).layers
    held = fixed.bias * fixed.membrane_unit
    assert np.abs(held - layer.bias).max() <= max(bias / 1000, fixed.membrane_unit)


def test_a_layer_without_bias_stays_without():
    spec = network()
    layers = tuple(replace(layer, bias=None) for layer in spec.layers)
    fixed = quantize(replace(spec, layers=layers))
    assert [layer.bias for layer in fixed.layers] == [None, None]
    assert all(
        layer.bias is None for layer in dequantize(fixed, replace(spec, layers=layers)).layers
    )


# -- neurons and layers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readout", "kind"),
    [
        (LIF(0.6), LIF),
        (LinearReadout(0.6), LinearReadout),
        (LeakyIntegrator(0.6), LeakyIntegrator),
    ],
)
def test_every_readout_has_its_integer_kind_and_decay(readout, kind):
    fixed = quantize(network(readout=readout)).layers[1].neuron
    assert type(fixed) is kind
    assert lost(fixed) == 1638  # round(0.4 4096) = round(1638.4)


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_reset_and_surrogate_are_kept(reset):
    neuron = LIF(0.5, 0.8, reset, Surrogate("triangle", 1.5))
    fixed = quantize(network(neuron=neuron)).layers[0].neuron
    assert (fixed.reset, fixed.surrogate, lost(fixed)) == (reset, neuron.surrogate, 2048)


def test_a_convolution_keeps_its_geometry():
    rng = np.random.default_rng(2)
    conv = ConvSpec(
        "conv",
        rng.normal(0, 1, (3, 2, 3, 2)),
        LIF(),
        (2, 5, 4),
        rng.normal(0, 1, 3),
        (2, 1),
        (1, 0),
    )
    head = DenseSpec("answer", rng.normal(0, 1, (CLASSES, 27)), LeakyIntegrator())
    fixed, _ = quantize(NetworkSpec((conv, head), (2, 5, 4), 6)).layers
    assert (fixed.stride, fixed.padding, fixed.input_shape) == ((2, 1), (1, 0), (2, 5, 4))
    assert np.abs(fixed.weight * fixed.weight_step - conv.weight).max() <= fixed.weight_step * 1.001
    assert np.abs(fixed.bias * fixed.membrane_unit - conv.bias).max() <= fixed.membrane_unit


@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.02, 20.0), (40.0, 0.01)])
def test_the_integers_answer_as_the_float_network_that_they_are_worth(scales):
    """Where the same neurons spiked, outputs are a hundredth and the floors of small weights apart.

    A negative exponent floors each step's input to 64 membrane integers; decay 0.75 adds four up.
    """
    rng = np.random.default_rng(8)
    spec = network(8, scales, LIF(0.5, 1.2 * scales[0]), LeakyIntegrator(0.75))
    fixed = quantize(spec)
    frames = (rng.random((20, 6, INPUTS)) < 0.5).astype(np.uint8)
    recorded: dict[str, list] = {"float": [], "integer": []}
    real = Engine(dequantize(fixed, spec)).run(
        frames, lambda name, s: recorded["float"].append(s) if name == "hidden" else None
    )
    whole = Engine(fixed).run(
        frames, lambda name, s: recorded["integer"].append(s) if name == "hidden" else None
    )
    same = np.array(recorded["float"]) == np.array(recorded["integer"])
    assert same.mean() > 0.98 and 0.1 < np.mean(recorded["integer"]) < 0.9
    agreeing = same.all(axis=(0, 2))
    assert agreeing.mean() > 0.5
    answer = fixed.layers[1]
    difference = whole * answer.membrane_unit - real
    floors = 4 * 64 * answer.membrane_unit * (answer.weight_exponent < 0)
    assert np.abs(difference[agreeing]).max() < 0.01 * np.abs(real).max() + floors


# -- learning -------------------------------------------------------------------------------------


SPIKING_READOUT = LIF(0.5, 0.5, surrogate=Surrogate("triangle", 0.5))


@pytest.mark.parametrize("readout", [LeakyIntegrator(0.5), SPIKING_READOUT], ids=["leaky", "lif"])
@pytest.mark.parametrize("feedback", ["exact", "symmetric", "random", "direct"])
@pytest.mark.parametrize("surrogate", ["sigmoid", "triangle", "rectangle"])
def test_one_integer_of_a_factor_is_worth_its_unit(feedback, surrogate, readout):
    """g unit = B e ds/du with B, e and u of the float network, up to saturation and roundings.

    e is what the layer above sends: the error, or a spiking readout's factor unless the feedback
    is direct.
    """
    rng = np.random.default_rng(6)
    hidden_neuron = LIF(0.5, 0.7, "soft", Surrogate(surrogate))
    spec = learning(network(6, neuron=hidden_neuron, readout=readout), feedback=feedback)
    fixed = quantize(spec)
    sent = 1 / (127 * spec.time_steps)
    if readout is SPIKING_READOUT and feedback != "direct":
        sent *= 2.0**7 / 127 / (0.5 * 0.5)  # 7 bits dropped; 127 is the peak 1 / (width Vth)
    hidden, section = fixed.layers[0], fixed.learning
    factor, layer = section.factors["hidden"], IntegerPopulation.of(hidden, section)
    real = spec.learning.feedback_matrices.get("hidden", spec.layers[1].weight.T)
    whole = factor.matrix if feedback != "exact" else fixed.layers[1].weight.T
    compared = 0
    for _ in range(40):
        e = rng.integers(-127, 128, CLASSES)
        u = rng.integers(-hidden.neuron.v_threshold, 3 * hidden.neuron.v_threshold, HIDDEN)
        g = layer.factor(whole @ e, NeuronState(u, np.zeros(HIDDEN, np.int64)))
        slope = spec.layers[0].neuron.surrogate.derivative(u * hidden.membrane_unit, 0.7)
        wanted = slope * (real @ (e * sent))
        free = np.abs(g) < 127
        # A derivative within 2 of 127, a matrix within 1 of 254, g within half an integer.
        signal = np.abs(real) @ np.abs(e * sent)
        peak = spec.layers[0].neuron.surrogate.derivative(np.array(0.7), 0.7)
        bound = 0.51 * factor.unit + (2 / 127 + slope / peak / 100) * peak * signal
        assert (np.abs(g * factor.unit - wanted) <= bound)[free].all()
        compared += (free & (g != 0)).sum()
    assert compared > 30


def test_the_readouts_factor_is_the_error_in_parts_of_127_t():
    section = quantize(learning(network())).learning
    assert section.factors["answer"].unit == pytest.approx(1 / (127 * 6))
    assert section.factors["answer"].matrix is None
    # 1 in the readout's membrane integers is its reference, 64 m + 1.
    assert section.error.one % 64 == 1


def test_a_spiking_readouts_factor_has_the_peak_of_its_surrogate():
    readout = LIF(0.5, 0.8, surrogate=Surrogate("triangle", 2.0))
    factor = quantize(learning(network(readout=readout))).learning.factors["answer"]
    # g 127 = e 127 derivative 127 / 2^shift: 127 of the derivative is 1 / (2 Vth)
    assert factor.unit == pytest.approx(2.0**factor.shift / 127 / (2 * 0.8) / (127 * 6))
    assert quantize(learning(network(readout=readout))).learning.error.one == 1


@pytest.mark.parametrize("feedback", ["random", "direct", "symmetric"])
def test_feedback_matrices_are_even_with_254_as_their_largest(feedback):
    spec = learning(network(), feedback=feedback, seed=4)
    matrix = quantize(spec).learning.factors["hidden"].matrix
    real = spec.learning.feedback_matrices["hidden"]
    assert (matrix % 2 == 0).all() and np.abs(matrix).max() == 254
    step = np.abs(real).max() / 254
    assert np.abs(matrix * step - real).max() <= step * (1 + 1e-9)
    assert quantize(learning(network())).learning.factors["hidden"].matrix is None


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("name", ["sequenced", "pipelined"])
def test_the_section_names_its_mode_schedule_and_seed_and_rates_are_near(name, mode):
    delay = int(name == "pipelined" and mode == "online")
    plastic = ["answer"] if name == "pipelined" else None
    spec = learning(network(), plastic=plastic, mode=mode, update_delay=delay)
    fixed = quantize(spec, Quantization(name, seed=3))
    section = fixed.learning
    assert (section.mode, section.schedule, section.seed) == (mode, name, 3)
    assert section.feedback == "exact" and fixed.plastic_names == spec.plastic_names
    for layer in fixed.layers:
        if layer.plastic:
            rate = layer.plasticity.rate
            assert rate.wanted == 0.05
            assert abs(rate.realised / 0.05 - 1) <= (
                0.01 if (name, mode) == ("sequenced", "online") else 0.35
            )
            np.testing.assert_array_equal(layer.bias_weight, 0)


def test_a_network_without_learning_has_no_learning_integers():
    fixed = quantize(network())
    assert fixed.learning is None and fixed.plastic_names == ()
    assert all(layer.bias_weight is None for layer in fixed.layers)
    assert (fixed.input_shape, fixed.time_steps, fixed.metadata) == ((INPUTS,), 6, {"made": "up"})


def test_a_learned_bias_is_read_back_from_both_of_its_parts():
    spec = learning(network())
    fixed = quantize(spec)
    layer = replace(fixed.layers[1], bias_weight=np.array([2, -4, 0, 6]))
    back = dequantize(replace(fixed, layers=(fixed.layers[0], layer)), spec).layers[1]
    wanted = layer.bias * layer.membrane_unit + layer.bias_weight * layer.weight_step
    np.testing.assert_allclose(back.bias, wanted)


# -- refusals -------------------------------------------------------------------------------------


def zero(spec: NetworkSpec, index: int, name: str | None = None) -> NetworkSpec:
    layers = list(spec.layers)
    recurrent = layers[index].recurrent_weight
    layers[index] = replace(
        layers[index],
        name=name or layers[index].name,
        weight=0 * layers[index].weight,
        recurrent_weight=None if recurrent is None else 0 * recurrent,
    )
    return replace(spec, layers=tuple(layers))


@pytest.fixture(autouse=True)
def own_surrogate(monkeypatch):
    """A surrogate of one's own, which has no integer form: all others have one."""
    monkeypatch.setitem(SURROGATES, "own", (rectangle, 1.0))


def own() -> LIF:
    return LIF(surrogate=Surrogate("own"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize(zero(network(), 0)), "layer 'hidden': all its weights are 0"),
        (lambda: quantize(zero(network(), 1)), "layer 'answer': all its weights are 0"),
        (lambda: quantize(zero(network(), 1, "all")), "layer 'all': all its weights are 0"),
        (
            lambda: quantize(learning(network(neuron=own()))),
            "layer 'hidden': integer surrogate 'own' is unknown; choose one of",
        ),
        (
            lambda: quantize(learning(network(readout=own()))),
            "layer 'answer': integer surrogate 'own' is unknown",
        ),
        (
            lambda: quantize(network(neuron=LIF(1e-5))),
            "layer 'hidden': decay 1e-05 is below 1/8192",
        ),
        (
            lambda: quantize(network(readout=LeakyIntegrator(1e-5))),
            "layer 'answer': decay 1e-05 is below 1/8192",
        ),
        (
            lambda: quantize(learning(network(readout=LeakyIntegrator(1.0)))),
            "layer 'answer': trace: decay 1.0 leaves an impulse of 0",
        ),
        (
            lambda: quantize(learning(network(), learning_rate=1e-9)),
            "layer 'hidden': learning rate 1e-09 is out of reach",
        ),
        (
            lambda: quantize(learning(network()), Quantization("pipelined")),
            "only the last layer can learn, not hidden",
        ),
        (
            lambda: quantize(learning(network(), update_delay=1)),
            "schedule 'sequenced' applies online updates at once",
        ),
        (lambda: Quantization(headroom=0.1), r"headroom is 0\.1; it must lie in \[0\.125, 64\]"),
        (
            lambda: quantize(learning(network()), Quantization("slow")),
            "schedule 'slow' is unknown; choose one of sequenced, pipelined",
        ),
    ],
)
def test_what_integers_cannot_hold_is_refused_in_one_line_that_names_the_layer(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_surrogate_without_integers_does_where_nothing_needs_it():
    """On frozen layers below all that learn, and without learning at all."""
    spec = learning(network(neuron=own()), plastic=["answer"])
    assert quantize(spec).layers[0].neuron.surrogate.name == "own"
    assert quantize(network(neuron=own(), readout=own())).learning is None
