"""The published code's deviations, and the equations, against explicit loops over time."""

from __future__ import annotations

import pytest
import torch
from slow_ottt import (
    gradients_of,
    largest_difference,
    slow_gradients,
    spikes_and_targets,
    spread_parameters,
)

from onchip.models.architectures.table import build_model
from onchip.models.training.updates import ottt_a
from onchip.neurons.readouts import LinearReadout

ALPHA = 0.05
SMALL = {"input_shape": (2, 8, 8), "classes": 4, "time_steps": 5}


def small(name, **options):
    channels = (4, 5, "P", 6, 5)
    model = build_model(name, channels=channels, **SMALL, **options).double()
    spread_parameters(model)
    return model


@pytest.mark.parametrize("classifier", ["light", "full"])
@pytest.mark.parametrize("name", ["vgg", "vggf"])
@pytest.mark.parametrize("paper_code", [True, False])
def test_gradients_equal_those_of_explicit_loops(name, paper_code, classifier):
    model = small(name, paper_code=paper_code, classifier=classifier)
    frames, targets = spikes_and_targets(model)
    expected = slow_gradients(model, frames, targets, ALPHA, paper_code=paper_code)
    found = gradients_of(ottt_a, model, frames, targets, ALPHA)
    assert all(gradient.abs().max() > 1e-5 for gradient in expected)
    assert largest_difference(found, expected) < 1e-12


def test_paper_code_and_the_equations_differ_in_first_kernel_and_biases_only():
    model, published = small("vgg", readout="linear"), small("vgg", paper_code=True)
    frames, targets = spikes_and_targets(model)
    ours = gradients_of(ottt_a, model, frames, targets, ALPHA)
    theirs = gradients_of(ottt_a, published, frames, targets, ALPHA)
    differing = [
        name
        for (name, _), a, b in zip(model.named_parameters(), ours, theirs, strict=True)
        if (a - b).abs().max() > 1e-9
    ]
    biases = [name for name, _ in model.named_parameters() if name.endswith("bias")]
    first = ["layers.0.connection.weight", "layers.0.connection.gain"]
    assert sorted(differing) == sorted(first + biases)


def test_the_linear_readout_of_the_published_code_learns_by_the_trace():
    model = small("vgg", paper_code=True)
    assert isinstance(model.layers[-1].neuron, LinearReadout)
    connection = model.layers[-1].connection
    first, second = torch.rand(2, 3, 5, dtype=torch.float64)
    _, state = connection.step(first, connection.initial_state())
    current, state = connection.step(second, state)
    current.backward(torch.ones_like(current))
    torch.testing.assert_close(connection.weight.grad[0], (0.5 * first + second).sum(0))
    torch.testing.assert_close(connection.bias.grad, torch.full((4,), 3.0).double())


def test_paper_code_refuses_another_readout():
    with pytest.raises(ValueError, match="paper_code has a linear readout, not 'leaky'"):
        small("vgg", paper_code=True, readout="leaky")
