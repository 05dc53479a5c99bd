"""Residual networks with tdBN are graphs: every spike the same, in every execution."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import Engine, Network, with_learning
from onchip.deploy import build, load_spec, quantize, save_spec
from onchip.models import describe_model
from onchip.models.tdbn.fusion import fuse
from onchip.models.tdbn.recording import layer_spikes
from onchip.network.convolution import Convolution
from onchip.network.parts import ALWAYS_ON
from onchip.network.transforms import OneToOne
from onchip.neurons.readouts import LinearReadout

SIMULATED = ["torch", "lava", "lava-fast", "lava-fused"]


def engine_recorded(graph, frames):
    """Spikes [T, samples, ...] of every population of the engine but the readout, and outputs."""
    seen = {population.name: [] for population in graph.populations}
    outputs = Engine(graph).run(frames, lambda name, x: seen[name].append(x.copy()))
    return {name: np.stack(steps) for name, steps in list(seen.items())[:-1]}, outputs


@pytest.mark.parametrize("normalization", ["tdbn", "bias", "none"])
@pytest.mark.parametrize("hidden", [(24,), (24, 16), ()])
def test_every_spike_of_the_engine_is_the_networks(
    make_network, make_frames, hidden, normalization
):
    network = make_network(hidden=hidden, normalization=normalization)
    frames = make_frames(network, 12)
    graph = describe_model(network, {"dataset": "none"})
    assert isinstance(graph, Network)
    spikes, outputs = engine_recorded(graph, frames.numpy())
    ours = layer_spikes(network, frames)
    assert list(ours) == list(spikes)
    assert sum(s.size for s in spikes.values()) > 100_000
    for name, expected in ours.items():
        np.testing.assert_array_equal(spikes[name].reshape(expected.shape), expected, name)
        assert 0.002 < spikes[name].mean() < 0.98, name
    np.testing.assert_allclose(outputs, network(frames), atol=1e-12)


def test_a_shortcut_is_a_second_connection_into_the_neurons_behind_the_sum(make_network):
    network = make_network(v_threshold=0.6, decay=0.3, half_width=0.45)
    graph = describe_model(network, {"dataset": "none"}, time_steps=9)
    inside = [f"block{n}{part}" for n in (1, 2, 3) for part in (".inner", "")]
    assert [p.name for p in graph.populations] == ["stem", *inside, "fc1", "readout"]
    kinds = {
        (c.source, c.target): type(c.transform) for c in graph.connections if c.source != ALWAYS_ON
    }
    # The first block keeps size and channels, and so does the second of the second stage.
    assert kinds["stem", "block1"] is kinds["block2", "block3"] is OneToOne
    assert kinds["block1", "block2"] is kinds["block1.inner", "block1"] is Convolution
    identity = next(c for c in graph.connections if type(c.transform) is OneToOne)
    np.testing.assert_array_equal(identity.transform.weight, np.ones((6, 12, 10)))
    neurons = {(p.neuron.decay, p.neuron.v_threshold) for p in graph.populations[:-1]}
    assert neurons == {(0.3, 0.6)}
    assert graph.populations[-1].neuron == LinearReadout(0.3)
    assert (graph.time_steps, graph.learning, graph.metadata) == (9, None, {"dataset": "none"})


def test_a_fused_network_has_the_same_description(make_network):
    network = make_network()
    ours, theirs = describe_model(network), describe_model(fuse(network))
    assert ours.names == theirs.names
    for left, right in zip(ours.connections, theirs.connections, strict=True):
        np.testing.assert_allclose(left.transform.weight, right.transform.weight, rtol=1e-14)


def test_without_its_shortcuts_it_would_answer_otherwise(make_network, make_frames):
    """Guards the comparisons: a shortcut that were lost would be seen."""
    network = make_network()
    frames = make_frames(network, 4).numpy()
    graph = describe_model(network)
    cut = graph.with_weights({"block3.from_block2": np.zeros((9, 6, 5))})
    assert np.abs(Engine(cut).run(frames) - Engine(graph).run(frames)).max() > 1e-3


@pytest.mark.parametrize("backend", ["numpy", *SIMULATED])
def test_backends_take_it_and_answer_as_the_network_does(make_network, make_frames, backend):
    network = make_network()
    frames = make_frames(network, 6)
    expected = network(frames).sum(1).numpy()
    with build(describe_model(network), backend) as execution:
        found = execution.run(frames.numpy())
    np.testing.assert_allclose(found.outputs.sum(1), expected, atol=1e-9)
    np.testing.assert_array_equal(found.predictions, expected.argmax(1))


@pytest.mark.parametrize("backend", SIMULATED)
def test_its_dense_layers_learn_the_same_everywhere(make_network, make_frames, backend):
    network = make_network()
    frames, labels = make_frames(network, 12).numpy(), np.arange(12) % 4
    graph = with_learning(describe_model(network), learning_rate=0.02, feedback="symmetric")
    assert graph.plastic_names == ("fc1", "readout")
    engine = Engine(graph)
    outputs = np.concatenate(
        [engine.learn(frames[i : i + 1], labels[i : i + 1]) for i in range(12)]
    )
    expected = engine.snapshot()
    changed = [a != b for a, b in zip(graph.connections, expected.connections, strict=True)]
    assert sum(changed) == 4  # weights and biases of both layers
    with build(graph, backend) as execution:
        np.testing.assert_allclose(execution.learn(frames, labels).outputs, outputs, atol=1e-9)
        learned = execution.snapshot()
    for ours, theirs in zip(learned.connections, expected.connections, strict=True):
        np.testing.assert_allclose(ours.transform.weight, theirs.transform.weight, atol=1e-9)


@pytest.mark.parametrize("last", ["block2", "block3"], ids=["1x1 shortcut", "spikes as shortcut"])
@pytest.mark.parametrize("feedback", ["symmetric", "direct"])
def test_convolutions_of_a_block_learn_online_the_same_everywhere(
    make_network, make_frames, tmp_path, last, feedback
):
    """Fused, so that nothing of tdBN is left to learn with; the shortcut's convolution, too."""
    network = make_network()
    frames, labels = make_frames(network, 8).numpy(), np.arange(8) % 4
    plastic = [f"{last}.inner", last, "fc1", "readout"]
    plastic = (
        plastic if last == "block3" else ["block2.inner", "block2", "block3", "fc1", "readout"]
    )
    graph = with_learning(
        describe_model(network), learning_rate=0.01, feedback=feedback, plastic=plastic
    )
    engine = Engine(graph)
    outputs = np.concatenate([engine.learn(frames[i : i + 1], labels[i : i + 1]) for i in range(8)])
    expected = engine.snapshot()
    moved = {
        (a.source, a.target)
        for a, b in zip(graph.connections, expected.connections, strict=True)
        if a != b and isinstance(a.transform, Convolution)
    }
    source = "block1" if last == "block2" else "block2"
    assert {(source, f"{last}.inner"), (f"{last}.inner", last)} <= moved
    assert ((source, last) in moved) == (last == "block2")
    for backend in ("torch", "lava-fused"):
        with build(graph, backend) as execution:
            np.testing.assert_allclose(execution.learn(frames, labels).outputs, outputs, atol=1e-9)
            learned = execution.snapshot()
        for ours, theirs in zip(learned.connections, expected.connections, strict=True):
            np.testing.assert_allclose(ours.transform.weight, theirs.transform.weight, atol=1e-9)
    save_spec(tmp_path / "learned.h5", expected)
    assert load_spec(tmp_path / "learned.h5") == expected


@pytest.mark.parametrize("backend", ["lava", "lava-fast", "lava-fused"])
def test_its_integers_learn_the_same_everywhere_bit_for_bit(make_network, make_frames, backend):
    network = make_network()
    frames, labels = make_frames(network, 12).numpy(), np.arange(12) % 4
    graph = with_learning(describe_model(network), learning_rate=0.2, feedback="symmetric")
    integers = quantize(graph)
    engine = Engine(integers)
    outputs, expected = engine.learn(frames, labels), engine.snapshot()
    assert expected != integers
    with build(integers, backend) as execution:
        np.testing.assert_array_equal(execution.learn(frames, labels).outputs, outputs)
        assert execution.snapshot() == expected


def test_its_integers_are_near_it(make_network, make_frames):
    network = make_network()
    frames = make_frames(network, 40)
    integers = quantize(describe_model(network))
    found = Engine(integers).run(frames.numpy()).sum(1) * integers.populations[-1].membrane_unit
    ours = network(frames).sum(1).numpy()
    assert np.corrcoef(ours.ravel(), found.ravel())[0, 1] > 0.9


def test_it_round_trips_through_a_file(make_network, tmp_path):
    graph = with_learning(describe_model(make_network()), learning_rate=0.05)
    save_spec(tmp_path / "network.h5", graph)
    assert load_spec(tmp_path / "network.h5") == graph


def test_a_module_is_described_before_it_is_built_saved_or_quantized(make_network, tmp_path):
    network = make_network()
    for run in (
        lambda: save_spec(tmp_path / "network.h5", network),
        lambda: build(network, "numpy"),
        lambda: quantize(network),
    ):
        with pytest.raises(ValueError, match=r"^TdBNNetwork: cannot .*describe_model") as raised:
            run()
        assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []
