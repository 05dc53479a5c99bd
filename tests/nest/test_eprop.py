"""E-prop here makes the changes that NEST's makes, once their conventions are translated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nest_counterparts import AS_NEST, constants, learned_by_us
from nest_networks import Task, learned_by_nest

from onchip.rules.filtered import Filtered

INPUTS, RECURRENT, OUTPUTS, SAMPLES, STEPS = 5, 6, 2, 3, 40
QUIET = 2
"""Steps without input at a sample's start; see `test_a_spike_in_a_samples_second_step_...`."""

TRIANGLE = {
    "surrogate_gradient_function": "piecewise_linear",
    "surrogate_gradient_height": 1 / 1.2,
    "surrogate_gradient_width": 1.2,
}
FAST_SIGMOID = {
    "surrogate_gradient_function": "fast_sigmoid_derivative",
    "surrogate_gradient_height": 1 / 0.8,
    "surrogate_gradient_width": 0.4,
}
LOW = {"surrogate_gradient_height": 0.3}
EVENT_DRIVEN = (
    "eprop_iaf",
    "eprop_iaf_adapt",
    "eprop_iaf_psc_delta",
    "eprop_iaf_psc_delta_adapt",
)
EARLY = {"regular_spike_arrival": False}


def task(rng, **more) -> Task:
    frames = (rng.random((SAMPLES, STEPS, INPUTS)) < 0.25).astype(float)
    frames[:, :QUIET] = 0
    phase = np.arange(STEPS)[None, :, None] / 5 + np.arange(SAMPLES)[:, None, None]
    return Task(
        weights={
            "in": rng.normal(0.25, 0.3, (RECURRENT, INPUTS)),
            "rec": rng.normal(0, 0.3, (RECURRENT, RECURRENT)),
            "out": rng.normal(0, 0.5, (OUTPUTS, RECURRENT)),
        },
        feedback=rng.normal(0, 1, (RECURRENT, OUTPUTS)),
        frames=frames,
        targets=np.sin(phase) * np.array([1.0, -0.5]),
        **{"neuron": TRIANGLE, **more},
    )


def adaptive(rng) -> Task:
    more = {**TRIANGLE, "adapt_beta": 0.3, "adapt_tau": 25.0}
    return task(rng, neuron=more, model="eprop_iaf_adapt_bsshslm_2020")


def early(rng) -> Task:
    """Spikes that arrive at a step's beginning decay once and weigh 1 - lambda."""
    found = task(rng, neuron={**TRIANGLE, **EARLY}, readout=EARLY, eta=0.02)
    decay, kappa = constants(found)
    into, out = 1 / (1 - decay), 1 / (1 - kappa)
    w = found.weights
    return replace(
        found, weights={"in": w["in"] * into, "rec": w["rec"] * into, "out": w["out"] * out}
    )


def with_every_spike(model):
    """One sample in NEST's models that update with every spike, whose changes it is made to sum."""

    def make(rng) -> Task:
        more = {"adapt_beta": 0.3, "adapt_tau": 25.0} if model.endswith("adapt") else {}
        hard = {"V_reset": 0.0} if "psc_delta" in model else {}
        found = task(rng, model=model, neuron={**TRIANGLE, **more, **hard})
        return replace(found, frames=found.frames[:1], targets=found.targets[:1])

    return make


CASES = {
    "triangle": task,
    "fast sigmoid": lambda rng: task(rng, neuron=FAST_SIGMOID),
    "another height": lambda rng: task(rng, neuron={**TRIANGLE, **LOW}),
    "adaptive": adaptive,
    "early arrival": early,
    "averaged gradient": lambda rng: task(rng, average=True, eta=0.04),
    "a batch": lambda rng: task(rng, batch=SAMPLES),
    **{name: with_every_spike(name) for name in EVENT_DRIVEN},
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request, rng) -> Task:
    return request.param(rng)


def assert_equal_changes(found, expected, before):
    for name, weight in before.items():
        ours, theirs = found[name] - weight, expected[name] - weight
        assert np.abs(theirs).max() > 1e-4
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 * np.abs(theirs).max())


def test_every_step_is_nests(case):
    """Spikes are equal; potentials, outputs, factors and learning signals to 1e-9.

    Models that update with every spike forget the errors from before the first one.
    """
    ours, theirs = learned_by_us(case), learned_by_nest(case)
    np.testing.assert_array_equal(ours.spikes, theirs.spikes)
    assert ours.spikes.sum(axis=(1, 2)).min() > 10
    start = 0 if case.suffix else int(np.flatnonzero(case.frames[0].any(axis=1))[0])
    for name in ("potentials", "outputs", "factors", "signals"):
        a, b = getattr(ours, name)[:, start:], getattr(theirs, name)[:, start:]
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.abs(b).max(), err_msg=name)


def test_every_change_of_a_weight_is_nests(case):
    ours, theirs = learned_by_us(case), learned_by_nest(case)
    assert_equal_changes(ours.weights, theirs.weights, case.weights)


@pytest.mark.parametrize("left_out", list(vars(AS_NEST)))
def test_every_translation_is_needed(rng, left_out):
    case = task(rng)
    ours = learned_by_us(case, replace(AS_NEST, **{left_out: False}))
    theirs = learned_by_nest(case)
    assert max(apart(ours.weights, theirs.weights, case.weights).values()) > 0.01


def apart(found, expected, before) -> dict[str, float]:
    """The largest difference of each matrix, in units of its largest change."""
    return {
        name: np.abs(found[name] - expected[name]).max() / np.abs(expected[name] - weight).max()
        for name, weight in before.items()
    }


def test_a_readout_that_filters_its_trace_once_more_is_not_nests(rng):
    case = task(rng)
    filtered = learned_by_us(case, readout=Filtered(constants(case)[1]))
    off = apart(filtered.weights, learned_by_nest(case).weights, case.weights)
    assert off["out"] > 0.01


def test_nest_drops_what_arrives_in_a_samples_first_step(rng):
    case = task(rng)
    more = case.frames.copy()
    more[:, 0] = 1
    found, expected = learned_by_nest(replace(case, frames=more)), learned_by_nest(case)
    for name in case.weights:
        np.testing.assert_array_equal(found.weights[name], expected.weights[name])


def test_a_spike_in_a_samples_second_step_loses_nest_the_last_error_before(rng):
    """NEST updates a synapse with its first spike of a sample, when that error is on its way."""
    case, hasty = task(rng), [0, 2]
    case.frames[1, 1, hasty] = 1
    first = replace(case, frames=case.frames[:1], targets=case.targets[:1])
    told = case.targets[:1].copy()
    told[:, -1] = learned_by_us(first).outputs[:, -1]
    weights = {name: w.copy() for name, w in learned_by_us(first).weights.items()}
    without = learned_by_us(replace(first, targets=told)).weights["in"]
    assert np.abs(without - weights["in"])[:, hasty].max() > 1e-6
    weights["in"][:, hasty] = without[:, hasty]
    rest = replace(case, weights=weights, frames=case.frames[1:], targets=case.targets[1:])
    expected = learned_by_us(rest).weights
    found = learned_by_nest(case).weights
    assert_equal_changes(expected, found, case.weights)
    uncorrected = learned_by_us(case).weights["in"]
    assert np.abs(uncorrected - found["in"]).max() > 1e-6
