"""Real-valued pictures through every execution: the first convolution reads them on the host."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.deploy.backends.table import build
from onchip.deploy.quantization.network import quantize
from onchip.deploy.reports.quantization_report import report_quantization
from onchip.models.architectures.table import build_model
from onchip.models.data.dataset import hold
from onchip.models.description import describe_model
from onchip.network.learning import with_learning

STEPS, CLASSES = 4, 5


@pytest.fixture
def pictures(rng):
    """Normalised pictures of both signs, held for all steps."""
    return hold(rng.standard_normal((6, 3, 8, 8)).astype(np.float32), STEPS)


@pytest.fixture
def convnet():
    return build_model(
        "convnet",
        input_shape=(3, 8, 8),
        classes=CLASSES,
        time_steps=STEPS,
        channels=(4, 4),
        kernels=(3, 3),
        strides=(1, 1),
        pools=(2, 1),
        hidden=(7,),
        weight_gain=2.0,
    ).double()


def mlp():
    return build_model(
        "mlp", input_shape=(3, 8, 8), classes=CLASSES, time_steps=STEPS, hidden=(9,)
    ).double()


def test_the_engine_sees_what_torch_sees(convnet, pictures):
    outputs = convnet(torch.from_numpy(pictures.copy())).numpy()
    with build(describe_model(convnet), "numpy") as network:
        found = network.run(pictures).outputs
    np.testing.assert_allclose(found, outputs, rtol=1e-9, atol=1e-11)
    assert np.abs(outputs).max() > 0.1


@pytest.mark.parametrize("backend", ["lava", "lava-fused"])
def test_lava_learns_from_pictures_as_the_engine_does(convnet, pictures, backend):
    spec = with_learning(describe_model(convnet), learning_rate=0.05, plastic=["fc1", "readout"])
    labels = np.arange(len(pictures)) % CLASSES
    learned = []
    for name in ("numpy", backend):
        with build(spec, name) as network:
            network.learn(pictures, labels)
            learned.append(network.snapshot())
    for before, ours, theirs in zip(spec.layers, *(s.layers for s in learned), strict=True):
        np.testing.assert_allclose(theirs.weight, ours.weight, rtol=1e-9, atol=1e-12)
        if before.name in ("fc1", "readout"):
            assert np.abs(ours.weight - before.weight).max() > 1e-4


def test_synapses_in_lava_refuse_pictures_and_say_what_takes_them(pictures):
    spec = describe_model(mlp())
    with (
        build(spec, "lava") as network,
        pytest.raises(ValueError, match="whose first layer is a convolution"),
    ):
        network.run(pictures)


def test_integers_refuse_pictures(convnet, pictures):
    spec = describe_model(convnet)
    fixed = quantize(spec)
    with pytest.raises(ValueError, match="need a network in floating point"):
        report_quantization(spec, fixed, pictures)
    with (
        build(fixed, "numpy") as network,
        pytest.raises(ValueError, match="need a network in floating point"),
    ):
        network.run(pictures)
