"""One rule for what a network takes, on every backend, before anything runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip import LIF, ConvSpec, DenseSpec, Engine, LeakyIntegrator, NetworkSpec
from onchip.deploy.backends.inputs import takes_currents
from onchip.deploy.backends.table import build
from onchip.deploy.parity.comparison import compare
from onchip.deploy.quantization.network import quantize
from onchip.network.learning import without_learning

BACKENDS = ("numpy", "compiled", "lava", "lava-fast", "lava-fused", "lava-compiled", "torch")


def change(frames, value, kind=None):
    changed = frames.astype(kind or frames.dtype)
    changed[-1, 0].flat[0] = value
    return changed


BAD = {
    "2": (lambda frames: change(frames, 2), "hold the value 2; .* binary spikes"),
    "half": (lambda frames: change(frames, 0.5, np.float32), "hold the value 0.5; "),
    "-1": (lambda frames: change(frames, -1, np.int64), "hold the value -1; "),
    "nan": (lambda frames: change(frames, np.nan, float), "NaN or infinite, first in sample 2"),
    "steps": (lambda frames: frames[:, 1:], "frames have shape"),
    "text": (lambda frames: frames.astype(str), "must be numbers"),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_frame_is_refused_alike_everywhere_and_nothing_learned_is_lost(
    dense, samples, rng, backend
) -> None:
    frames, labels = samples(dense, 3, rng)
    frames[-1, 0].flat[0] = 0
    engine = Engine(dense)
    for place in (0, 1, 2, 0, 1, 2):
        engine.learn(frames[[place]], labels[[place]])
    with build(dense, backend) as network:
        network.learn(frames, labels)
        for spoil, message in BAD.values():
            for call in (
                lambda bad: network.run(bad),
                lambda bad: network.learn(bad, labels),
                lambda bad: network.evaluate(bad, labels),
            ):
                with pytest.raises(ValueError, match=message) as caught:
                    call(spoil(frames))
                assert "\n" not in str(caught.value)
        with pytest.raises(ValueError, match="out of range"):
            network.learn(frames, labels + 9)
        network.learn(frames, labels)
        learned = network.snapshot()
    for ours, theirs in zip(learned.layers, engine.snapshot().layers, strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", ("numpy", "lava-fast", "lava-fused"))
def test_integers_take_spikes_only_whatever_their_first_layer(
    spec: NetworkSpec, samples, rng, backend
) -> None:
    fixed = quantize(spec)
    frames, labels = samples(spec, 3, rng)
    with build(fixed, backend) as network:
        before = network.state()
        for call in (lambda bad: network.run(bad), lambda bad: network.learn(bad, labels)):
            with pytest.raises(ValueError, match="hold the value 2"):
                call(change(frames, 2))
        after = network.state()
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)


@pytest.mark.parametrize("backend", ("lava-fast", "lava-fused", "torch"))
def test_currents_into_a_convolution_are_taken_everywhere(rng, backend) -> None:
    convolution = ConvSpec("conv", rng.normal(0, 0.5, (4, 2, 3, 3)), LIF(), (2, 5, 5))
    readout = DenseSpec("readout", rng.normal(0, 0.5, (3, 36)), LeakyIntegrator())
    spec = NetworkSpec((convolution, readout), (2, 5, 5), 3)
    assert takes_currents(spec) and not takes_currents(quantize(spec))
    frames = rng.normal(0, 1, (2, spec.time_steps, *spec.input_shape))
    with build(spec) as engine, build(spec, backend) as network:
        expected = engine.run(frames).outputs
        np.testing.assert_allclose(network.run(frames).outputs, expected, rtol=1e-9, atol=1e-12)
    assert expected.any()


@pytest.mark.parametrize(
    "as_type",
    [
        lambda frames: torch.tensor(frames),
        lambda frames: frames.astype(">f8"),
        lambda frames: frames.astype(">i2"),
        lambda frames: frames.astype(np.float16),
        lambda frames: frames.astype(bool),
        lambda frames: frames.tolist(),
    ],
)
@pytest.mark.parametrize("backend", ("numpy", "lava-fused", "torch"))
def test_spikes_and_labels_of_any_type_mean_the_same(dense, samples, rng, backend, as_type) -> None:
    frames, labels = samples(dense, 2, rng)
    with build(dense, backend) as network:
        expected = network.learn(frames, labels).outputs
    for kind in (labels.astype(">i4"), labels.astype(np.uint8), labels.tolist()):
        with build(dense, backend) as network:
            found = network.learn(as_type(frames), kind).outputs
        np.testing.assert_array_equal(found, expected)


def test_parity_refuses_what_the_executions_would(dense, samples, rng) -> None:
    frames, labels = samples(dense, 2, rng)
    with pytest.raises(ValueError, match="hold the value 2"):
        compare(dense, change(frames, 2), labels, {})


@pytest.mark.parametrize("backend", ("numpy", "lava-fast", "lava-fused"))
def test_integers_without_learning_keep_their_state_and_go_on(
    spec: NetworkSpec, samples, rng, backend
) -> None:
    fixed = quantize(without_learning(spec))
    frames, _ = samples(spec, 3, rng)
    with build(fixed, backend) as network, build(fixed, backend) as other:
        expected = network.run(frames).outputs
        state = network.state()
        assert network.snapshot() == fixed
        np.testing.assert_array_equal(network.run(frames).outputs, expected)
        other.run(frames[:1])  # lava-fast takes a state of integers after its first step only
        other.restore(state)
        np.testing.assert_array_equal(other.run(frames).outputs, expected)
        again = network.state()
    assert all((again[name] == state[name]).all() for name in state)
