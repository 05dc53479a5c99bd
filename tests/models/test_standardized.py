"""Weights behind those that spikes see: the trainer's own parameters, and autograd's chain rule."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from graph_cases import GRAPHS, largest_difference, weights_of

from onchip.models import build_model, describe_model, train, train_by_rule
from onchip.models.config import TrainingConfig
from onchip.models.training.standardized import StandardizedOptimizer
from onchip.network.learning import with_learning
from onchip.program.graphs import as_graph

SGD = TrainingConfig(method="ottt_o", optimizer="sgd", momentum=0, learning_rate=0.3, cosine=False)


def plastic_tensors(network) -> dict[str, torch.Tensor]:
    pairs = zip(network.names, network.connections, strict=True)
    return {n: torch.tensor(c.transform.weight) for n, c in pairs if c.plastic}


@pytest.fixture
def network(rng):
    return with_learning(GRAPHS["recurrent"](rng, 10), learning_rate=0.1)


def test_without_gradients_the_weights_stay_what_they_were(network):
    weights = plastic_tensors(network)
    before = {name: weight.clone() for name, weight in weights.items()}
    optimizer = StandardizedOptimizer(network, SGD, list(weights.values()))
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=1e-12)


def standardized_by_hand(inner, gain, mean, factor):
    centered = inner - inner.mean(1, keepdim=True)
    variance = centered.square().sum(1) / (inner.shape[1] - 1)
    return mean + factor * (gain / torch.sqrt(variance * inner.shape[1] + 1e-4))[:, None] * centered


def test_a_step_is_that_of_autograd_through_what_stands_behind(network, rng):
    """Rows begin at a mean square of 1 / fan-in over the whole matrix, gains at one."""
    weights = plastic_tensors(network)
    gradients = {n: torch.tensor(rng.normal(size=w.shape)) for n, w in weights.items()}
    before = {name: weight.clone() for name, weight in weights.items()}
    optimizer = StandardizedOptimizer(network, SGD, list(weights.values()))
    for name, weight in weights.items():
        weight.grad = gradients[name]
    optimizer.step()
    assert {"one.synapses", "one.recurrent", "out.synapses"} < set(weights)
    for name, old in before.items():
        if name.endswith("synapses") and name != "out.synapses":
            inner = old - old.mean(1, keepdim=True)
            inner = inner / inner.square().mean().sqrt() / old.shape[1] ** 0.5
            gain = torch.ones(len(old), dtype=old.dtype)
            one = standardized_by_hand(inner, gain, 0.0, 1.0)
            factor = (old - old.mean(1, keepdim=True)).norm(dim=1) / one.norm(dim=1)
            inner.requires_grad_(), gain.requires_grad_()
            constants = (old.mean(1, keepdim=True), factor[:, None])
            standardized_by_hand(inner, gain, *constants).backward(gradients[name])
            new = (inner - 0.3 * inner.grad, gain - 0.3 * gain.grad)
            expected = standardized_by_hand(*new, *constants).detach()
        else:
            factor = old.square().mean().sqrt() * old.shape[1] ** 0.5
            expected = old - 0.3 * factor**2 * gradients[name]
        torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-10, msg=name)


@pytest.mark.parametrize("method", ["ottt_o", "ottt_a"])
def test_by_ottt_it_learns_what_the_trainer_of_chains_learns(rng, method):
    """Adam, two epochs; of a chain whose own parameters have the spread that is taken here."""
    model = build_model("mlp", input_shape=(12,), classes=3, time_steps=6, hidden=(8,))
    with torch.no_grad():
        for layer in model.layers:
            weight = layer.connection.weight
            weight -= weight.mean(1, keepdim=True)
            weight /= weight.norm(dim=1, keepdim=True)
    network = with_learning(
        as_graph(describe_model(model)),
        learning_rate=0.1,
        plastic=["fc1", "readout"],
        mode="online" if method == "ottt_o" else "accumulate",
    )
    frames = (rng.random((16, 6, 12)) < 0.4).astype(np.uint8)
    data = SimpleNamespace(frames=frames, labels=rng.integers(0, 3, 16))
    config = TrainingConfig(method=method, epochs=2, batch_size=4, learning_rate=5e-3)
    found = weights_of(train_by_rule(network, data, data, config, standardized=True).network)
    plain = weights_of(train_by_rule(network, data, data, config).network)
    train(model, data, data, config)
    expected = weights_of(as_graph(describe_model(model)))
    assert largest_difference(weights_of(network), expected) > 0.04
    assert largest_difference(found, expected) < 2e-4
    assert largest_difference(plain, expected) > 5e-3
