"""FPTT around the package's own networks, which deploy as they do after any other training."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from onchip import Engine
from onchip.models import build_model, describe_model
from onchip.models.fptt.learners import Batch, BPTTLearner, FPTTLearner, detach
from onchip.models.fptt.modules import PartByPart
from onchip.models.fptt.optimizer import FPTT, FPTTConfig

STEPS, CLASSES = 8, 3
NETWORKS = {
    "mlp": {"hidden": (10,)},
    "recurrent": {"hidden": (10,), "recurrent": True},
    "convnet": {},
}


def made(name):
    torch.manual_seed(1)
    options = {"input_shape": (2, 8, 8), "classes": CLASSES, "time_steps": STEPS}
    model = "convnet" if name == "convnet" else "mlp"
    return build_model(model, **options, **NETWORKS[name]).double()


def batch(samples=6):
    """Events of three classes, each in rows of its own."""
    rng = np.random.default_rng(2)
    labels = np.arange(samples) % CLASSES
    frames = rng.random((STEPS, samples, 2, 8, 8)) < 0.1
    for n, label in enumerate(labels):
        frames[:, n, :, 2 * label : 2 * label + 2] |= rng.random((STEPS, 2, 2, 8)) < 0.6
    return Batch(torch.from_numpy(frames.astype(np.float64)), torch.from_numpy(labels))


def fptt_of(module, rate=0.05):
    return FPTT(module, torch.optim.SGD(module.parameters(), lr=rate), FPTTConfig(clip=0.0))


@pytest.mark.parametrize("name", NETWORKS)
def test_an_update_is_that_of_a_loop_over_the_steps_of_each_part(name):
    network, data = made(name), batch()
    twin = copy.deepcopy(network)
    module = PartByPart(network)
    FPTTLearner(module, fptt_of(module), functional.cross_entropy, 2).learn(data)
    weights = list(twin.parameters())
    means, duals = [w.detach().clone() for w in weights], [torch.zeros_like(w) for w in weights]
    state = twin.initial_state()
    for part in (1, 2):
        total = 0
        for n in range((part - 1) * 4, part * 4):
            output, state = twin.step_through_time(data.x[n], state)
            total = total + output
        loss = part / 2 * functional.cross_entropy(total / 4, data.target)
        for w, mean, dual in zip(weights, means, duals, strict=True):
            loss = loss - (w * dual).sum() + 0.25 * ((w - mean) ** 2).sum()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g, mean, dual in zip(weights, gradients, means, duals, strict=True):
                w -= 0.05 * g
                dual -= 0.5 * (w - mean)
                mean.copy_(0.5 * mean + 0.5 * w - dual)
        state = detach(state)
    for a, b in zip(network.parameters(), weights, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    moved = [not torch.equal(a, b) for a, b in zip(weights, made(name).parameters(), strict=True)]
    assert sum(moved) >= 4


def test_in_one_part_the_outputs_are_those_of_inference_on_average():
    network, data = made("recurrent"), batch()
    outputs, _ = PartByPart(network)(data.x)
    with torch.no_grad():
        expected = network(data.x.transpose(0, 1)).mean(dim=1)
    torch.testing.assert_close(outputs.detach(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_a_network_trained_so_is_described_and_runs_in_the_engine(method):
    network, data = made("mlp"), batch(30)
    module = PartByPart(network)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    learner = BPTTLearner(module, optimizer, functional.cross_entropy)
    if method == "fptt":
        fptt = FPTT(module, optimizer, FPTTConfig(alpha=0.1))
        learner = FPTTLearner(module, fptt, functional.cross_entropy, 2, oracle=True)
    losses = [learner.learn(data) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    frames = data.x.transpose(0, 1)
    outputs = Engine(describe_model(network)).run(frames.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(outputs, network(frames).numpy(), atol=1e-9)
    assert (outputs.sum(axis=1).argmax(axis=1) == data.target.numpy()).mean() > 0.9
