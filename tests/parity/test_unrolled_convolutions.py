"""A convolution with a copy of its weights at every position: the meaning of one on a chip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from convolution_cases import events, network, pairs_of
from graph_cases import NEURON, largest_difference, weights_of
from parity_cases import TOLERANCE

from onchip import Engine
from onchip.deploy import load_spec, quantize, save_spec
from onchip.deploy.backends.table import build
from onchip.deploy.checks.network import check
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.learning import with_learning, without_learning
from onchip.network.local import LocalConvolution
from onchip.network.parts import ALWAYS_ON, Population
from onchip.network.transforms import Dense
from onchip.network.unrolling import unrolled, unrolled_convolution
from onchip.rules.feedback import FEEDBACKS

PLASTIC = ("conv1", "conv2", "out")
EXECUTIONS = ("torch", "lava", "lava-fast", "lava-fused")


def learning(rng, **options):
    return with_learning(network(rng), learning_rate=0.1, plastic=PLASTIC, **options)


def as_matrix(local: LocalConvolution, weight: np.ndarray) -> np.ndarray:
    """The weights as a matrix [post, pre], tap by tap, and where there is a synapse."""
    matrix = np.zeros((int(np.prod(local.output_shape)), local.inputs))
    width = local.output_shape[2]
    for post, pre, (o, c, i, j) in pairs_of(local.kernel):
        y, x = divmod(post % (local.output_shape[1] * width), width)
        matrix[post, pre] = weight[y, x, o, c, i, j]
    return matrix


def random_local(rng, stride, padding) -> LocalConvolution:
    geometry = unrolled_convolution(
        Convolution(rng.normal(size=(3, 2, 3, 2)), (2, 6, 5), stride, padding)
    )
    return replace(geometry, weight=rng.normal(size=geometry.weight.shape))


@pytest.mark.parametrize(
    ("stride", "padding"), [((1, 1), (0, 0)), ((2, 1), (1, 1)), ((2, 2), (2, 0))]
)
def test_its_verbs_are_those_of_a_matrix_with_zeros(rng, stride, padding):
    local = random_local(rng, stride, padding)
    matrix = as_matrix(local, local.weight)
    x, g = rng.normal(size=(4, local.inputs)), rng.normal(size=(4, len(matrix)))
    current = local.transmit(x, local.weight)
    assert current.shape == (4, *local.output_shape)
    np.testing.assert_allclose(current.reshape(4, -1), x @ matrix.T, atol=1e-12)
    maps = g.reshape(current.shape)
    np.testing.assert_allclose(local.send_back(maps, local.weight), g @ matrix, atol=1e-12)
    synapses = as_matrix(local, np.ones(local.weight.shape))
    for found, one, factor in zip(local.correlate(x, maps), x, g, strict=True):
        expected = np.outer(factor, one) * synapses
        np.testing.assert_allclose(as_matrix(local, found), expected, atol=1e-12)
        outside = found * (as_matrix_mask(local) == 0)
        assert not outside.any()
    for name, arguments in {
        "transmit": (x, local.weight),
        "send_back": (maps, local.weight),
        "correlate": (x, maps),
    }.items():
        ours = getattr(local, name)(*arguments)
        theirs = getattr(local, name)(*map(torch.tensor, arguments)).numpy()
        np.testing.assert_allclose(theirs, ours, atol=1e-12, err_msg=name)


def as_matrix_mask(local: LocalConvolution) -> np.ndarray:
    """1 for the weights of taps within the input."""
    mask, width = np.zeros(local.weight.shape), local.output_shape[2]
    for post, _, (o, c, i, j) in pairs_of(local.kernel):
        y, x = divmod(post % (local.output_shape[1] * width), width)
        mask[y, x, o, c, i, j] = 1
    return mask


def test_before_learning_every_spike_is_that_of_the_shared_network(rng):
    spec = learning(rng)
    frames, _ = events(rng)
    found = []
    for one in (spec, unrolled(spec)):
        with build(without_learning(one), record=True) as execution:
            found.append(execution.run(frames))
    for name, spikes in found[0].spikes.items():
        np.testing.assert_array_equal(found[1].spikes[name], spikes)
        assert 0 < spikes.mean() < 1
    np.testing.assert_allclose(found[1].outputs, found[0].outputs, rtol=0, atol=1e-12)


def changes(spec, frames, labels) -> dict[str, np.ndarray]:
    engine = Engine(spec)
    engine.learn(frames, labels)
    pairs = zip(spec.names, weights_of(engine.snapshot()), weights_of(spec), strict=True)
    return {name: after - before for name, after, before in pairs}


def summed_over_copies(name, unrolled_change, shared_change) -> np.ndarray:
    if name.endswith("bias"):
        return unrolled_change.reshape(len(shared_change), -1).sum(axis=1)
    return unrolled_change.sum(axis=(0, 1)) if unrolled_change.ndim == 6 else unrolled_change


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize(("mode", "steps"), [("accumulate", 8), ("online", 1)])
def test_of_the_first_update_the_copies_changes_add_up_to_the_shared_one(
    rng, mode, steps, feedback
):
    """A sample that accumulates, or one step online; the mean needs the rate times the copies."""
    spec = learning(rng, mode=mode, feedback=feedback)
    spec = replace(spec, time_steps=steps)
    frames, labels = events(rng)
    frames = np.maximum(frames[:1, :steps], frames[1:2, :steps])  # enough to fire in one step
    shared, alone = (changes(s, frames, labels[:1]) for s in (spec, unrolled(spec)))
    assert np.abs(shared["conv1.synapses"]).max() > 1e-6
    for name, change in shared.items():
        total = summed_over_copies(name, alone[name], change)
        np.testing.assert_allclose(total, change, rtol=0, atol=1e-12, err_msg=name)
    copies = int(np.prod(spec.population("conv2").shape[1:]))
    rates = {"conv1": 0.1, "conv2": 0.1 * copies, "out": 0.1}
    faster = unrolled(
        with_learning(
            without_learning(spec),
            learning_rate=rates,
            plastic=PLASTIC,
            **{"mode": mode, "feedback": feedback},
        )
    )
    mean = changes(faster, frames, labels[:1])["conv2.synapses"].mean(axis=(0, 1))
    np.testing.assert_allclose(mean, shared["conv2.synapses"], rtol=0, atol=1e-12)


def test_from_the_second_update_on_the_copies_drift_apart(rng):
    spec = learning(rng, feedback="symmetric")
    frames, labels = events(rng)
    shared, alone = (changes(s, frames, labels) for s in (spec, unrolled(spec)))
    spread = alone["conv2.synapses"].std(axis=(0, 1)).max()
    assert spread > 1e-3
    total = alone["conv2.synapses"].sum(axis=(0, 1))
    assert np.abs(total - shared["conv2.synapses"]).max() > 1e-3


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_every_execution_learns_the_unrolled_network_the_same(rng, feedback, mode):
    spec = unrolled(learning(rng, feedback=feedback, mode=mode))
    frames, labels = events(rng)
    with build(spec) as execution:
        expected = execution.learn(frames, labels).outputs
        weights = weights_of(execution.snapshot())
    assert largest_difference(weights_of(spec), weights) > 1e-3
    for backend in EXECUTIONS:
        with build(spec, backend) as execution:
            outputs = execution.learn(frames, labels).outputs
            np.testing.assert_allclose(outputs, expected, rtol=0, atol=TOLERANCE, err_msg=backend)
            learned = weights_of(execution.snapshot())
        assert largest_difference(learned, weights) < TOLERANCE, backend


def test_filtered_eligibilities_learn_where_every_synapse_is_there(rng):
    """A rule that shared weights refuse."""
    options = {"learning_rate": 0.1, "plastic": ["conv1", "out"]}
    spec = replace(
        network(rng),
        connections=tuple(c for c in network(rng).connections if c.source != ALWAYS_ON),
    )
    with pytest.raises(ValueError, match="its weights are shared between positions"):
        with_learning(spec, rule="e-prop", **options)
    spec = without_learning(unrolled(with_learning(spec, **options)))
    spec = with_learning(spec, rule="e-prop", **options)
    frames, labels = events(rng)
    found = []
    for backend in ("numpy", *EXECUTIONS):
        with build(spec, backend) as execution:
            execution.learn(frames, labels)
            found.append(weights_of(execution.snapshot()))
    assert largest_difference(found[0], weights_of(spec)) > 1e-3
    for learned in found[1:]:
        assert largest_difference(learned, found[0]) < TOLERANCE


def test_it_comes_back_from_a_file(rng, tmp_path):
    spec = unrolled(learning(rng, feedback="symmetric"))
    save_spec(tmp_path / "unrolled.h5", spec)
    assert load_spec(tmp_path / "unrolled.h5") == spec


def test_what_cannot_be_unrolled_is_refused_by_name(rng):
    spec = network(rng)
    with pytest.raises(ValueError, match=r"none of its convolutions learns; name those .*conv1"):
        unrolled(spec)
    with pytest.raises(ValueError, match="population with a convolution"):
        unrolled(spec, ["out"])
    first, *rest = spec.connections
    large = EnlargingConvolution(np.ones((3, 2, 1, 1)), (2, 3, 5), enlarge=2)
    dense = Dense(np.ones((3, 3 * 6 * 10)))
    small = replace(
        spec,
        populations=(Population("conv1", (3, 6, 10), NEURON), spec.populations[-1]),
        connections=(
            replace(first, transform=large),
            replace(rest[-1], source="conv1", transform=dense),
        ),
        input_shape=(2, 3, 5),
    )
    with pytest.raises(ValueError, match="'input' to 'conv1': a convolution that enlarges maps"):
        unrolled(with_learning(small, learning_rate=0.1, plastic=["conv1", "out"]))
    with pytest.raises(ValueError, match=r"kernels for .* positions, but .* make"):
        LocalConvolution(np.ones((2, 2, 1, 1, 3, 3)), (1, 8, 8))


def test_frozen_it_is_the_convolution_in_integers_too(rng):
    spec = network(rng)
    frames, _ = events(rng)
    chips = [quantize(s) for s in (spec, unrolled(spec, ["conv1", "conv2"]))]
    outputs = [Engine(chip).run(frames) for chip in chips]
    np.testing.assert_array_equal(*outputs)
    with build(chips[1], "lava", convolutions="lava") as network_in_lava:
        np.testing.assert_array_equal(network_in_lava.run(frames).outputs, outputs[1])


def test_the_check_tells_what_a_convolution_that_learns_costs_on_the_chip(rng):
    spec = learning(rng, feedback="symmetric")
    findings = {(f.object, f.quantity): f for f in check(spec).findings}
    where = "connection 'conv1' to 'conv2'"
    copies = findings[where, "copies of a weight"]
    assert (copies.severity, copies.value) == ("warning", 3 * 2)
    assert "drift apart" in copies.remedy and "onchip unroll" in copies.remedy
    conv = spec.connections[2].transform
    synapses = sum(1 for _ in pairs_of(conv))
    assert synapses < conv.weight.size * 6  # some taps see padding alone
    unrolled_name = f"{where} (a copy at each position)"
    assert findings[unrolled_name, "synapses"].value == synapses
    assert findings[unrolled_name, "synaptic memory"].value == synapses  # bytes: 8 bits each
    assert findings["network", "feedback"].severity == "ok"
    alone = {(f.object, f.quantity): f for f in check(unrolled(spec)).findings}
    assert not any(quantity == "copies of a weight" for _, quantity in alone)
    of_conv2 = {name: f.value for (name, _), f in alone.items() if f.quantity == "fan-in"}
    assert of_conv2["layer 'conv2'"] == findings["layer 'conv2'", "fan-in"].value
