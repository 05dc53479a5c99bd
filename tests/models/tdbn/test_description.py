"""Plain networks are deployed with every spike the same."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import Engine, with_learning
from onchip.deploy import build, load_spec, quantize, save_spec
from onchip.models import describe_model
from onchip.models.tdbn.fusion import fuse
from onchip.models.tdbn.recording import layer_spikes
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LinearReadout


def engine_recorded(spec, frames):
    """Spikes [T, samples, ...] of every layer of the engine but the readout, and its outputs."""
    seen = {layer.name: [] for layer in spec.layers}
    outputs = Engine(spec).run(frames, lambda name, x: seen[name].append(x.copy()))
    return {name: np.stack(steps) for name, steps in list(seen.items())[:-1]}, outputs


@pytest.mark.parametrize("hidden", [(24,), (24, 16), ()])
def test_every_spike_of_the_engine_is_the_networks(make_network, make_frames, hidden):
    network = make_network(skip=False, hidden=hidden)
    frames = make_frames(network, 16)
    spec = describe_model(network, {"dataset": "none"})
    spikes, outputs = engine_recorded(spec, frames.numpy())
    ours = layer_spikes(network, frames)
    assert list(ours) == list(spikes)
    assert sum(s.size for s in spikes.values()) > 200_000
    for name, expected in ours.items():
        np.testing.assert_array_equal(spikes[name].reshape(expected.shape), expected)
        assert 0.005 < spikes[name].mean() < 0.95, name
    np.testing.assert_allclose(outputs, network(frames), atol=1e-12)


def test_the_specification_holds_convolutions_with_bias_and_dense_layers(make_network):
    network = make_network(skip=False, v_threshold=0.6, decay=0.3, half_width=0.45)
    spec = describe_model(network, {"dataset": "none"}, time_steps=9)
    names = ["stem", *(f"conv{n}" for n in range(1, 7)), "fc1", "readout"]
    assert [layer.name for layer in spec.layers] == names
    assert [type(layer) for layer in spec.layers] == [ConvSpec] * 7 + [DenseSpec] * 2
    assert all(layer.bias is not None for layer in spec.layers)
    neurons = {(n.decay, n.v_threshold, n.reset) for n in (la.neuron for la in spec.layers[:-1])}
    assert neurons == {(0.3, 0.6, "hard")}
    surrogate = spec.layers[0].neuron.surrogate
    assert (surrogate.name, surrogate.parameter) == ("rectangle", pytest.approx(1.5))
    assert spec.layers[-1].neuron == LinearReadout(0.3)
    assert isinstance(spec.layers[-2].neuron, LIF)
    assert (spec.time_steps, spec.learning) == (9, None)
    assert spec.metadata == {"dataset": "none"}


def test_the_mean_over_each_map_is_in_the_weights_of_the_layer_that_reads_it(make_network, rng):
    network = make_network(skip=False)
    spec = describe_model(network)
    layer = next(la for la in spec.layers if la.name == "fc1")
    maps = rng.random(spec.layers[-3].output_shape)
    weight = network.dense[0].connection.weight.detach().numpy()
    np.testing.assert_allclose(layer.weight @ maps.ravel(), weight @ maps.mean((1, 2)), rtol=1e-12)


def test_a_fused_network_has_the_same_description(make_network):
    network = make_network(skip=False)
    fused = describe_model(fuse(network))
    for ours, theirs in zip(describe_model(network).layers, fused.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)
        np.testing.assert_array_equal(ours.bias, theirs.bias)


@pytest.mark.parametrize("backend", ["numpy", "torch", "lava-fused"])
def test_backends_take_it_and_answer_as_the_network_does(make_network, make_frames, backend):
    network = make_network(skip=False)
    frames = make_frames(network, 6)
    expected = network(frames).sum(1).numpy()
    with build(describe_model(network), backend) as execution:
        found = execution.run(frames.numpy())
    np.testing.assert_allclose(found.outputs.sum(1), expected, atol=1e-9)
    np.testing.assert_array_equal(found.predictions, expected.argmax(1))


@pytest.mark.parametrize("backend", ["numpy", "lava-fused"])
def test_its_integers_run_and_are_near_it(make_network, make_frames, backend):
    """The same integers on both backends; outputs are near those in floating point."""
    network = make_network(skip=False)
    frames = make_frames(network, 40)
    fixed = quantize(describe_model(network))
    with build(fixed, "numpy") as execution:
        reference = execution.run(frames.numpy())
    with build(fixed, backend) as execution:
        found = execution.run(frames.numpy())
    np.testing.assert_array_equal(found.outputs, reference.outputs)
    unit = fixed.layers[-1].membrane_unit
    ours, theirs = network(frames).sum(1).numpy(), found.outputs.sum(1) * unit
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9


def test_it_round_trips_through_a_file(make_network, make_frames, tmp_path):
    network = make_network(skip=False)
    frames = make_frames(network, 4)
    spec = describe_model(network)
    save_spec(tmp_path / "network.h5", spec)
    again = load_spec(tmp_path / "network.h5")
    assert again == spec
    np.testing.assert_array_equal(
        engine_recorded(again, frames.numpy())[1], engine_recorded(spec, frames.numpy())[1]
    )


def test_its_dense_layers_learn_online(make_network, make_frames):
    """From one sample shown again and again: its answer becomes the label."""
    network = make_network(skip=False)
    frames = make_frames(network, 1).numpy()
    spec = with_learning(describe_model(network), learning_rate=0.05)
    with build(spec, "lava-fused") as execution:
        wrong = int(execution.run(frames).outputs.sum(1).argmin())
        execution.learn(np.repeat(frames, 60, axis=0), np.full(60, wrong))
        learned = execution.snapshot()
        assert execution.run(frames).predictions.tolist() == [wrong]
    changed = {
        layer.name: not np.array_equal(layer.weight, other.weight)
        for layer, other in zip(spec.layers, learned.layers, strict=True)
    }
    assert {name for name, different in changed.items() if different} == {"fc1", "readout"}
