"""Each eligibility against automatic differentiation of what it claims to be the derivative of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip import (
    ALIF,
    LIF,
    Connection,
    CuBa,
    Engine,
    LeakyIntegrator,
    LinearReadout,
    Network,
    Population,
    Surrogate,
)
from onchip.deploy.files.hdf5 import load_spec, save_spec
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT, Learning
from onchip.network.transforms import Dense
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.current_box import CurrentBox
from onchip.rules.eligibilities import ELIGIBILITIES
from onchip.rules.filtered import DoubleFiltered, Filtered, Instantaneous
from onchip.rules.presets import RULES
from onchip.rules.recursive import Adaptive, ThroughReset
from onchip.rules.rule import Rule

T, INPUTS, OUTPUTS = 40, 6, 3
SHARP = Surrogate("fast_sigmoid")


class Spike(torch.autograd.Function):
    """A step at 0 whose derivative is 1 / (1 + 10 |z|)^2."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return (z >= 0).to(z)

    @staticmethod
    def backward(ctx, gradient):
        (z,) = ctx.saved_tensors
        return gradient / (1 + 10 * z.abs()) ** 2


def learned(rng, neuron, kind, objective, targets, frames, learning_rate=1.0) -> tuple:
    """The weights of one population before, and the change of a sample's accumulated update."""
    spec = Network(
        (Population("out", (OUTPUTS,), neuron),),
        (
            Connection(
                INPUT,
                "out",
                Dense(rng.normal(0.3, 0.4, (OUTPUTS, INPUTS))),
                rule=Rule.of(learning_rate, kind),
            ),
        ),
        (INPUTS,),
        T,
        Learning(objective, mode="accumulate"),
    )
    before = spec.connections[0].transform.weight
    engine = Engine(spec)
    outputs = engine.learn(frames, targets)
    assert 5 < outputs.sum() < 0.9 * outputs.size
    return before, (engine.snapshot().connections[0].transform.weight - before) / learning_rate


def events(rng) -> np.ndarray:
    return (rng.random((1, T, INPUTS)) < 0.3).astype(float)


def rewards(rng) -> np.ndarray:
    return rng.normal(size=(1, T, 1))


def gradient(weight, frames, loss) -> np.ndarray:
    w = torch.tensor(weight, requires_grad=True)
    loss(w, torch.tensor(frames[0])).backward()
    assert w.grad is not None
    return w.grad.numpy()


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_diagonal_rtrl_is_the_whole_derivative_of_neurons_without_recurrence(rng, reset):
    frames, given = events(rng), rewards(rng)
    neuron = LIF(0.8, 1.2, reset, SHARP)
    before, change = learned(rng, neuron, ThroughReset(), Reward(), given, frames)

    def rewarded(w, x):
        u = s = torch.zeros(OUTPUTS, dtype=torch.float64)
        total = torch.zeros((), dtype=torch.float64)
        for n in range(T):
            past = u - 1.2 * s if reset == "soft" else u * (1 - s)
            u = 0.8 * past + w @ x[n]
            s = Spike.apply((u - 1.2) / 1.2)
            total = total + given[0, n, 0] * s.sum()
        return total

    np.testing.assert_allclose(change, gradient(before, frames, rewarded), rtol=0, atol=1e-12)
    _, detached = learned(
        np.random.default_rng(0), neuron, Instantaneous(), Reward(), given, frames
    )
    assert np.abs(detached - change).max() > 0.01


def test_diagonal_rtrl_goes_through_the_synaptic_current(rng):
    frames, given = events(rng), rewards(rng)
    before, change = learned(
        rng, CuBa(0.8, 0.5, surrogate=SHARP), ThroughReset(), Reward(), given, frames
    )

    def rewarded(w, x):
        u = s = i = torch.zeros(OUTPUTS, dtype=torch.float64)
        total = torch.zeros((), dtype=torch.float64)
        for n in range(T):
            i = 0.5 * i + w @ x[n]
            u = 0.8 * (u - s) + i
            s = Spike.apply(u - 1)
            total = total + given[0, n, 0] * s.sum()
        return total

    np.testing.assert_allclose(change, gradient(before, frames, rewarded), rtol=0, atol=1e-12)


def test_diagonal_rtrl_leaves_out_what_goes_through_other_neurons(rng):
    """A recurrent population: autograd with the paths between neurons detached."""
    frames, given = events(rng), rewards(rng)
    recurrent = rng.normal(0, 0.5, (OUTPUTS, OUTPUTS))
    w = rng.normal(0.3, 0.4, (OUTPUTS, INPUTS))
    rule = Rule.of(1.0, ThroughReset())
    spec = Network(
        (Population("out", (OUTPUTS,), LIF(0.8, surrogate=SHARP)),),
        (
            Connection(INPUT, "out", Dense(w), rule=rule),
            Connection("out", "out", Dense(recurrent), 1, rule),
        ),
        (INPUTS,),
        T,
        Learning(Reward(), mode="accumulate"),
    )
    engine = Engine(spec)
    engine.learn(frames, given)
    after = [c.transform.weight for c in engine.snapshot().connections]
    weights = [torch.tensor(w, requires_grad=True), torch.tensor(recurrent, requires_grad=True)]
    u = s = torch.zeros(OUTPUTS, dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for n in range(T):
        u = 0.8 * (u - s) + weights[0] @ torch.tensor(frames[0, n]) + weights[1] @ s.detach()
        s = Spike.apply(u - 1)
        total = total + given[0, n, 0] * s.sum()
    total.backward()
    for new, old, tensor in zip(after, (w, recurrent), weights, strict=True):
        assert np.abs(new - old).max() > 0.05
        np.testing.assert_allclose(new - old, tensor.grad.numpy(), rtol=0, atol=1e-12)


def test_eprops_eligibility_is_the_derivative_through_the_adaptive_threshold(rng):
    """The reset is detached, the path from each spike to the later thresholds is not."""
    frames, given = events(rng), rewards(rng)
    neuron = ALIF(0.8, 0.9, 0.3, surrogate=SHARP)
    before, change = learned(rng, neuron, Adaptive(), Reward(), given, frames)

    def rewarded(w, x):
        u = s = b = torch.zeros(OUTPUTS, dtype=torch.float64)
        total = torch.zeros((), dtype=torch.float64)
        for n in range(T):
            b = 0.9 * b + s
            u = 0.8 * (u - s.detach()) + w @ x[n]
            s = Spike.apply(u - 0.3 * b - 1)
            total = total + given[0, n, 0] * s.sum()
        return total

    np.testing.assert_allclose(change, gradient(before, frames, rewarded), rtol=0, atol=1e-12)
    _, without = learned(np.random.default_rng(0), neuron, Instantaneous(), Reward(), given, frames)
    assert np.abs(without - change).max() > 0.01


def test_eprops_filter_is_that_of_a_leaky_readout(rng):
    """Its eligibilities, filtered, times the rewards are the derivative of filtered spikes."""
    frames, given = events(rng), rewards(rng)
    neuron = ALIF(0.8, 0.9, 0.3, surrogate=SHARP)
    before, change = learned(rng, neuron, Adaptive(0.75), Reward(), given, frames)

    def rewarded(w, x):
        u = s = b = o = torch.zeros(OUTPUTS, dtype=torch.float64)
        total = torch.zeros((), dtype=torch.float64)
        for n in range(T):
            b = 0.9 * b + s
            u = 0.8 * (u - s.detach()) + w @ x[n]
            s = Spike.apply(u - 0.3 * b - 1)
            o = 0.75 * o + s
            total = total + given[0, n, 0] * o.sum()
        return total

    np.testing.assert_allclose(change, gradient(before, frames, rewarded), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "neuron", [LIF(0.9, surrogate=SHARP), CuBa(0.9, 0.8, 3.0, surrogate=SHARP)]
)
def test_superspike_as_published_is_the_gradient_of_the_double_filtered_distance(rng, neuron):
    frames, wanted = events(rng), (rng.random((1, T, OUTPUTS)) < 0.2).astype(float)
    preset = RULES["superspike-double"]
    before, change = learned(rng, neuron, preset.kind, preset.objective, wanted, frames)
    k1, k2 = preset.kind.decay, preset.kind.second_decay
    current_based, threshold = isinstance(neuron, CuBa), neuron.v_threshold

    def distance(w, x):
        u = s = i = d = f = torch.zeros(OUTPUTS, dtype=torch.float64)
        total = torch.zeros((), dtype=torch.float64)
        for n in range(T):
            i = (0.8 * i if current_based else 0) + w @ x[n]
            u = 0.9 * (u - threshold * s.detach()) + i
            s = Spike.apply((u - threshold) / threshold)
            d = k1 * d + s - torch.tensor(wanted[0, n])
            f = k2 * f + d
            total = total + (f * f).mean() / 2 / T
        return total

    expected = -gradient(before, frames, distance)
    np.testing.assert_allclose(change, expected, rtol=0, atol=1e-12)
    assert np.abs(expected).max() > 1e-3
    once = RULES["superspike"]
    _, other = learned(
        np.random.default_rng(0), neuron, once.kind, preset.objective, wanted, frames
    )
    assert np.abs(other - change).max() > 1e-2


def test_erbp_worked_by_hand():
    """A spike counts where the current, not the membrane, is in the box."""
    weight = np.array([[0.5, 3.0]])
    spec = Network(
        (Population("out", (1,), LIF(0.5, surrogate=SHARP)),),
        (Connection(INPUT, "out", Dense(weight), rule=Rule.of(0.1, CurrentBox(0.0, 1.0))),),
        (2,),
        3,
        Learning(Reward()),
    )
    engine = Engine(spec)
    engine.learn(np.array([[[1.0, 0], [1, 1], [1, 0]]]), np.array([[[2.0], [2.0], [-1.0]]]))
    # Step 1: I = .5, inside; step 2: I = .7 + 3, outside; step 3: I = .7, inside.
    found = engine.snapshot().connections[0].transform.weight
    np.testing.assert_allclose(found, [[0.5 + 0.1 * 2 - 0.1 * 1, 3.0]], rtol=0, atol=1e-15)


def test_the_box_of_current_based_neurons_is_on_the_filtered_current():
    spec = Network(
        (Population("out", (1,), CuBa(0.9, 0.5, 5.0, surrogate=SHARP)),),
        (
            Connection(
                INPUT, "out", Dense(np.array([[2.0]])), rule=Rule.of(0.1, CurrentBox(0.0, 0.5))
            ),
        ),
        (1,),
        3,
        Learning(Reward()),
    )
    engine = Engine(spec)
    engine.learn(np.array([[[1.0], [1], [1]]]), np.ones((1, 3, 1)))
    # In units of the threshold 5 the box ends at 2.5: i = 2 is inside; with w = 2.1 then 1 + 2.1 is
    # not, nor is 1.55 + 2.1.
    found = engine.snapshot().connections[0].transform.weight
    np.testing.assert_allclose(found, [[2.1]], rtol=0, atol=1e-15)


# -- how rules are written ------------------------------------------------------------------------


def test_a_rule_is_written_in_one_way():
    assert Rule.of(0.1, Instantaneous()) == Rule(0.1) and Rule(0.1).kind == Instantaneous()
    assert Rule.of(0.1, Filtered(0.5)) == Rule(0.1, 0.5) and Rule(0.1, 0.5).kind == Filtered(0.5)
    assert Rule(0.1).plain and not Rule(0.1, 0.5).plain
    assert not Rule(0.1, eligibility=CurrentBox()).plain
    for options in ({"eligibility": Filtered(0.5)}, {"eligibility": Instantaneous()}):
        with pytest.raises(ValueError, match="is written as eligibility_decay"):
            Rule(0.1, **options)
    with pytest.raises(ValueError, match=r"eligibility_decay 0\.5 and eligibility CurrentBox"):
        Rule(0.1, 0.5, CurrentBox())


def test_eprop_takes_the_form_that_each_neuron_has(rng):
    kind = RULES["e-prop"].kind
    assert kind.of(ALIF()) == Adaptive(0.75)
    assert kind.of(LIF()) == Filtered(0.75) == kind.of(ALIF(strength=0.0))
    assert Adaptive().of(LIF()) == Instantaneous()
    assert {kind.of(n) for n in (LeakyIntegrator(0.75), LinearReadout())} == {Instantaneous()}
    with pytest.raises(ValueError, match="'out': LIF has no adaptive threshold"):
        Network(
            (Population("out", (1,), LIF()),),
            (Connection(INPUT, "out", Dense(np.eye(1)), rule=Rule.of(1.0, Adaptive())),),
            (1,),
            3,
            Learning(Reward()),
        )


def test_eprops_readout_learns_by_the_gradient_of_the_squared_error(rng):
    """Half the mean square of o[n] - y[n], of the events as they come."""
    frames, wanted = events(rng), rng.normal(size=(1, T, OUTPUTS))
    spec = Network(
        (Population("out", (OUTPUTS,), LeakyIntegrator(0.75)),),
        (Connection(INPUT, "out", Dense(rng.normal(0.3, 0.4, (OUTPUTS, INPUTS)))),),
        (INPUTS,),
        T,
    )
    options = {"rule": "e-prop", "mode": "accumulate", "objective": Regression()}
    engine = Engine(with_learning(spec, learning_rate=0.1, **options))
    engine.learn(frames, wanted)
    weight = torch.tensor(spec.connections[0].transform.weight, requires_grad=True)
    o, total = torch.zeros(OUTPUTS, dtype=torch.float64), 0.0
    for n in range(T):
        o = 0.75 * o + weight @ torch.tensor(frames[0, n])
        total = total + 0.5 * ((o - torch.tensor(wanted[0, n])) ** 2).mean() / T
    total.backward()
    change = engine.snapshot().connections[0].transform.weight - weight.detach().numpy()
    np.testing.assert_allclose(change, -0.1 * weight.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Filtered(0.0), r"filtered eligibility: decay is 0.0; it must lie in \(0, 1\]"),
        (lambda: Filtered(1.0), "decay is 1; a filter must forget"),
        (lambda: DoubleFiltered(0.5, 1.0), "second_decay is 1; a filter must forget"),
        (lambda: DoubleFiltered(2.0, 0.5), "double filter: decay is 2.0"),
        (lambda: Adaptive(1.0), "adaptive eligibility: decay is 1"),
        (lambda: Adaptive(-0.1), "adaptive eligibility: decay is -0.1"),
        (lambda: CurrentBox(1.0, 1.0), "low 1.0 is not below high 1.0"),
        (lambda: SpikeTrains(0.5, 1.5), "second_decay is 1.5"),
    ],
)
def test_constants_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


EXAMPLES = {
    "instantaneous": Instantaneous(),
    "filtered": Filtered(0.5),
    "double_filtered": DoubleFiltered(0.5, 0.25),
    "through_reset": ThroughReset(),
    "adaptive": Adaptive(0.5),
    "current_box": CurrentBox(-1.0, 3.0),
}


@pytest.mark.parametrize("name", ELIGIBILITIES)
def test_a_file_brings_it_back(rng, tmp_path, name):
    kind = EXAMPLES[name]
    neuron = ALIF(surrogate=SHARP) if name == "adaptive" else LIF(surrogate=SHARP)
    weight = rng.normal(size=(OUTPUTS, INPUTS))
    spec = Network(
        (Population("out", (OUTPUTS,), neuron),),
        (Connection(INPUT, "out", Dense(weight), rule=Rule.of(0.5, kind)),),
        (INPUTS,),
        T,
        Learning(SpikeTrains(0.5, 0.25)),
    )
    save_spec(tmp_path / "network.h5", spec)
    loaded = load_spec(tmp_path / "network.h5")
    assert loaded == spec and loaded.connections[0].rule.kind == kind
    assert loaded.learning.objective == SpikeTrains(0.5, 0.25)


def test_an_engine_goes_on_from_its_state(rng):
    neuron = ALIF(0.8, 0.9, 0.3, surrogate=SHARP)
    spec = Network(
        (Population("out", (OUTPUTS,), neuron),),
        (Connection(INPUT, "out", Dense(rng.normal(0.3, 0.4, (OUTPUTS, INPUTS)))),),
        (INPUTS,),
        T,
    )
    spec = with_learning(
        spec, learning_rate=0.1, rule="reward-modulated", eligibility=Adaptive(0.75)
    )
    frames, given = events(rng)[0], rewards(rng)[0]
    whole, first = Engine(spec), Engine(spec)
    for n in range(T):
        whole.step(frames[[n]], given[[n]])
        if n < 20:
            first.step(frames[[n]], given[[n]])
    state = first.state()
    assert {"out.eligibility", "out.threshold_eligibility"} <= set(state)
    second = Engine(spec)
    second.restore(state)
    for n in range(20, T):
        second.step(frames[[n]], given[[n]])
    for name, values in whole.state().items():
        np.testing.assert_array_equal(values, second.state()[name], err_msg=name)
