"""Readouts whose weights add up one way keep their output within the membrane's 24 bits."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import LIF, DenseSpec, LeakyIntegrator, LinearReadout, NetworkSpec
from onchip.arithmetic.loihi import MEMBRANE_MAX
from onchip.deploy import build
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.chain import graph_of
from onchip.network.learning import with_learning
from onchip.network.readouts import local_readouts
from onchip.program.graphs import as_graph

CLASSES, INPUTS, STEPS = 5, 1500, 6
READOUTS = (LinearReadout(), LeakyIntegrator(0.5), LeakyIntegrator(1.0))


def spec_of(weights, readout, bias=None, steps=STEPS):
    return NetworkSpec((DenseSpec("answer", weights, readout, bias),), weights.shape[1:], steps)


def plain_outputs(weights, frames, readout, bias=0.0):
    """o[n] of floats, [samples, T, classes], by a loop of its own."""
    memory = getattr(readout, "decay", 0.0) if isinstance(readout, LeakyIntegrator) else 0.0
    output, found = np.zeros((len(frames), len(weights))), []
    for frame in frames.transpose(1, 0, 2):
        output = memory * output + frame @ weights.T + bias
        found.append(output)
    return np.stack(found, axis=1)


def prototypes(rng):
    """Positive weights: every class is brighter on a part of the inputs of its own."""
    weights = rng.uniform(0.2, 0.8, (CLASSES, INPUTS))
    for c in range(CLASSES):
        weights[c, c::CLASSES] += 0.2
    return weights


def busy(rng, samples=40):
    """Frames of each class in turn, up to inputs that all spike in all steps."""
    rates = np.repeat(rng.uniform(0.5, 0.9, (samples, 1, 1)), INPUTS, axis=2)
    for c in range(CLASSES):
        rates[c::CLASSES, :, c::CLASSES] += 0.1
    frames = (rng.random((samples, STEPS, INPUTS)) < rates).astype(np.uint8)
    frames[0] = 1
    return frames


@pytest.mark.parametrize("readout", READOUTS, ids=lambda r: f"{type(r).__name__}-{r.decay}")
@pytest.mark.parametrize("made", [graph_of, lambda spec: spec], ids=["graph", "chain"])
@pytest.mark.parametrize("size", [0.02, 1.0, 90.0])
def test_positive_weights_classify_as_in_floating_point(readout, made, size):
    rng = np.random.default_rng(3)
    weights, frames = size * prototypes(rng), busy(rng)
    chip = quantize(made(spec_of(weights, readout)))
    expected = plain_outputs(weights, frames, readout)
    with build(chip, "numpy") as network:
        found = network.run(frames)
    assert np.abs(found.outputs).max() < MEMBRANE_MAX
    unit = as_graph(chip).populations[-1].membrane_unit
    np.testing.assert_allclose(found.outputs * unit, expected, rtol=0.01)
    best, second = np.sort(expected.sum(axis=1), axis=1)[:, :-3:-1].T
    clear = best - second > 0.002 * best  # what is nearer is a matter of the weights' 7 bits
    assert clear.mean() > 0.7
    answers = expected.sum(axis=1).argmax(axis=1)
    np.testing.assert_array_equal(found.predictions[clear], answers[clear])
    assert len(set(answers[clear])) > 2


@pytest.mark.parametrize("sign", [1, -1])
def test_a_bias_counts_with_the_weights_that_it_helps(sign):
    weights = sign * np.full((2, 400), 1.0)
    weights[0] *= 0.99
    bias = sign * np.array([900.0, 890.0])
    frames = np.ones((1, STEPS, 400), np.uint8)
    chip = quantize(spec_of(weights, LeakyIntegrator(1.0), bias))
    with build(chip, "numpy") as network:
        outputs = network.run(frames).outputs
    expected = plain_outputs(weights, frames, LeakyIntegrator(1.0), bias)
    unit = chip.layers[0].membrane_unit
    assert np.abs(outputs).max() < MEMBRANE_MAX
    np.testing.assert_allclose(outputs * unit, expected, rtol=0.01)


def test_the_highest_exponent_that_holds_is_taken_and_no_weight_changes():
    """One higher, and the same weights saturate: the exponent alone makes room."""
    rng = np.random.default_rng(0)
    small, large = (rng.uniform(0.2, 1.0, (CLASSES, n)) for n in (20, 3000))
    large[:, :20] = small
    few, many = (quantize(spec_of(w, LinearReadout())).layers[0] for w in (small, large))
    assert few.weight_exponent > many.weight_exponent
    assert many.weight_step == pytest.approx(few.weight_step, rel=0.02)
    sums = many.weight.sum(axis=1).max() * 2.0 ** (6 + many.weight_exponent)
    assert sums <= MEMBRANE_MAX < 2.02 * sums


def test_weights_of_both_signs_keep_their_exponents_however_many_they_are():
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 0.3, (CLASSES, 800))
    weights -= weights.mean(axis=1, keepdims=True)
    layer = quantize(spec_of(weights, LeakyIntegrator(0.9), steps=200)).layers[0]
    alone = quantize(spec_of(weights[:, :1] / weights[0, 0], LeakyIntegrator(0.9))).layers[0]
    assert layer.weight_exponent == alone.weight_exponent == 0


def test_a_readout_that_learns_has_room_for_what_its_weights_may_add():
    weights = np.full((2, 700), 0.5)
    weights[1, ::2] = 0.4
    learning = with_learning(spec_of(weights, LinearReadout()), learning_rate=0.01)
    for headroom in (1.25, 4.0):
        layer = quantize(learning, Quantization(headroom=headroom)).layers[0]
        most = headroom * layer.weight.sum(axis=1).max() * 2.0 ** (6 + layer.weight_exponent)
        assert most <= MEMBRANE_MAX


def test_readouts_that_share_a_scale_go_on_sharing_it():
    """The local readout of 'below' is small; the last one saturates without a lower exponent."""
    rng = np.random.default_rng(0)
    layers = (
        DenseSpec("below", rng.uniform(0, 0.5, (50, 20)), LIF()),
        DenseSpec("hidden", rng.uniform(0, 0.5, (900, 50)), LIF()),
        DenseSpec("answer", rng.uniform(0.2, 1, (3, 900)), LinearReadout()),
    )
    network = local_readouts(graph_of(NetworkSpec(layers, (20,), STEPS)))
    network = with_learning(network, learning_rate=0.01, rule="decolle")
    chip = quantize(network)
    units = {chip.population(name).membrane_unit for name in network.readouts}
    exponents = {c.exponent for c in chip.connections if c.target in network.readouts}
    assert len(network.readouts) == 2 and len(units) == 1 and exponents == {-1}


@pytest.mark.parametrize("made", [graph_of, lambda spec: spec], ids=["graph", "chain"])
def test_what_no_exponent_holds_is_refused_by_name_and_value(made):
    spec = spec_of(np.ones((2, 300)), LeakyIntegrator(1.0), steps=1000)
    told = r"'answer': its output reaches 1.9\d?e\+07 .* 8388607 that 24 bits hold; give it fewer"
    with pytest.raises(ValueError, match=told):
        quantize(made(spec))


def test_netx_reads_no_exponents_and_warns_instead():
    spec = spec_of(np.ones((2, 700)), LinearReadout())
    with pytest.warns(UserWarning, match=r"layer 'answer': its output may reach 1.14e\+07"):
        layer = quantize(spec, Quantization(netx=True)).layers[0]
    assert layer.weight_exponent == 0
