"""Classes added to a network leave what it knows alone, in every form, precision and feedback."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from onchip import Engine, LeakyIntegrator, add_classes
from onchip.arithmetic.integer_softmax import make_error
from onchip.deploy import Bundle, build, load_bundle, quantize, save_bundle
from onchip.network.chain import graph_of
from onchip.network.learning import with_learning, without_learning
from onchip.network.readouts import local_readouts
from onchip.objectives.regression import Regression
from onchip.program.graphs import as_graph

FEEDBACKS = ("exact", "symmetric", "random", "direct")
FORMS = [(form, precision) for form in ("chain", "graph") for precision in ("float", "fixed")]


def made(dense: Any, form: str, precision: str, feedback: str = "symmetric", **options: Any) -> Any:
    """The tests' network without recurrence (a graph in integers learns none), as it is asked."""
    surrogate = replace(dense.layers[0].neuron.surrogate, name="rectangle", parameter=None)
    hidden = [
        replace(layer, neuron=replace(layer.neuron, surrogate=surrogate), recurrent_weight=None)
        for layer in dense.layers[:-1]
    ]
    spec = replace(dense, layers=(*hidden, dense.layers[-1]))
    spec = without_learning(spec)
    spec = graph_of(spec) if form == "graph" else spec
    options = {"learning_rate": 0.3, "feedback": feedback, **options}
    spec = with_learning(spec, **options)
    return quantize(spec) if precision == "fixed" else spec


def run(spec: Any, frames: np.ndarray) -> tuple[np.ndarray, dict[str, list[np.ndarray]]]:
    """Outputs, and what each population sent at every step."""
    sent: dict[str, list[np.ndarray]] = {}
    outputs = Engine(spec).run(frames, lambda name, out: sent.setdefault(name, []).append(out))
    return outputs, sent


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize(("form", "precision"), FORMS)
def test_old_outputs_spikes_and_weights_are_what_they_were(
    dense, samples, rng, form: str, precision: str, feedback: str
) -> None:
    spec = made(dense, form, precision, feedback)
    wider = add_classes(spec, 2, seed=3)
    assert type(wider) is type(spec) and wider.classes == 5 and spec.classes == 3
    frames, _ = samples(spec, 30, rng)
    before, sent = run(spec, frames)
    after, sent_after = run(wider, frames)
    np.testing.assert_allclose(after[..., :3], before, atol=1e-12 if precision == "float" else 0)
    for name in ("first", "second"):
        np.testing.assert_array_equal(sent_after[name], sent[name])
    old, new = as_graph(spec), as_graph(wider)
    assert old.names == new.names
    for name, ours, theirs in zip(old.names, old.connections, new.connections, strict=True):
        rows = len(ours.transform.weight)
        np.testing.assert_array_equal(theirs.transform.weight[:rows], ours.transform.weight, name)
        assert ours.plastic == theirs.plastic
    for ours, theirs in zip(old.learning.routes, new.learning.routes, strict=True):
        assert (ours.matrix is None) == (theirs.matrix is None) == (feedback == "exact")
        if ours.matrix is not None:
            columns = ours.matrix.shape[1]
            np.testing.assert_array_equal(theirs.matrix[:, :columns], ours.matrix)
            from_readout = ours.source == "readout"
            assert theirs.matrix.shape[1] == columns + 2 * from_readout
    if precision == "float":
        mean = np.repeat(before.mean(axis=2, keepdims=True), 2, axis=2)
        np.testing.assert_allclose(after[..., 3:], mean, atol=1e-12)
    # Each step of the integer readout truncates, by less than one unit: far less than a weight.
    slack = 1e-12 if precision == "float" else 2 * spec.time_steps**2
    totals = after.sum(axis=1)
    assert (totals[:, 3:].max(axis=1) <= totals[:, :3].max(axis=1) + slack).all()
    assert (totals[:, :3].argmax(axis=1) == before.sum(axis=1).argmax(axis=1)).all()


@pytest.mark.parametrize("form", ["chain", "graph"])
def test_symmetric_feedback_carries_the_new_outputs_by_their_own_weights(dense, form: str) -> None:
    wider = as_graph(add_classes(made(dense, form, "float"), 2))
    readout = next(c for c in wider.connections if (c.source, c.target) == ("second", "readout"))
    route = next(r for r in wider.learning.routes if r.source == "readout")
    np.testing.assert_allclose(route.matrix, readout.transform.weight.T, atol=1e-15)


@pytest.mark.parametrize("feedback", ["random", "direct"])
@pytest.mark.parametrize(("form", "precision"), FORMS)
def test_random_feedback_of_the_new_outputs_has_the_values_of_the_old_in_another_order(
    dense, form: str, precision: str, feedback: str
) -> None:
    spec = made(dense, form, precision, feedback)
    for route in as_graph(add_classes(spec, 2, seed=3)).learning.routes:
        if route.source != "readout":
            continue
        old, new = route.matrix[:, :3], route.matrix[:, 3:]
        assert sorted(new[:, 0]) == sorted(old[:, 0]) and (new[:, 0] != old[:, 0]).any()
        assert sorted(new[:, 1]) == sorted(old[:, 1]) and (new[:, 1] != old[:, 1]).any()
    assert add_classes(spec, 2, seed=3) == add_classes(spec, 2, seed=3)
    assert add_classes(spec, 2, seed=3) != add_classes(spec, 2, seed=4)


@pytest.mark.parametrize("precision", ["float", "fixed"])
@pytest.mark.parametrize("draw_last", [False, True])
def test_local_readouts_grow_alike_and_stay_random(
    dense, samples, rng, precision: str, draw_last: bool
) -> None:
    spec = local_readouts(made_graph(dense), draw_last=draw_last)
    spec = with_learning(spec, learning_rate=0.3, rule="decolle")
    spec = quantize(spec) if precision == "fixed" else spec
    wider = add_classes(spec, 2)
    assert [p.shape for p in wider.populations if p.name.endswith("readout")] == [(5,)] * 2
    for c in wider.connections:
        if c.target.endswith("readout") and c.source != "always_on":
            old, new = c.transform.weight[:3], c.transform.weight[3:]
            assert [sorted(row) for row in new] == [sorted(row) for row in old[:2]]
            assert (new != old[:2]).any()
            route = [r for r in wider.learning.routes if r.source == c.target]
            if route and precision == "float":
                np.testing.assert_array_equal(route[0].matrix, c.transform.weight.T)
    frames, labels = samples(wider, 4, rng)
    engine = Engine(wider)
    expected = (
        engine.learn(frames, labels) if precision == "fixed" else by_ones(engine, frames, labels)
    )
    with build(wider, "lava-fast") as execution:
        np.testing.assert_allclose(execution.learn(frames, labels).outputs, expected, atol=1e-9)


def made_graph(dense: Any) -> Any:
    return without_learning(made(dense, "graph", "float"))


def by_ones(engine: Engine, frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.concatenate([engine.learn(frames[[i]], labels[[i]]) for i in range(len(frames))])


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize(("form", "precision"), FORMS)
def test_every_execution_learns_new_and_old_classes_alike(
    dense, samples, rng, form: str, precision: str, feedback: str
) -> None:
    wider = add_classes(made(dense, form, precision, feedback), 1)
    frames, labels = samples(wider, 5, rng)
    labels[1] = 3
    engine = Engine(wider)
    expected = by_ones(engine, frames, labels)
    backends = ["lava-fused", "lava", "lava-fast"] if feedback == "symmetric" else ["lava-fused"]
    for backend in [*backends, *["torch"] * (precision == "float")]:
        with build(wider, backend) as execution:
            outputs = execution.learn(frames, labels).outputs
            np.testing.assert_allclose(outputs, expected, atol=1e-9, err_msg=backend)
            learned = as_graph(execution.snapshot())
        for ours, theirs in zip(
            learned.connections, as_graph(engine.snapshot()).connections, strict=True
        ):
            ours, theirs = ours.transform.weight, theirs.transform.weight
            np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=backend)


@pytest.mark.parametrize(("form", "precision"), FORMS)
def test_a_new_class_is_learned_from_samples_of_it(
    dense, samples, rng, form: str, precision: str
) -> None:
    spec = add_classes(made(dense, form, precision, learning_rate=0.05), 1)
    frames, _ = samples(spec, 1, rng)
    engine = Engine(spec)
    assert engine.run(frames).sum((0, 1)).argmax() < 3
    for _ in range(60):
        engine.learn(frames, np.array([3]))
    assert engine.run(frames).sum((0, 1)).argmax() == 3


@pytest.mark.parametrize("form", ["chain", "graph"])
def test_files_hold_wider_networks_in_both_precisions(dense, tmp_path, form: str) -> None:
    spec, fixed = (made(dense, form, precision) for precision in ("float", "fixed"))
    bundle = Bundle(add_classes(spec, 2), add_classes(fixed, 2))
    save_bundle(tmp_path / "x.h5", bundle)
    assert load_bundle(tmp_path / "x.h5") == bundle


@pytest.mark.parametrize("form", ["chain", "graph"])
def test_the_integer_error_is_that_of_as_many_classes(dense, form: str) -> None:
    """The oracle: the constants made anew for the same membrane unit and five classes."""
    spec = made(dense, form, "float")
    learning = add_classes(quantize(spec), 2).learning
    wider = learning.error if form == "chain" else learning.objective.tables
    fixed = quantize(spec)
    readout = fixed.layers[-1] if form == "chain" else fixed.populations[-1]
    expected = make_error(readout.membrane_unit, 0.05, 5)
    assert abs(wider.squared_multiplier - expected.squared_multiplier) <= 1
    assert replace(wider, squared_multiplier=0) == replace(expected, squared_multiplier=0)
    narrow = make_error(readout.membrane_unit, 0.05, 3)
    assert abs(wider.squared_multiplier - narrow.squared_multiplier) > 1


def test_the_rewards_feedback_stays_that_of_the_first_output(dense) -> None:
    spec = with_learning(made_graph(dense), learning_rate=0.1, rule="reward-modulated")
    for route in add_classes(spec, 2).learning.routes:
        np.testing.assert_array_equal(route.matrix[:, 0], 1.0)
        np.testing.assert_array_equal(route.matrix[:, 1:], 0.0)


@pytest.mark.parametrize("form", ["chain", "graph"])
def test_recurrence_of_a_spiking_readout_brings_old_outputs_nothing_new(
    dense, samples, rng, form: str
) -> None:
    inference = without_learning(dense)
    spec = replace(inference, layers=inference.layers[:1])  # 8 outputs, recurrent
    spec = graph_of(spec) if form == "graph" else spec
    frames, _ = samples(spec, 20, rng)
    before, after = Engine(spec).run(frames), Engine(add_classes(spec, 2)).run(frames)
    assert before.any()
    np.testing.assert_array_equal(after[..., :8], before)


def test_what_cannot_grow_is_refused_in_one_line(dense) -> None:
    for form in ("chain", "graph"):
        frozen = made(dense, form, "float", plastic=["second"])
        with pytest.raises(ValueError, match="readout 'readout' is frozen, so it could not learn"):
            add_classes(frozen, 1)
    regression = with_learning(made_graph(dense), learning_rate=0.1, objective=Regression())
    assert add_classes(regression, 1).classes == 4
    with pytest.raises(ValueError, match="IntegerRegression's error is worth less with more outp"):
        add_classes(quantize(regression), 1)
    with pytest.raises(ValueError, match="add_classes: count is 0"):
        add_classes(dense, 0)
    assert isinstance(add_classes(dense, 1).layers[-1].neuron, LeakyIntegrator)
