"""Every Lava backend behind the one interface: streams, measures, and goes on from a state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.table import build
from onchip.models.torch_graph import TorchGraph
from onchip.network.chain import graph_of
from onchip.network.learning import with_learning

BACKENDS = ("compiled", "lava", "lava-fast", "lava-fused", "lava-compiled")


@pytest.mark.parametrize("backend", BACKENDS)
def test_learning_with_measured_samples_equals_the_engine(spec, samples, rng, backend) -> None:
    """Convolutions on the host (layers) and in the process (fused)."""
    frames, labels = samples(spec, 6, rng)
    with build(spec, record=True) as engine:
        expected, learned = engine.learn(frames, labels, measure=2), engine.snapshot()
    with build(spec, backend, record=True) as network:
        found, ours = network.learn(frames, labels, measure=2), network.snapshot()
    assert found.predictions is not None and expected.predictions is not None
    assert found.predictions.tolist() == expected.predictions.tolist()
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=1e-9, atol=1e-12)
    assert found.spikes.keys() == expected.spikes.keys()
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], spikes)
    for layer, other in zip(ours.layers, learned.layers, strict=True):
        np.testing.assert_allclose(layer.weight, other.weight, rtol=1e-9, atol=1e-12)
    assert 0 < found.seconds and found.samples == 6


@pytest.mark.parametrize("backend", ("numpy", *BACKENDS))
def test_an_execution_goes_on_from_its_state(spec, samples, rng, backend) -> None:
    frames, labels = samples(spec, 4, rng)
    with build(spec, backend) as network:
        network.learn(frames[:2], labels[:2])
        state = network.state()
        expected = network.learn(frames[2:], labels[2:]).outputs
        network.restore(state)
        np.testing.assert_array_equal(network.learn(frames[2:], labels[2:]).outputs, expected)
        with pytest.raises(ValueError, match="state"):
            network.restore({})


def test_an_optimizer_keeps_more_than_the_state(dense) -> None:
    spec = graph_of(with_learning(dense, learning_rate=0.1))
    engine = TorchGraph(spec, optimizer=lambda weights: torch.optim.Adam(weights))
    with pytest.raises(ValueError, match="its optimizer keeps more than the weights; use snapshot"):
        EngineNetwork(engine).state()


def test_torch_refuses_a_state_of_another_network_before_any_change(dense) -> None:
    for spec in (dense, graph_of(dense)):
        with build(spec, "torch") as network:
            state = network.state()
            name = next(iter(state))
            with pytest.raises(ValueError, match=f"{name} has shape"):
                network.restore({**state, name: state[name][:1]})
            with pytest.raises(ValueError, match="missing"):
                network.restore({})
            assert network.snapshot() == spec


@pytest.mark.parametrize("measure", [-1, 2.0, -2])
def test_a_measure_that_is_no_count_is_refused(dense, samples, rng, measure) -> None:
    with build(dense) as network, pytest.raises(ValueError, match=r"learn: measure is .*integer"):
        network.learn(*samples(dense, 4, rng), measure=measure)


def test_a_stream_shorter_than_said_is_refused(dense, samples, rng) -> None:
    frames, _ = samples(dense, 2, rng)
    with build(dense) as network, pytest.raises(ValueError, match="2 were given"):
        network._network.stream(((frame, None) for frame in frames), 3, lambda: None)


def test_a_fused_network_goes_on_from_the_state_of_an_engine_that_ran_a_batch(
    dense, samples, rng
) -> None:
    frames, labels = samples(dense, 4, rng)
    with build(dense) as engine, build(dense, "lava-fused") as fused:
        engine.learn(frames[:2], labels[:2])
        engine.run(frames)
        fused.restore(engine.state())
        ours, theirs = fused.learn(frames, labels), engine.learn(frames, labels)
        np.testing.assert_array_equal(ours.outputs, theirs.outputs)
