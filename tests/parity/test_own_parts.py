"""A rule, a neuron, a transform and a backend of a user's own: in every execution by a row each.

No file of the packages knows them. The backend is a loop over the equations and shares nothing with
the executions that it is compared to.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from every_execution import in_lava, one_by_one
from graph_cases import CLASSES, dense, largest_difference, lif, readout, weights_of
from own_parts import REWARD_MODULATED, CurrentBased, Gains, Loops, gains_in_lava
from parity_cases import TOLERANCE

from onchip import Engine
from onchip.deploy import check, load_spec, save_spec
from onchip.deploy.backends.table import BACKENDS, Backend, build
from onchip.deploy.cli.parity_command import choose_executions
from onchip.deploy.parity.comparison import compare
from onchip.deploy.quantization.network import quantize
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.transform_synapses import TransformSynapses
from onchip.lava.run_config import FastSimCfg
from onchip.lava.synapses import SYNAPSES, transform_synapses
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import TRANSFORMS, Bias
from onchip.neurons.table import NEURONS
from onchip.rules.presets import RULES

STEPS, SAMPLES = 20, 4


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """A row for each: all that the toolkit ever hears of them."""
    monkeypatch.setitem(RULES, "own", REWARD_MODULATED)
    monkeypatch.setitem(NEURONS, "current_based", CurrentBased)
    monkeypatch.setitem(TRANSFORMS, "gains", Gains)
    monkeypatch.setitem(SYNAPSES, Gains, gains_in_lava)
    monkeypatch.setitem(BACKENDS, "loops", Backend(lambda n, *_: Loops(n), "a plain loop"))


def network(rng, neuron) -> Network:
    """Two hidden populations joined by gains, the first with a recurrence and a bias."""
    return Network(
        (Population("one", (8,), neuron), lif("two"), readout()),
        (
            Connection(INPUT, "one", dense(rng, 8, 6)),
            Connection("one", "one", dense(rng, 8, 8, 0.4), 1),
            Connection(ALWAYS_ON, "one", Bias(rng.normal(0, 0.1, 8), (8,))),
            Connection("one", "two", Gains(rng.uniform(0.5, 2, 8))),
            Connection("two", "out", dense(rng, CLASSES, 8)),
        ),
        (6,),
        STEPS,
    )


def rewarded(rng, neuron) -> Network:
    return with_learning(network(rng, neuron), learning_rate=0.02, rule="own")


def events(rng) -> np.ndarray:
    return (rng.random((SAMPLES, STEPS, 6)) < 0.5).astype(float)


def rewards(rng) -> np.ndarray:
    """One at every step, most of them 0: [samples, T, 1]."""
    return rng.normal(size=(SAMPLES, STEPS, 1)) * (rng.random((SAMPLES, STEPS, 1)) < 0.3)


def learned_on(backend: str, spec, frames, targets):
    with build(spec, backend) as execution:
        return execution.learn(frames, targets).outputs, execution.snapshot()


def assert_all_equal(spec, frames, targets):
    expected, learned = learned_on("loops", spec, frames, targets)
    assert largest_difference(weights_of(spec), weights_of(learned)) > 0.01
    others = [name for name, b in BACKENDS.items() if not b.chip and name != "loops"]
    assert {"numpy", "torch", "lava", "lava-fast", "lava-fused"} <= set(others)
    for name in others:
        outputs, found = learned_on(name, spec, frames, targets)
        np.testing.assert_allclose(outputs, expected, atol=TOLERANCE, err_msg=name)
        assert largest_difference(weights_of(found), weights_of(learned)) < TOLERANCE, name


def test_reward_modulated_learning_is_the_same_everywhere(rng):
    assert_all_equal(rewarded(rng, lif("one").neuron), events(rng), rewards(rng))


def test_a_neuron_of_ones_own_learns_the_same_everywhere(rng):
    assert_all_equal(rewarded(rng, CurrentBased()), events(rng), rewards(rng))


@pytest.mark.parametrize("feedback", ["symmetric", "direct"])
def test_a_neuron_of_ones_own_learns_classes_by_ottt(rng, feedback):
    spec = with_learning(network(rng, CurrentBased()), learning_rate=0.1, feedback=feedback)
    assert_all_equal(spec, events(rng), rng.integers(0, CLASSES, SAMPLES))


def test_an_error_for_every_step_goes_wherever_a_label_went(rng):
    from onchip.objectives.regression import Regression

    spec = network(rng, lif("one").neuron)
    spec = with_learning(spec, learning_rate=0.05, feedback="symmetric", objective=Regression())
    assert_all_equal(spec, events(rng), rng.normal(size=(SAMPLES, STEPS, CLASSES)))


def test_a_neuron_of_two_traces_learns_in_a_pipelined_readout(rng):
    spec = Network(
        (lif("one"), Population("out", (CLASSES,), CurrentBased())),
        (
            Connection(INPUT, "one", dense(rng, 8, 6)),
            Connection("one", "out", dense(rng, CLASSES, 8)),
        ),
        (6,),
        STEPS,
    )
    spec = with_learning(spec, learning_rate=0.1, plastic=["out"], update_delay=1)
    frames, labels = events(rng), rng.integers(0, CLASSES, SAMPLES)
    outputs, learned = one_by_one(Engine(spec), frames, labels)
    found, after = in_lava(lambda: LavaNetwork(spec, "pipelined"), frames, labels)
    np.testing.assert_allclose(found, outputs, atol=TOLERANCE)
    assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE


def test_a_transform_of_ones_own_learns_in_integers_bit_for_bit(rng):
    spec = with_learning(network(rng, lif("one").neuron), learning_rate=0.3, feedback="symmetric")
    integers = quantize(spec)
    frames, labels = events(rng).astype(np.uint8), rng.integers(0, CLASSES, SAMPLES)
    engine = Engine(integers)
    outputs, learned = engine.learn(frames, labels), engine.snapshot()
    pairs = zip(weights_of(integers), weights_of(learned), strict=True)
    assert not any(np.array_equal(*pair) for pair in pairs)
    fast = FastSimCfg("fixed_pt")
    for make in (
        lambda: LavaNetwork(integers),
        lambda: LavaNetwork(integers, run_config=fast),
        lambda: FusedLavaNetwork(integers),
    ):
        found, after = in_lava(make, frames, labels)
        np.testing.assert_array_equal(found, outputs)
        assert largest_difference(weights_of(after), weights_of(learned)) == 0


def test_what_has_no_integer_form_is_refused_by_name(rng):
    with pytest.raises(ValueError, match="'one': CurrentBased neurons have no integer form"):
        quantize(network(rng, CurrentBased()))
    assert quantize(rewarded(rng, lif("one").neuron)).learning.update_delay == 1


def test_what_lavas_rules_cannot_hold_is_refused_by_name(rng, monkeypatch):
    from dataclasses import replace

    monkeypatch.setitem(RULES, "odd", replace(REWARD_MODULATED, eligibility_decay=0.7))
    spec = with_learning(network(rng, lif("one").neuron), learning_rate=0.1, rule="odd")
    with pytest.raises(ValueError, match=r"eligibility_decay 0\.7 is not 1 - m 2\^e"):
        LavaNetwork(spec)
    spec = with_learning(
        network(rng, lif("one").neuron),
        learning_rate=0.1,
        rule="own",
        mode="accumulate",
    )
    with pytest.raises(ValueError, match="takes the synapses' tag, and so does"):
        LavaNetwork(spec)


def test_files_hold_them_and_what_is_read_learns_on(rng, tmp_path):
    spec, frames, targets = rewarded(rng, CurrentBased()), events(rng), rewards(rng)
    with build(spec, "lava-fused") as execution:
        execution.learn(frames[:2], targets[:2])
        halfway = execution.snapshot()
    save_spec(tmp_path / "network.h5", halfway)
    read = load_spec(tmp_path / "network.h5")
    assert read.learning == halfway.learning
    assert [p.neuron for p in read.populations] == [p.neuron for p in halfway.populations]
    expected = learned_on("loops", halfway, frames[2:], targets[2:])
    found = learned_on("numpy", read, frames[2:], targets[2:])
    np.testing.assert_allclose(found[0], expected[0], atol=TOLERANCE)
    assert largest_difference(weights_of(found[1]), weights_of(expected[1])) < TOLERANCE


def test_a_file_with_a_part_that_is_not_registered_is_refused_in_one_line(
    rng, tmp_path, monkeypatch
):
    save_spec(tmp_path / "network.h5", network(rng, CurrentBased()))
    monkeypatch.delitem(NEURONS, "current_based")
    with pytest.raises(ValueError, match="unknown type 'current_based'") as caught:
        load_spec(tmp_path / "network.h5")
    assert "\n" not in str(caught.value)


def test_check_and_the_parity_report_take_them(rng):
    spec, frames = rewarded(rng, CurrentBased()), events(rng)
    report = check(spec)
    named = {finding.object for finding in report.findings}
    assert any("'one'" in name for name in named) and any("'two'" in name for name in named)
    options = {"learning_rate": 0.1, "feedback": "symmetric"}
    spec, labels = with_learning(network(rng, CurrentBased()), **options), [0, 1]
    factories, left_out = choose_executions(spec, ["torch", "lava-sequenced"])
    assert not left_out
    parity = compare(spec, frames[:2], np.array(labels), factories, left_out)
    assert parity.passed, parity.markdown()
    assert "lava-sequenced" in parity.markdown()


@pytest.mark.parametrize("rule", ["own", "ottt"])
@pytest.mark.parametrize("own", [False, True])
def test_a_transform_of_ones_own_learns_in_lava_by_its_verbs_alone(rng, monkeypatch, own, rule):
    """No process of its own: one that takes any transform, with one trace or two, tags or none."""
    monkeypatch.setitem(SYNAPSES, Gains, transform_synapses)
    spec = network(rng, CurrentBased() if own else lif("one").neuron)
    populations = tuple(
        replace(p, neuron=CurrentBased()) if own and p.name == "two" else p
        for p in spec.populations
    )
    spec, classes = replace(spec, populations=populations), rule == "ottt"
    feedback = "symmetric" if classes else None
    spec = with_learning(spec, learning_rate=0.05, rule=rule, feedback=feedback)
    targets = rng.integers(0, CLASSES, SAMPLES) if classes else rewards(rng)
    with build(spec, "lava") as execution:
        names = {name for layer in execution._network.layers for name in layer.incoming}
        processes = [p for layer in execution._network.layers for p in layer.incoming.values()]
    assert "two.synapses" in names and any(type(p) is TransformSynapses for p in processes)
    assert_all_equal(spec, events(rng), targets)
