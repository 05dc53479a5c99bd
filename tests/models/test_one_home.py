"""The decay belongs to the neurons, and what does not exist cannot be set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from onchip import Engine
from onchip.models import TorchNetwork, build_model, describe_model
from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.feedback import make_feedback
from onchip.models.training.updates import Learner, ottt_a
from onchip.network.learning import with_learning
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout


@pytest.mark.parametrize(
    "make",
    [
        lambda: SpikingLayer("fc", OTTTLinear(4, 3, 0.5), LIF(0.9)),
        lambda: SpikingLayer("fc", OTTTLinear(4, 3, decay=0.5), LeakyIntegrator(0.9)),
        lambda: SpikingLayer("fc", OTTTConv2d((1, 2), (3, 3), 0.5), LIF(0.9)),
        lambda: SpikingLayer("fc", OTTTLinear(4, 3), LIF(0.9), recurrent=OTTTLinear(3, 3, 0.5)),
        lambda: SpikingLayer("fc", OTTTLinear(4, 3, 0.5, traced=False), LinearReadout(0.9)),
    ],
)
def test_a_connection_with_another_decay_than_its_neurons_is_refused(make):
    with pytest.raises(ValueError, match=r"^layer 'fc': its connection has decay 0\.5 and its neu"):
        make()


def by_hand(hidden, readout, rng):
    """A recurrent hidden layer and a readout, float64, whose weights make it spike."""
    layers = [
        SpikingLayer("fc", OTTTLinear(6, 5), hidden, recurrent=OTTTLinear(5, 5, bias=False)),
        SpikingLayer("out", OTTTLinear(5, 3), readout),
    ]
    model = SpikingNetwork(layers, (6,), 7).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(0, 0.7, parameter.shape)))
    return model


@pytest.mark.parametrize("decay", [0.0625, 0.5, 0.9, 1.0])
def test_training_makes_the_update_of_the_network_that_is_deployed(decay, rng):
    """The engine takes the traces' decay from the neurons of the spec; neurons may be exchanged."""
    model = by_hand(LIF(0.3), LeakyIntegrator(0.4), rng)
    model.layers[0].neuron, model.layers[1].neuron = LIF(decay), LeakyIntegrator(decay)
    frames = (rng.random((4, 7, 6)) < 0.5).astype(np.uint8)
    labels = np.array([0, 1, 2, 1])
    spec = with_learning(describe_model(model), learning_rate=0.1, mode="accumulate")
    engine = Engine(spec)
    engine.learn(frames, labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    learner = Learner(model, optimizer, make_feedback(model, "exact", 0), mse_weight=0.05)
    ottt_a(learner, torch.from_numpy(frames), torch.eye(3, dtype=torch.float64)[labels])
    for layer, ours in zip(engine.snapshot().layers, model.layers, strict=True):
        np.testing.assert_allclose(ours.connection.weight.detach(), layer.weight, atol=1e-12)
        np.testing.assert_allclose(ours.connection.bias.detach(), layer.bias, atol=1e-12)
        if ours.recurrent is not None:
            expected = layer.recurrent_weight
            np.testing.assert_allclose(ours.recurrent.weight.detach(), expected, atol=1e-12)


def test_a_decay_cannot_be_changed_beside_its_home():
    layer = build_model("mlp", input_shape=(4,), classes=3).layers[0]
    with pytest.raises(AttributeError):
        layer.connection.decay = 0.9
    with pytest.raises(AttributeError):
        layer.connection.trace_decay = 0.9
    with pytest.raises(AttributeError, match="SpikingLayer has no attribute 'decay'"):
        layer.decay = 0.9


def test_a_connection_of_its_own_needs_a_decay_to_learn():
    connection = OTTTLinear(4, 3)
    with pytest.raises(ValueError, match="it has no decay; put it into a layer"):
        connection.step(torch.ones(1, 4), connection.initial_state())
    with torch.no_grad():
        connection.step(torch.ones(1, 4), connection.initial_state())


MODELS = {
    "mlp": {},
    "convnet": {},
    "vgg": {"channels": (2, "P", 3)},
    "vggf": {"channels": (2, "P", 3)},
    "resnet34": {"blocks": (1,), "widths": (2,)},
}


@pytest.mark.parametrize("name", MODELS)
def test_a_network_and_its_layers_take_no_setting_that_they_have_not_got(name):
    model = build_model(name, input_shape=(2, 16, 16), classes=3, **MODELS[name])
    parts = [model, model.layers[0], model.layers[0].connection, model.layers[-1]]
    for part in parts:
        with pytest.raises(AttributeError, match="has no attribute 'learning_rate'"):
            part.learning_rate = 0.5
    with pytest.raises(AttributeError, match="did you mean 'time_steps'"):
        model.time_step = 3
    model.time_steps = 3
    model.head = nn.Linear(2, 2)  # a module is seen by optimizers and checkpoints
    assert "head.weight" in model.state_dict()


def test_the_trainer_as_an_execution_takes_no_setting(rng):
    model = by_hand(LIF(), LeakyIntegrator(), rng)
    network = TorchNetwork(describe_model(model))
    with pytest.raises(AttributeError, match="TorchNetwork has no attribute 'learning_rate'"):
        network.learning_rate = 0.5
