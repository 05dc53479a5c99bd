"""Filtered eligibilities in integers: every execution against a slow loop over synapses."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import CLASSES
from integer_cases import STEPS, assert_the_loops, events, network

from onchip import LIF, CuBa, Engine, LeakyIntegrator, Surrogate
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.deploy.quantization.graph_worth import dequantize_graph
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.lava.fused import FusedLavaNetwork
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON
from onchip.rules.presets import RULES, Preset

TRIANGLE = Surrogate("triangle")
NEURON = LIF(0.7, surrogate=TRIANGLE)
FAST = LIF(0.7, surrogate=Surrogate("fast_sigmoid"))


def e_prop(rng, neuron=NEURON, readout=None, **options):
    spec = network(rng, neuron, readout)
    return with_learning(spec, learning_rate=0.1, rule="e-prop", **options)


@pytest.mark.parametrize("feedback", ["exact", "symmetric", "random", "direct"])
def test_e_prop_is_the_loop_over_synapses(rng, feedback):
    chip = quantize(e_prop(rng, feedback=feedback))
    assert chip.learning.update_delay == 1
    assert_the_loops(chip, *events(rng))


def test_current_based_neurons_and_spiking_readouts_filter_too(rng):
    spec = e_prop(rng, CuBa(0.75, 0.5, surrogate=TRIANGLE), NEURON, feedback="direct")
    assert_the_loops(quantize(spec), *events(rng))


def test_rewards_are_heard_by_waiting_eligibilities(rng):
    spec = with_learning(network(rng, NEURON), learning_rate=0.02, rule="reward-modulated")
    frames, _ = events(rng)
    rewards = np.zeros((len(frames), STEPS, 1))
    rewards[:, -1] = rng.uniform(-1, 1, (len(frames), 1))
    chip = quantize(spec)
    assert_the_loops(chip, frames, rewards)
    engine = Engine(chip)
    engine.learn(frames, 0 * rewards)
    assert engine.snapshot() == engine_weights_loaded(chip)


def engine_weights_loaded(chip):
    """A network that has lost its weights' lowest bits, as one that never learned has."""
    return Engine(chip).snapshot()


def test_superspike_learns_spike_trains_by_its_own_surrogate(rng):
    spec = with_learning(network(rng, FAST, FAST), learning_rate=2.0, rule="superspike")
    chip, (frames, _) = quantize(spec), events(rng)
    targets = rng.integers(0, 2, (len(frames), STEPS, CLASSES))
    engine = Engine(chip)
    outputs = engine.learn(frames, targets)
    with FusedLavaNetwork(chip) as fused:
        np.testing.assert_array_equal(fused.learn(frames, targets).outputs, outputs)
        assert fused.snapshot() == engine.snapshot()
    assert engine.snapshot() != Engine(chip).snapshot()


RATES = {
    "e-prop": {"one": 0.2, "two": 0.2, "out": 0.02},
    "reward-modulated": {"one": 0.2, "two": 0.2, "out": 0.002},
}


@pytest.mark.parametrize("rule", RATES)
def test_updates_of_integers_are_those_of_floats_on_average(rng, rule):
    """Of many samples, each from the same weights, with other random numbers."""
    spec = with_learning(network(rng, NEURON), learning_rate=RATES[rule], rule=rule)
    chip = quantize(spec)
    frames = (rng.random((150, STEPS, *spec.input_shape)) < 0.5).astype(np.uint8)
    targets = rng.integers(0, CLASSES, 150) if rule == "e-prop" else rng.uniform(-1, 1, 150)
    ours = changes(chip, frames, targets)
    theirs = changes(dequantize_graph(chip, spec), frames, targets)
    for c in chip.connections:
        if c.source == ALWAYS_ON:
            continue
        name = f"{c.target}.{'recurrent_weight' if c.delay else 'weight'}"
        rate, wanted = c.plasticity.rate.realised, RATES[rule][c.target]
        assert rate == pytest.approx(wanted, rel=0.13), name
        unit = c.weight_step(chip.population(c.target).membrane_unit) * wanted / rate
        a, b = (unit * ours[name]).ravel(), theirs[name].ravel()
        assert np.corrcoef(a, b)[0, 1] > 0.7, name  # one random number rounds all synapses
        assert a @ b / (b @ b) == pytest.approx(1, abs=0.2), name  # tags saturate


def changes(spec, frames, targets) -> dict[str, np.ndarray]:
    """What each sample changes of the weights: [samples, *weight shape].

    What waits in the tag of a synapse without a filter is counted: -1/32 of a weight each, from a
    start at half a weight.
    """
    engine, found = Engine(spec), {}
    start = engine.state()
    for i in range(len(frames)):
        epochs = {n: a + 17 * i for n, a in start.items() if n.endswith("epochs")}
        engine.restore({**start, **epochs})
        engine.learn(frames[[i]].astype(engine.dtype), targets[[i]])
        for name, array in engine.state().items():
            if name.endswith("weight"):
                change = np.asarray(array, float) - start[name]
                tag = name.removesuffix("weight") + "tag"
                if tag in start and start[tag].any():
                    change = change + (start[tag] - engine.state()[tag]) / 32
                found.setdefault(name, []).append(change)
    return {name: np.array(arrays) for name, arrays in found.items()}


def test_a_file_brings_filters_back(rng, tmp_path):
    spec = e_prop(rng)
    chip = quantize(spec)
    save_bundle(tmp_path / "n.h5", Bundle(spec, chip))
    assert load_bundle(tmp_path / "n.h5").fixed == chip


def test_a_state_within_no_sample_has_no_tags(rng):
    chip, (frames, labels) = quantize(e_prop(rng)), events(rng)
    engine = Engine(chip)
    engine.learn(frames, labels)
    tags = {name: array for name, array in engine.state().items() if name.endswith("tag")}
    waiting = tags.pop("out.tag")  # the readout has no filter: its last updates wait there
    assert len(tags) == 3 and not any(tag.any() for tag in tags.values())
    assert waiting.any()


PIPELINED = {"readout": NEURON, "plastic": ["out"], "update_delay": 1}


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ({"mode": "accumulate"}, Quantization(), "mode 'online' on schedule 'sequenced', not 'ac"),
        (PIPELINED, Quantization("pipelined"), "not 'online' on 'pi"),
        ({}, Quantization(late_updates=False), "acts one step late; leave late_updates out"),
    ],
)
def test_what_tags_cannot_hold_is_refused_in_one_line(rng, options, settings, message):
    with pytest.raises(ValueError, match=message) as error:
        quantize(e_prop(rng, **options), settings)
    assert "\n" not in str(error.value)


def test_a_filter_that_a_rule_cannot_hold_is_refused_by_name(rng, monkeypatch):
    monkeypatch.setitem(RULES, "odd", Preset("a decay of its own", eligibility_decay=0.9))
    spec = with_learning(network(rng, NEURON, LeakyIntegrator(0.8)), learning_rate=0.1, rule="odd")
    with pytest.raises(ValueError, match=r"eligibility_decay 0\.9 is not 1 - m 2"):
        quantize(spec)
