"""Shares of the rate, of neurons and of synapses: the same in every execution, and refused by name.

The oracles are loops over the equations, in floating point here, in integers `IntegerLoops`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from every_execution import executions
from graph_cases import (
    CLASSES,
    GRAPHS,
    NEURON,
    dense,
    largest_difference,
    learned_by_loops,
    weights_of,
)
from integer_cases import assert_the_loops
from parity_cases import TOLERANCE

from onchip import Engine, LeakyIntegrator, add_classes
from onchip.deploy import build, load_spec, save_spec
from onchip.deploy.checks.network import check
from onchip.deploy.costs.memory import memory_of
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.deploy.quantization.graph_learning import chip_at_rate
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.lava.network import LavaNetwork
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.network.partition import split_trunk
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.shares import with_shares
from onchip.network.transforms import Bias
from onchip.neurons.lif import LIF

INPUTS, HIDDEN, STEPS, SAMPLES, RATE = 6, 7, 8, 4, 0.5


def network(rng, rate=RATE, **learning) -> Network:
    """A hidden population with a bias, and a readout."""
    found = Network(
        (
            Population("hidden", (HIDDEN,), NEURON),
            Population("out", (CLASSES,), LeakyIntegrator(0.8)),
        ),
        (
            Connection(INPUT, "hidden", dense(rng, HIDDEN, INPUTS)),
            Connection(ALWAYS_ON, "hidden", Bias(rng.normal(0, 0.1, HIDDEN), (HIDDEN,))),
            Connection("hidden", "out", dense(rng, CLASSES, HIDDEN, 0.5)),
        ),
        (INPUTS,),
        STEPS,
    )
    options = {"feedback": "symmetric", "mse_weight": 0.0, **learning}
    return with_learning(found, learning_rate=rate, **options)


def events(rng):
    frames = (rng.random((SAMPLES, STEPS, INPUTS)) < 0.5).astype(float)
    return frames, np.arange(SAMPLES) % CLASSES


SHARES = {
    "neurons": lambda rng: {
        "out": np.array([1.0, 0.25, 0.0]),
        "hidden": rng.random(HIDDEN) / 2 + 0.5,
    },
    "synapses": lambda rng: {
        "hidden.synapses": rng.random((HIDDEN, INPUTS)),
        "hidden.bias": rng.random(HIDDEN),
        "out.synapses": rng.random((CLASSES, HIDDEN)) * (rng.random((CLASSES, HIDDEN)) < 0.7),
    },
    "both": lambda rng: {
        "hidden.bias": rng.random(HIDDEN),
        "hidden": rng.random(HIDDEN),
        "out": np.array([0.5, 1.0, 0.1]),
    },
}


def by_loops(spec: Network, frames, labels) -> list[np.ndarray]:
    """The weights after online learning, every product of the rule times its share."""
    shares, rate = spec.learning.shares, RATE
    hidden, bias, out = (np.array(c.transform.weight) for c in spec.connections)
    backward = out.T.copy()
    r_hidden, r_out = shares.get("hidden", np.ones(HIDDEN)), shares.get("out", np.ones(CLASSES))
    m_hidden = shares.get("hidden.synapses", np.ones(hidden.shape))
    m_bias, m_out = shares.get("hidden.bias", np.ones(HIDDEN)), shares.get("out.synapses", 1.0)
    for sample, label in zip(frames, labels, strict=True):
        u, s, o = np.zeros(HIDDEN), np.zeros(HIDDEN), np.zeros(CLASSES)
        a_in, c, a_out = np.zeros(INPUTS), 0.0, np.zeros(HIDDEN)
        for x in sample:
            a_in, c = 0.7 * a_in + x, 0.7 * c + 1
            u = 0.7 * (u - s) + hidden @ x + bias
            s = (u >= 1).astype(float)
            a_out, o = 0.8 * a_out + s, 0.8 * o + out @ s
            chances = np.exp(o - o.max()) / np.exp(o - o.max()).sum()
            error = (chances - np.eye(CLASSES)[label]) / STEPS
            g = NEURON.surrogate.derivative(u, 1.0) * (backward @ error)
            out -= rate * (r_out[:, None] * m_out) * np.outer(error, a_out)
            hidden -= rate * (r_hidden[:, None] * m_hidden) * np.outer(g, a_in)
            bias -= rate * r_hidden * m_bias * g * c
    return [hidden, bias, out]


@pytest.mark.parametrize("kind", SHARES)
def test_every_execution_learns_as_the_equations_with_shares(rng, kind):
    spec = network(rng)
    frames, labels = events(rng)
    spec = with_shares(spec, SHARES[kind](rng))
    expected = by_loops(spec, frames, labels)
    assert largest_difference(weights_of(spec), expected) > 0.02
    for name, (_, learned) in executions(spec, frames, labels).items():
        assert largest_difference(weights_of(learned), expected) < TOLERANCE, name
        assert learned.learning == spec.learning, name


@pytest.mark.parametrize("name", GRAPHS)
def test_skips_recurrence_and_delays_learn_with_shares_too(rng, name):
    """Of every other population its neurons, of every third connection its synapses."""
    spec = with_learning(GRAPHS[name](rng, STEPS), learning_rate=1.0, feedback="symmetric")
    shares = {n: rng.random(spec.population(n).size) for n in spec.plastic_names[::2]}
    for index in range(0, len(spec.connections), 3):
        shares[spec.names[index]] = rng.random(spec.connections[index].transform.weight.shape)
    spec = with_shares(spec, shares)
    frames, labels = events(rng)
    _, expected = learned_by_loops(spec, frames, labels)
    _, plain = learned_by_loops(with_shares(spec, None), frames, labels)
    assert largest_difference(plain, expected) > 0.02
    for kind, (_, learned) in executions(spec, frames, labels).items():
        assert largest_difference(weights_of(learned), expected) < TOLERANCE, kind
    chip = quantize(spec)
    engine = Engine(chip)
    engine.learn(frames.astype(np.uint8), labels)
    with LavaNetwork(chip) as lava:
        lava.learn(frames.astype(np.uint8), labels)
        assert lava.snapshot() == engine.snapshot()


@pytest.mark.parametrize("kind", ["neurons", "both"])
def test_integers_with_shares_are_equal_bit_for_bit_to_slow_loops_and_in_lava(rng, kind):
    spec = network(rng, 2.0)
    frames, labels = events(rng)
    chip = quantize(with_shares(spec, SHARES[kind](rng)))
    assert_the_loops(chip, frames.astype(np.uint8), labels)


def test_integers_learn_at_the_shares_of_floats(rng):
    """Summed over many samples, from the same weights: each output's change by its share."""
    shares = np.array([1.0, 0.5, 0.0])
    spec = network(rng, 0.02, plastic=["out"])
    frames = (rng.random((40, STEPS, INPUTS)) < 0.5).astype(np.uint8)
    labels = rng.integers(0, 3, 40)
    for named in ({"out": shares}, {"out.synapses": np.tile(shares[:, None], (1, HIDDEN))}):
        moved = []
        for chosen in (None, named):
            chip = quantize(with_shares(spec, chosen))
            changes = [_change(chip, frames[[i]], labels[[i]]) for i in range(40)]
            moved.append(np.abs(np.sum(changes, axis=0)).sum(axis=1))
        np.testing.assert_allclose(moved[1] / moved[0], shares, atol=0.12)
        assert moved[1][2] == 0


def _change(chip, frames, labels):
    engine = Engine(chip)
    engine.learn(frames, labels)
    before, after = (n.connections[-1].transform.weight for n in (chip, engine.snapshot()))
    return after - 2 * np.floor(before / 2)


@pytest.mark.parametrize("kind", ["neurons", "synapses"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_pipelined_schedule_learns_with_shares_too(rng, kind, whole):
    spec = network(rng, 2.0 if whole else 0.3, plastic=["out"], update_delay=1)
    frames, labels = events(rng)
    shares = {n: a for n, a in SHARES[kind](rng).items() if n.startswith("out")}
    spec = with_shares(spec, shares)
    if whole:
        spec = quantize(spec, Quantization(schedule="pipelined"))
    engine = Engine(spec)
    for i in range(SAMPLES):
        engine.learn(frames[[i]].astype(np.uint8), labels[[i]])
    with LavaNetwork(spec, "pipelined") as lava:
        lava.learn(frames.astype(np.uint8), labels)
        found = weights_of(lava.snapshot())
    expected = weights_of(engine.snapshot())
    assert largest_difference(weights_of(spec), expected) > 0.01
    assert largest_difference(found, expected) < (1e-12 if whole else TOLERANCE)


def test_batches_and_accumulated_updates_take_shares_as_single_steps_do(rng):
    """A batch from one state: the mean of what each sample would change, times the share."""
    spec = network(rng, mode="accumulate")
    frames, labels = events(rng)
    shares = SHARES["synapses"](rng)
    plain, shared = Engine(spec), Engine(with_shares(spec, shares))
    plain.learn(frames, labels)
    shared.learn(frames, labels)
    for index, name in enumerate(spec.names):
        before = spec.connections[index].transform.weight
        changes = [
            e.snapshot().connections[index].transform.weight - before for e in (plain, shared)
        ]
        np.testing.assert_allclose(changes[1], shares[name] * changes[0], atol=1e-12)
        assert np.abs(changes[1]).max() > 1e-4


def test_files_rates_trunks_and_new_classes_keep_shares(rng, tmp_path):
    spec = with_shares(network(rng), SHARES["both"](rng))
    chip = quantize(spec)
    save_bundle(tmp_path / "both.h5", Bundle(spec, chip))
    loaded = load_bundle(tmp_path / "both.h5")
    assert loaded.spec == spec and loaded.fixed == chip
    save_spec(tmp_path / "plain.h5", with_shares(spec, None))
    assert load_spec(tmp_path / "plain.h5").learning.shares is None
    assert split_trunk(spec)[1].learning.shares is spec.learning.shares
    slower = chip_at_rate(chip, RATE / 2)
    assert slower == replace(quantize(network_at(spec, RATE / 2)), metadata=slower.metadata)
    for grown in (add_classes(spec, 2), add_classes(chip, 2)):
        np.testing.assert_array_equal(grown.learning.shares["out"], [0.5, 1.0, 0.1, 1, 1])
        assert grown.learning.shares["hidden"] is not None
    assert without_learning(spec).learning is None


def network_at(spec, rate):
    connections = tuple(
        replace(c, rule=replace(c.rule, learning_rate=rate)) for c in spec.connections
    )
    return replace(spec, connections=connections)


def test_new_outputs_of_synapses_with_shares_learn_at_the_whole_rate(rng):
    spec = with_shares(network(rng), SHARES["synapses"](rng))
    held = add_classes(spec, 1).learning.shares["out.synapses"]
    np.testing.assert_array_equal(held[:3], spec.learning.shares["out.synapses"])
    assert held.shape == (4, HIDDEN) and (held[3] == 1).all()


def test_a_stream_with_shares_goes_on_where_it_was_saved(rng, tmp_path):
    chip = quantize(with_shares(network(rng, 2.0), SHARES["both"](rng)))
    frames, labels = events(rng)
    frames = frames.astype(np.uint8)
    with build(chip, "numpy") as whole:
        whole.stream(zip(frames, labels, strict=True))
        expected = whole.snapshot()
    with build(chip, "lava-fused") as first:
        first.stream(zip(frames[:2], labels[:2], strict=True))
        first.save(tmp_path / "saved")
    with build(chip, "lava-fused") as second:
        assert second.resume(tmp_path / "saved") == 2
        second.stream(zip(frames[2:], labels[2:], strict=True))
        assert second.snapshot() == expected


def test_kernels_say_that_they_have_no_shares(rng):
    spec = with_shares(network(rng), {"out": np.array([1.0, 0.5, 0.5])})
    for chosen in (spec, quantize(spec)):
        compiled = Engine(chosen, compiled=True).compiled
        assert not compiled.active
        assert compiled.reason == "shares of the learning rate (out) have no kernel"


def test_the_check_says_what_a_chip_holds_of_shares(rng):
    shares = SHARES["both"](rng)
    shares |= {"hidden": np.full(HIDDEN, 0.9), "hidden.bias": np.array([1e-4, *[0.5] * 6])}
    spec = with_shares(network(rng), shares)
    report = check(spec, quantize(spec))
    found = [f for f in report.findings if f.quantity.startswith("shares of the rate, ")]
    lost, *others = sorted(found, key=lambda f: f.severity == "ok")
    assert lost.severity == "warning" and str(lost.value).endswith("1 of 7 rounded to 0")
    assert lost.quantity == "shares of the rate, tag of each synapse"
    assert {f.quantity for f in others} == {lost.quantity, "shares of the rate, y3 of each neuron"}
    assert all("written by the host" in f.limit for f in others)
    assert report.passed
    wrong = check(with_shares(network(rng, mode="accumulate"), {"out": np.ones(CLASSES) / 2}))
    assert any(f.severity == "error" and f.quantity == "shares of the rate" for f in wrong.findings)


def test_tags_that_hold_shares_are_counted_as_memory(rng):
    spec = network(rng)
    one, other = (
        memory_of(quantize(s))
        for s in (spec, with_shares(spec, {"out.synapses": np.ones((3, HIDDEN))}))
    )
    assert one["out"].tags == 0 and other["out"].tags == 3 * HIDDEN * 9
    assert one["hidden"] == other["hidden"]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"out": np.array([1.0, 2.0, 0.0])}, "shares of 'out' hold 2; they must lie in 0..1"),
        ({"out": np.ones(4)}, r"shape \(4,\), but it has \(3,\)"),
        ({"outs": np.ones(3)}, "nothing of that name learns; choose from hidden.synapses"),
        ({"out": np.array([1.0, np.nan, 0.0])}, "NaN"),
    ],
)
def test_shares_that_do_not_fit_are_refused(rng, shares, message):
    with pytest.raises(ValueError, match=message):
        with_shares(network(rng), shares)


def test_what_needs_the_tag_or_the_gate_itself_is_refused_with_shares(rng):
    synapses = {"hidden.synapses": np.ones((HIDDEN, INPUTS))}
    neurons = {"out": np.ones(3)}
    for options in ({"mode": "accumulate"}, {"rule": "e-prop"}):
        spec = with_shares(network(rng, **options), synapses)
        with pytest.raises(ValueError, match="lie in its tag, which this rule needs itself"):
            LavaNetwork(spec)
    for options in ({"mode": "accumulate"}, {"update_delay": 1}):
        with pytest.raises(ValueError, match="integers hold them in y3 or the tag"):
            quantize(with_shares(network(rng, **options), neurons))
    few = with_shares(network(rng), {"out": np.array([1.0, 0.001, 0.0])})
    with pytest.raises(
        ValueError, match=r"neuron 1 has a share of 0.001 .* round to 0; use at least"
    ):
        Engine(quantize(few))
    with pytest.raises(ValueError, match="no learning section"):
        with_shares(without_learning(few), neurons)
    frozen = with_learning(without_learning(few), learning_rate=0.1, plastic=["hidden"])
    with pytest.raises(ValueError, match="'out': nothing of that name learns"):
        with_shares(frozen, neurons)
    recurrent = replace(
        without_learning(few),
        populations=(Population("hidden", (HIDDEN,), LIF()), few.populations[1]),
    )
    assert with_learning(recurrent, learning_rate=0.1).learning.shares is None
