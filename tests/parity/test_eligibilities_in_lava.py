"""What Lava's synapses make of eligibilities: schedules, signs, spike times, one of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from every_execution import executions, in_lava, one_by_one
from graph_cases import CLASSES, dense, largest_difference, weights_of
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import LearningDense
from lava.proc.io.source import RingBuffer
from parity_cases import TOLERANCE

from onchip import (
    ALIF,
    LIF,
    Connection,
    CuBa,
    Engine,
    LeakyIntegrator,
    Network,
    Population,
    Surrogate,
    with_learning,
)
from onchip.deploy import load_spec, save_spec
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.lava.runtime.memory import read_var
from onchip.network.parts import INPUT
from onchip.network.transforms import Dense
from onchip.neurons.surrogates import SURROGATES
from onchip.program.recipes import Moment, constants, realised, scales
from onchip.rules.current_box import CurrentBox
from onchip.rules.eligibilities import ELIGIBILITIES
from onchip.rules.eligibility import Eligibility, Recipe, Term
from onchip.rules.filtered import DoubleFiltered, Filtered
from onchip.rules.presets import RULES, Preset
from onchip.rules.recursive import Adaptive, ThroughReset

SHARP = Surrogate("fast_sigmoid")
STEPS, SAMPLES = 20, 3
KINDS = {
    "filtered": Filtered(0.875),
    "double": DoubleFiltered(0.8125, 0.90625),
    "adaptive": Adaptive(),
    "adaptive, filtered": Adaptive(0.75),
    "rtrl": ThroughReset(),
    "box": CurrentBox(),
}
NEURONS = {
    "lif": LIF(0.8, surrogate=SHARP),
    "cuba": CuBa(0.8, 0.5, surrogate=SHARP),
    "alif": ALIF(0.8, 0.9, 0.05, surrogate=SHARP),
}


def network(rng, neuron, kind, delay: int = 0, learning_rate: float = 0.3) -> Network:
    """A hidden population and the readout; with a delay only the readout learns."""
    found = Network(
        (Population("one", (6,), neuron), Population("out", (CLASSES,), neuron)),
        (
            Connection(INPUT, "one", dense(rng, 6, 6)),
            Connection("one", "out", dense(rng, CLASSES, 6)),
        ),
        (6,),
        STEPS,
    )
    return with_learning(
        found,
        learning_rate=learning_rate,
        eligibility=kind,
        plastic=["out"] if delay else None,
        feedback="symmetric",
        update_delay=delay,
    )


def given(rng) -> tuple[np.ndarray, np.ndarray]:
    frames = (rng.random((SAMPLES, STEPS, 6)) < 0.3).astype(float)
    return frames, rng.integers(0, CLASSES, SAMPLES)


def fits(neuron: str, kind: str) -> bool:
    if kind.startswith("adaptive"):
        return neuron == "alif"
    return not (kind == "rtrl" and neuron == "alif")


PAIRS = [(n, k) for n in NEURONS for k in KINDS if fits(n, k)]


@pytest.mark.parametrize(("neuron", "kind"), PAIRS)
def test_a_readout_learns_on_the_pipelined_schedule_or_is_refused_by_name(rng, neuron, kind):
    spec, (frames, labels) = network(rng, NEURONS[neuron], KINDS[kind], 1), given(rng)
    if kind == "box" or (kind, neuron) == ("rtrl", "lif"):
        with pytest.raises(ValueError, match="takes each step's own spikes, but on the pipelined"):
            LavaNetwork(spec, "pipelined")
        return
    outputs, learned = one_by_one(Engine(spec), frames, labels)
    assert largest_difference(weights_of(spec), weights_of(learned)) > 1e-3
    for config in (None, FastSimCfg("floating_pt")):
        make = lambda: LavaNetwork(spec, "pipelined", run_config=config)  # noqa: B023, E731
        found, after = in_lava(make, frames, labels)
        np.testing.assert_allclose(found, outputs, atol=TOLERANCE)
        assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE


@pytest.mark.parametrize(("neuron", "kind"), PAIRS)
def test_samples_that_are_only_run_leave_no_tag_behind(rng, neuron, kind):
    spec, (frames, labels) = network(rng, NEURONS[neuron], KINDS[kind]), given(rng)
    engine = Engine(spec)
    with LavaNetwork(spec) as execution:
        for one in (engine, execution):
            one.learn(frames[:1], labels[:1])
            one.run(frames[1:2])
            one.learn(frames[2:], labels[2:])
        learned = execution.snapshot()
    difference = largest_difference(weights_of(learned), weights_of(engine.snapshot()))
    assert difference < 1e-12


def test_erbp_adds_up_in_the_tag_and_others_are_refused_by_name(rng):
    frames, labels = given(rng)
    for name, kind in KINDS.items():
        neuron = NEURONS["alif" if name.startswith("adaptive") else "lif"]
        spec = network(rng, neuron, kind)
        spec = with_learning(spec, learning_rate=0.3, eligibility=kind, mode="accumulate")
        outputs, learned = one_by_one(Engine(spec), frames, labels)
        if name != "box":
            with pytest.raises(ValueError, match="takes the synapses' tag, and so does mode"):
                LavaNetwork(spec)
            continue
        found, after = in_lava(lambda: LavaNetwork(spec), frames, labels)  # noqa: B023
        np.testing.assert_allclose(found, outputs, atol=TOLERANCE)
        assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE
        assert largest_difference(weights_of(spec), weights_of(learned)) > 0.01


# -- what the second tag cannot hold --------------------------------------------------------------


def wavy(z, width=0.5):
    """Negative on both sides of the threshold."""
    return np.cos(z / width) if isinstance(z, np.ndarray) else (z / width).cos()


def test_a_derivative_below_zero_is_refused_by_a_double_filter_in_lava_alone(rng, monkeypatch):
    monkeypatch.setitem(SURROGATES, "wavy", (wavy, 0.5))
    spec = network(rng, LIF(0.8, surrogate=Surrogate("wavy")), KINDS["double"], learning_rate=0.01)
    with pytest.raises(ValueError, match="'input' to 'one': surrogate 'wavy' is negative") as error:
        LavaNetwork(spec)
    assert "\n" not in str(error.value)
    frames, labels = given(rng)
    _, learned = one_by_one(Engine(spec), frames, labels)
    assert largest_difference(weights_of(spec), weights_of(learned)) > 1e-3


def test_the_clipped_tag_would_be_another_rule(rng, monkeypatch):
    import onchip.program.real_lowering as lowering

    monkeypatch.setitem(SURROGATES, "wavy", (wavy, 0.5))
    monkeypatch.setattr(lowering, "_check_sign", lambda *_: None)
    spec = network(rng, LIF(0.8, surrogate=Surrogate("wavy")), KINDS["double"], learning_rate=0.01)
    frames, labels = given(rng)
    _, learned = one_by_one(Engine(spec), frames, labels)
    _, found = in_lava(lambda: LavaNetwork(spec), frames, labels)
    assert largest_difference(weights_of(found), weights_of(learned)) > 1e-6


def test_a_threshold_that_rises_faster_than_it_forgets_needs_a_sign(rng):
    steep = ALIF(0.8, 0.5, 0.6, surrogate=SHARP)
    spec = network(rng, steep, Adaptive(0.75))
    message = "strength 0.6 times the derivative 1 is above the threshold's decay 0.5"
    with pytest.raises(ValueError, match=message):
        LavaNetwork(spec)
    frames, labels = given(rng)
    spec = network(rng, steep, Adaptive())  # without a filter it is the first tag, which has one
    outputs, learned = one_by_one(Engine(spec), frames, labels)
    found, after = in_lava(lambda: LavaNetwork(spec), frames, labels)
    np.testing.assert_allclose(found, outputs, atol=TOLERANCE)
    assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE


@pytest.mark.parametrize("kind", ["double", "adaptive, filtered"])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate_of_the_packages_is_positive(rng, surrogate, kind):
    neuron = ALIF(0.8, 0.9, 0.05, 1.3, surrogate=Surrogate(surrogate))
    spec, (frames, labels) = network(rng, neuron, KINDS[kind]), given(rng)
    outputs, learned = one_by_one(Engine(spec), frames, labels)
    found, after = in_lava(lambda: LavaNetwork(spec), frames, labels)
    np.testing.assert_allclose(found, outputs, atol=TOLERANCE)
    assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (DoubleFiltered(0.7, 0.875), "rule: decay 0.7 is not 1 - m 2"),
        (DoubleFiltered(0.875, 0.7), "rule: second_decay 0.7 is not 1 - m 2"),
        (Adaptive(0.7), "rule: decay 0.7 is not 1 - m 2"),
    ],
)
def test_decays_that_a_rule_cannot_hold_are_named(rng, kind, message):
    with pytest.raises(ValueError, match=message):
        LavaNetwork(network(rng, NEURONS["alif"], kind))


# -- spike times ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["x0*y1", "x0*y1 - u0*t*y3", "u0*t*y2 + x0*y1*y2", "2^-2*x0*y2"])
def test_fast_models_take_factors_as_they_were_at_the_spikes(rng, rule):
    """Several spikes in an epoch, at any of its steps, as the stock model does."""
    spikes = (rng.random((5, 24)) < 0.3).astype(float)
    thirds = [rng.normal(size=(4, 24)) * 1e3 for _ in range(3)]

    def learned(config):
        learning = Loihi3FLearningRule(
            dw=rule, dt="x0*y1 - 2^-2*u0*t", x1_impulse=1.0, x1_tau=3.0, t_epoch=6
        )
        synapses = LearningDense(weights=np.zeros((4, 5)), learning_rule=learning, name="s")
        source = RingBuffer(data=spikes)
        source.s_out.connect(synapses.s_in)
        for number, values in enumerate(thirds, start=1):
            RingBuffer(data=values).s_out.connect(getattr(synapses, f"s_in_y{number}"))
        synapses.run(RunSteps(24), config)
        found = read_var(synapses.weights)
        synapses.stop()
        return found

    stock = learned(Loihi2SimCfg(select_tag="floating_pt"))
    assert np.abs(stock).max() > 10
    fast = learned(FastSimCfg("floating_pt"))
    np.testing.assert_allclose(fast, stock, rtol=1e-12, atol=1e-9)


def test_what_is_not_made_of_received_factors_is_still_refused():
    rule = Loihi3FLearningRule(dw="x0*x1*y1", x1_impulse=1.0, x1_tau=3.0, t_epoch=6)
    synapses = LearningDense(weights=np.zeros((4, 5)), learning_rule=rule, name="s")
    with pytest.raises(Exception, match=r"dependency x0 and t_epoch 6 > 1"):
        synapses.run(RunSteps(6), FastSimCfg("floating_pt"))
    rule = Loihi3FLearningRule(dw="x0*y1", x1_impulse=1, x1_tau=3, t_epoch=6)
    synapses = LearningDense(weights=np.zeros((4, 5)), learning_rule=rule, name="s")
    with pytest.raises(Exception, match=r"dependency x0 and t_epoch 6 > 1"):  # in integers
        synapses.run(RunSteps(6), FastSimCfg("fixed_pt"))


def test_factors_at_spike_times_are_not_those_at_the_epochs_end(rng, monkeypatch):
    import onchip.program.recipes as recipes

    spec, (frames, labels) = network(rng, NEURONS["lif"], CurrentBox()), given(rng)
    _, learned = one_by_one(Engine(spec), frames, labels)
    monkeypatch.setattr(Moment, "arrival", property(lambda self: self.period), raising=False)
    assert recipes.Moment is Moment
    _, found = in_lava(lambda: LavaNetwork(spec), frames, labels)
    assert 1e-7 < largest_difference(weights_of(found), weights_of(learned)) < 1e-3


# -- recipes --------------------------------------------------------------------------------------


def test_constants_are_one_product_or_two():
    assert constants(0.75) == [(3, -2)] or constants(0.75) == [(6, -3)]
    for value in (1.0, -1.0, 0.75, -0.25, 0.8125, -0.90625, 2**-7):
        found = constants(value)
        assert sum(m * 2.0**e for m, e in found) == value
        assert len(found) == 1 + (abs(value) in (0.8125, 0.90625))
    with pytest.raises(ValueError, match=r"rule: 0.7 is no constant that a rule of Lava's holds"):
        constants(0.7)


def test_scales_make_every_product_come_out_right():
    """y1, y2, y3 and the tag at their scales, with what Lava takes away, worked out by hand."""
    moment = Moment(6, 2, ((1.0, 0.0),))
    first, second, third = scales(ThroughReset().recipe(), moment)
    at_end, at_spike = np.exp(-6 / 65535), np.exp(-2 / 65535)
    tag = first * at_spike  # what a spike adds to it
    assert third * at_end == pytest.approx(1, rel=1e-15)
    assert second * at_spike == pytest.approx(1, rel=1e-15)
    assert tag * second * at_end == pytest.approx(1, rel=1e-15)


def test_what_no_scale_makes_up_for_is_refused():
    """y1 on its own at both times."""
    recipe = Recipe((Term(1, ("trace", "y1")), Term(1, ("y1",))))
    with pytest.raises(ValueError, match="a factor meets x0 and u0 in ways that no scale"):
        scales(recipe, Moment(6, 2, ((1.0, 0.0),)))
    assert realised(recipe, Moment(6, 2, ((1.0, 0.0),))).dw[0].dependency == "x0"


# -- one of one's own -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Gated(Eligibility):
    """e[n] = kappa e[n-1] + psi a where the neuron spiked, nothing new where it did not."""

    decay: float = 0.75

    equation = r"e[n] = \kappa e[n-1] + s[n] \psi[n] a[n]"
    variables = ("gated",)

    @property
    def decays(self) -> Mapping[str, float]:
        return {"decay": self.decay}

    def observe(self, neuron, before, current, state, numbers):
        return (neuron.derivative(state, numbers) * state.spikes,)

    def step(self, kept, trace, told):
        now = self.decay * kept[0] + told[0] * trace
        return now, (now,)

    def recipe(self):
        return Recipe(
            dw=(Term(self.decay, ("t", "y2")), Term(1, ("trace", "y1", "y2"))),
            dt=(Term(1, ("trace", "y1")), Term(self.decay - 1, ("t",))),
        )

    def teach(self, neuron, told, third):
        return told[0], third, 0 * third


def test_an_eligibility_of_ones_own_is_one_class_and_its_rows(rng, tmp_path, monkeypatch):
    monkeypatch.setitem(ELIGIBILITIES, "gated", Gated)
    monkeypatch.setitem(RULES, "own", Preset("where it spikes", eligibility=Gated()))
    spec = Network(
        (Population("one", (6,), NEURONS["cuba"]), Population("out", (3,), LeakyIntegrator(0.8))),
        (
            Connection(INPUT, "one", Dense(rng.normal(0, 1, (6, 6)))),
            Connection("one", "out", dense(rng, 3, 6)),
        ),
        (6,),
        STEPS,
    )
    spec = with_learning(spec, learning_rate=0.3, rule="own", plastic=["one"], feedback="symmetric")
    save_spec(tmp_path / "network.h5", spec)
    spec = load_spec(tmp_path / "network.h5")
    frames, labels = given(rng)
    found = executions(spec, frames, labels)
    expected = weights_of(found["numpy"][1])
    assert largest_difference(weights_of(spec), expected) > 1e-3
    for name, (_, learned) in found.items():
        assert largest_difference(weights_of(learned), expected) < TOLERANCE, name
    monkeypatch.delitem(ELIGIBILITIES, "gated")
    with pytest.raises(ValueError, match="unknown type 'gated'; known: instantaneous, filtered"):
        load_spec(tmp_path / "network.h5")
