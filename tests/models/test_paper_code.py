"""The published code's deviations, and the equations, against explicit loops over time."""

from __future__ import annotations

import copy

import pytest
import torch
from slow_ottt import (
    Unrolled,
    bptt_gradients,
    gradients_of,
    largest_difference,
    plain,
    slow_gradients,
    spikes_and_targets,
    spread_parameters,
)

from onchip.models.architectures.table import build_model
from onchip.models.training.checkpoint_fields import require_fitting
from onchip.models.training.feedback import make_feedback
from onchip.models.training.updates import Learner, bptt, ottt_a
from onchip.neurons.readouts import LinearReadout

ALPHA = 0.05
SMALL = {"input_shape": (2, 8, 8), "classes": 4, "time_steps": 5}


def small(name, **options):
    channels = (4, 5, "P", 6, 5)
    model = build_model(name, channels=channels, **SMALL, **options).double()
    spread_parameters(model)
    if name == "vggf" and options.get("paper_code"):
        spread_feedback(model)
    return model


def spread_feedback(model):
    """The published feedback away from its zeros, so that its order and edges show."""
    generator = torch.Generator().manual_seed(11)
    kernel = model.path.connection.weight
    with torch.no_grad():
        kernel.copy_(0.1 * torch.randn(kernel.shape, generator=generator, dtype=kernel.dtype))


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


def values(model):
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("classifier", ["light", "full"])
@pytest.mark.parametrize("name", ["vgg", "vggf"])
def test_six_updates_of_the_published_network_equal_those_of_explicit_loops(name, classifier):
    """As it is built: the feedback begins at zero, and learns from the second step on."""
    model = build_model(
        name, channels=(4, 5, "P", 6, 5), classifier=classifier, paper_code=True, **SMALL
    ).double()
    frames, targets = spikes_and_targets(model)
    frames = 4.0 * frames.double()  # as strong as it takes for every layer to spike
    slow = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    learner = Learner(model, optimizer, make_feedback(model, "exact"), ALPHA)
    for _ in range(6):
        result = ottt_a(learner, frames, targets)
        found = slow_gradients(slow, frames, targets, ALPHA, paper_code=True)
        unrolled = Unrolled(slow, published=True)
        with torch.no_grad():
            output = sum(unrolled.step(frames[:, n]) for n in range(frames.shape[1]))
            for parameter, gradient in zip(slow.parameters(), found, strict=True):
                parameter -= 0.2 * gradient
        assert float((result.output - output).abs().max()) < 1e-12
        assert all(torch.is_tensor(s) and bool(s.any()) for s in unrolled.s[:-1])
        assert largest_difference(values(model), values(slow)) < 1e-12
    if name == "vggf":
        assert model.path.connection.weight.abs().max() > 1e-3
        assert model.path.connection.bias.abs().max() > 1e-3


def test_the_published_vggf_begins_as_the_vgg_without_feedback():
    model, chain = (
        build_model(n, channels=(4, 5, "P", 6, 5), paper_code=True, **SMALL).double()
        for n in ("vggf", "vgg")
    )
    assert {name for name, _ in model.path.named_parameters()} == {
        "connection.weight",
        "connection.bias",
    }
    assert not any(bool(p.any()) for p in model.path.parameters())
    chain.load_state_dict({k: v for k, v in model.state_dict().items() if k[:4] != "path"})
    frames, _ = spikes_and_targets(model)
    assert torch.equal(model(4.0 * frames.double()), chain(4.0 * frames.double()))


def test_the_published_feedback_enlarges_the_map_before_it_convolves():
    """At a square's border the kernel reads two of the source's neurons, which one value over a
    square of the default's never does; nothing is fed back, bias included, at the first step."""
    model = small("vggf", paper_code=True)
    frames, _ = spikes_and_targets(model)
    with torch.no_grad():
        _, first = model.step(frames[:, 0].double(), model.initial_state())
        _, second = model.step(frames[:, 1].double(), first)
        own = model.layers[0].connection
        bias = own.bias.view(1, -1, 1, 1)
        fed = torch.nn.functional.conv2d(frames[:, 0].double(), plain(own), padding=1) + bias
        torch.testing.assert_close(first[0].neuron.u, fed)
        u, spikes = first[0].neuron
        fed = torch.nn.functional.conv2d(frames[:, 1].double(), plain(own), padding=1) + bias
        arrived = second[0].neuron.u - 0.5 * (u - spikes) - fed
        sent, kernel = 2.74 * first[3].neuron.spikes, model.path.connection.weight
        assert sent.any()
        row, column = 3, 5  # enlarged by 2: reads rows 2 to 4, columns 4 to 6
        read = torch.stack(
            [sent[:, :, r // 2, c // 2] for r in (2, 3, 4) for c in (4, 5, 6)], dim=-1
        )
        expected = torch.einsum("bik,oik->bo", read, kernel.flatten(2))
        expected = expected + model.path.connection.bias
        torch.testing.assert_close(arrived[..., row, column], expected)


def test_bptt_of_the_published_vggf_is_that_of_autograd():
    model = small("vggf", paper_code=True)
    frames, targets = spikes_and_targets(model)
    expected = bptt_gradients(model, frames, targets, ALPHA, paper_code=True)
    assert largest_difference(gradients_of(bptt, model, frames, targets, ALPHA), expected) < 1e-11


def test_a_checkpoint_of_another_feedback_is_refused_by_name():
    """`paper_code=True` had the default's feedback before it was the published network's."""
    options = {"channels": (4, 5, "P", 6, 5), **SMALL}
    model = build_model("vggf", paper_code=True, **options)
    default = build_model("vggf", **options).state_dict()
    with pytest.raises(ValueError, match=r"old\.pt: layer 'feedback': bias is missing; take the"):
        require_fitting(model, default, "old.pt")
