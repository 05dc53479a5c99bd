"""Rules x neurons x transforms in every execution, from the tables themselves.

Each combination is learned by a loop over the equations and by all executions of the packages; they
agree, or the combination is refused in one line that says why. A row more in a table is a
combination more here.
"""

from __future__ import annotations

import functools
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from every_execution import in_lava, one_by_one
from graph_cases import CLASSES, dense, largest_difference, weights_of
from lava.magma.core.model.py.connection import LearningConnectionModelFloat
from own_parts import Loops
from parity_cases import TOLERANCE

from onchip import Connection, Engine, Network, Population, Surrogate, with_learning
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.models.torch_graph import TorchGraph
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.local import LocalConvolution
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.transforms import TRANSFORMS, Bias, Dense, OneToOne
from onchip.neurons.alif import ALIF
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.neurons.table import NEURONS
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.program.recipes import realised
from onchip.rules.presets import RULES

SHARP = Surrogate("fast_sigmoid")
FAST = FastSimCfg("floating_pt")
EXACT = 1e-12
"""Between the engine and the loop, which add up in another order."""

EXECUTIONS = {
    "compiled": lambda spec, *given: one_by_one(Engine(spec, compiled=True), *given),
    "torch": lambda spec, *given: one_by_one(TorchGraph(spec), *given),
    "lava": lambda spec, *given: in_lava(lambda: LavaNetwork(spec), *given),
    "lava-fast": lambda spec, *given: in_lava(lambda: LavaNetwork(spec, run_config=FAST), *given),
    "lava-fused": lambda spec, *given: in_lava(lambda: FusedLavaNetwork(spec), *given),
}


def into(rng: np.random.Generator, kind: type) -> tuple[list[Connection], tuple[int, ...]]:
    """Connections into the population "tested", one of them of a kind, and its shape."""
    if issubclass(kind, EnlargingConvolution):
        weight = rng.normal(0, 1, (2, 1, 2, 2))
        return [Connection(INPUT, "tested", kind(weight, (1, 2, 3), enlarge=2))], (2, 2, 4)
    if issubclass(kind, Convolution):
        return [Connection(INPUT, "tested", kind(rng.normal(0, 1, (2, 1, 2, 2)), (1, 2, 3)))], (
            2,
            1,
            2,
        )
    if kind is LocalConvolution:
        weight = rng.normal(0, 1, (1, 2, 2, 1, 2, 2))
        return [Connection(INPUT, "tested", kind(weight, (1, 2, 3)))], (2, 1, 2)
    found = [Connection(INPUT, "tested", dense(rng, 6, 6))]
    if kind is OneToOne:
        found = [Connection(INPUT, "tested", OneToOne(rng.uniform(0.5, 2, 6)))]
    elif kind is Bias:
        found.append(Connection(ALWAYS_ON, "tested", Bias(rng.normal(0, 0.3, 6), (6,))))
    else:
        assert kind is Dense, f"{kind.__name__} is new in the table; give it a connection here"
    return found, (6,)


def made(kind: type) -> Any:
    """A neuron of a kind with the surrogate that all rules take."""
    named = {field.name for field in fields(kind)}
    wanted = {"surrogate": SHARP, "decay": 0.8, "current_decay": 0.5, "v_threshold": 1.0}
    return kind(**{name: value for name, value in wanted.items() if name in named})


def network(rng, rule: str, neuron: Any, transform: type, steps: int = 8) -> Network:
    """The tested population, which is the readout if it does not spike, behind or before others."""
    connections, shape = into(rng, transform)
    size = int(np.prod(shape))
    tested = Population("tested", shape, neuron)
    trains = isinstance(RULES[rule].objective, SpikeTrains)
    last = LIF(0.8, surrogate=SHARP) if trains else LeakyIntegrator(0.8)
    if neuron.spiking:
        populations = (tested, Population("out", (CLASSES,), last))
        connections.append(Connection("tested", "out", dense(rng, CLASSES, size)))
        if len(shape) == 1:
            connections.append(Connection("tested", "tested", dense(rng, size, size, 0.4), 1))
    else:
        below = Population("below", (6,), LIF(0.8, surrogate=SHARP))
        connections = [
            Connection("below" if c.source == INPUT else c.source, c.target, c.transform)
            for c in connections
        ]
        connections.append(Connection(INPUT, "below", Dense(rng.normal(0, 1, (6, 6)))))
        populations = (below, tested)
    found = Network(populations, tuple(connections), (6,), steps)
    feedback = None if RULES[rule].feedback else "symmetric"
    rate = 1.0 if trains else 0.1
    plastic = [p.name for p in populations]
    return with_learning(found, learning_rate=rate, rule=rule, feedback=feedback, plastic=plastic)


def given(rng, spec: Network, samples: int) -> tuple[np.ndarray, Any]:
    shape = (samples, spec.time_steps)
    frames = (rng.random((*shape, 6)) < 0.4).astype(float)
    objective, outputs = spec.learning.objective, spec.populations[-1].size
    if isinstance(objective, SpikeTrains):
        return frames, (rng.random((*shape, outputs)) < 0.2).astype(float)
    if isinstance(objective, Reward):
        return frames, rng.normal(0, 0.3, (*shape, 1))
    return frames, rng.integers(0, outputs, samples)


def refused(rule: str, neuron: type, transform: type) -> str | None:
    """What a combination is refused with when the network is made; None for one that learns."""
    preset = RULES[rule]
    if rule == "diagonal-rtrl" and neuron is ALIF:
        return r"'tested': ALIF has no `carry`, by which diagonal RTRL"
    if preset.kind.of(made(neuron)).variables and issubclass(transform, Convolution):
        return r"'tested': its weights are shared between positions, but eligibility"
    if isinstance(preset.objective, SpikeTrains) and not neuron.spiking:
        return rf"'tested': {neuron.__name__} does not spike, but objective SpikeTrains"
    return None


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("rule", RULES)
def test_every_combination_agrees_in_all_executions_or_is_refused_by_name(
    rng, rule, neuron, transform
):
    kinds = NEURONS[neuron], TRANSFORMS[transform]
    make = functools.partial(network, rng, rule, made(kinds[0]), kinds[1])
    message = refused(rule, *kinds)
    if message is not None:
        with pytest.raises(ValueError, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)
        return
    spec = make()
    frames, targets = given(rng, spec, 1)
    loops = Loops(spec)
    expected = loops.stream(zip(frames, targets, strict=True), 1).outputs
    assert largest_difference(weights_of(spec), loops.weights) > 1e-4
    assert_equal("numpy", one_by_one(Engine(spec), frames, targets), expected, loops, EXACT)
    for name, run in EXECUTIONS.items():
        assert_equal(name, run(spec, frames, targets), expected, loops, TOLERANCE)


def test_kernels_add_up_erbps_products_of_a_sample_in_their_tag(rng):
    """Of spikes, which have come at the epoch's phase of arrival, not at its end."""
    spec = network(rng, "erbp", made(LIF), Convolution)
    spec = replace(spec, learning=replace(spec.learning, mode="accumulate"))
    frames, targets = given(rng, spec, 2)
    outputs, learned = one_by_one(Engine(spec), frames, targets)
    weights = weights_of(learned)
    assert largest_difference(weights_of(spec)[:1], weights[:1]) > 1e-3
    for name, run in EXECUTIONS.items():
        found, after = run(spec, frames, targets)
        np.testing.assert_allclose(found, outputs, rtol=0, atol=TOLERANCE, err_msg=name)
        assert largest_difference(weights_of(after), weights) < TOLERANCE, name


def assert_equal(name, found, expected, loops, bound) -> None:
    outputs, learned = found
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=bound, err_msg=name)
    assert largest_difference(weights_of(learned), loops.weights) < bound, name


# -- 200 steps ------------------------------------------------------------------------------------

NEURON_OF = {"e-prop": "alif", "superspike-double": "cuba", "reward-modulated": "cuba"}
"""Besides LIF neurons: those whose eligibility has the most in it."""


def deep(rng, rule: str) -> Network:
    """Two hidden populations, a recurrence, a bias, gains: all plastic."""
    neuron = made(NEURONS[NEURON_OF.get(rule, "lif")])
    if RULES[rule].feedback is not None and RULES[rule].feedback.local:
        return network(rng, rule, neuron, Dense, 50)  # its readout is the network's
    trains = isinstance(RULES[rule].objective, SpikeTrains)
    last = LIF(0.8, surrogate=SHARP) if trains else LeakyIntegrator(0.8)
    found = Network(
        (
            Population("one", (6,), neuron),
            Population("two", (6,), LIF(0.8, surrogate=SHARP)),
            Population("out", (CLASSES,), last),
        ),
        (
            Connection(INPUT, "one", dense(rng, 6, 6)),
            Connection("one", "one", dense(rng, 6, 6, 0.4), 1),
            Connection(ALWAYS_ON, "one", Bias(rng.normal(0, 0.1, 6), (6,))),
            Connection("one", "two", OneToOne(rng.uniform(0.5, 2, 6))),
            Connection(INPUT, "two", dense(rng, 6, 6)),
            Connection("two", "out", dense(rng, CLASSES, 6)),
        ),
        (6,),
        50,
    )
    feedback = None if RULES[rule].feedback else "random"
    rewarded = isinstance(RULES[rule].objective, Reward)  # of another size than errors
    rate = 0.3 if trains else 0.005 if rewarded else 0.02
    return with_learning(found, learning_rate=rate, rule=rule, feedback=feedback)


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_agrees_over_200_steps(rng, rule):
    spec = deep(rng, rule)
    frames, targets = given(rng, spec, 4)
    loops = Loops(spec)
    expected = loops.stream(zip(frames, targets, strict=True), 4).outputs
    assert largest_difference(weights_of(spec), loops.weights) > 0.01
    outputs, learned = one_by_one(Engine(spec), frames, targets)
    np.testing.assert_allclose(outputs[0], expected[0], rtol=0, atol=EXACT)  # 50 steps
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=TOLERANCE)
    assert largest_difference(weights_of(learned), loops.weights) < TOLERANCE
    for name, run in EXECUTIONS.items():
        assert_equal(name, run(spec, frames, targets), expected, loops, TOLERANCE)


# -- what would be wrong --------------------------------------------------------------------------


def learned_in_lava(spec, frames, targets) -> list[np.ndarray]:
    return weights_of(in_lava(lambda: LavaNetwork(spec), frames, targets)[1])


FILTERED = [name for name, preset in RULES.items() if preset.kind.variables]


@pytest.mark.parametrize("rule", FILTERED)
def test_products_of_the_tags_alone_are_a_step_late(rng, rule, monkeypatch):
    """They read the tags from before the epoch: what a step brings must be in dw itself."""
    spec = deep(rng, rule)
    frames, targets = given(rng, spec, 1)
    right = learned_in_lava(spec, frames, targets)
    import onchip.program.real_lowering as lowering

    def late(recipe, moment):
        dw = tuple(term for term in recipe.dw if "trace" not in term.factors)
        return realised(recipe._replace(dw=dw or recipe.dw), moment)

    monkeypatch.setattr(lowering, "realised", late)
    assert largest_difference(right, learned_in_lava(spec, frames, targets)) > 1e-4


@pytest.mark.parametrize("rule", FILTERED)
def test_products_that_read_the_new_tags_are_another_rule(rng, rule, monkeypatch):
    """As if Lava changed the tags first, and the weights by what they are then."""
    spec = deep(rng, rule)
    frames, targets = given(rng, spec, 1)
    right = learned_in_lava(spec, frames, targets)

    def tags_first(self, *histories):
        for name in ("tag_2", "tag_1", "weights"):
            if name in self._learning_rule_appliers:
                read = self._extract_applier_args(*histories)
                old = getattr(self, name).copy()
                new = self._learning_rule_appliers[name].apply(old, **read)
                setattr(self, name, self._saturate_synaptic_variable(name, new))

    monkeypatch.setattr(LearningConnectionModelFloat, "_apply_learning_rules", tags_first)
    assert largest_difference(right, learned_in_lava(spec, frames, targets)) > 1e-4


@pytest.mark.parametrize("rule", RULES)
def test_spikes_that_come_to_the_synapses_a_step_early_are_another_rule(rng, rule, monkeypatch):
    """Each trace holds the next step's spike already, as where a synapse delays by one."""
    from onchip.engine.real_synapses import RealSynapses

    spec = deep(rng, rule)
    frames, targets = given(rng, spec, 1)
    right = weights_of(one_by_one(Engine(spec), frames, targets)[1])
    present = RealSynapses._advance
    following = np.concatenate((frames[0, 1:], np.zeros((1, 6))))

    def early(self, x):
        if self.synapses.source == INPUT:
            step = self._step = getattr(self, "_step", -1) + 1
            x = following[[step]]
        present(self, x)

    monkeypatch.setattr(RealSynapses, "_advance", early)
    assert (
        largest_difference(right, weights_of(one_by_one(Engine(spec), frames, targets)[1])) > 1e-4
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_factor_that_comes_a_step_late_is_another_rule(rng, rule, monkeypatch):
    from onchip.lava.teacher import SynapseTeacher

    spec = deep(rng, rule)
    frames, targets = given(rng, spec, 1)
    right = learned_in_lava(spec, frames, targets)
    present = SynapseTeacher.factor

    def late(self, signal, state):
        before = self._held if self._teacher is not None else None
        factor = present(self, signal, state)
        if before is not None and before.ndim == self._held.ndim:
            self._held, self._next = getattr(self, "_next", 0 * self._held), self._held
        return factor

    monkeypatch.setattr(SynapseTeacher, "factor", late)
    assert largest_difference(right, learned_in_lava(spec, frames, targets)) > 1e-4
