"""Half precision and compiled neurons: the same learning, and what they cannot do is said."""

from __future__ import annotations

import functools
import shutil
import warnings

import pytest
import torch
from slow_ottt import gradients_of, largest_difference, spikes_and_targets, spread_parameters

from models import acceleration, autograd
from models.acceleration import accelerated, compiled_neurons
from models.architectures import build_model
from models.autograd import TracedConv2d, TracedLinear
from models.command_line import main
from models.feedback import make_feedback
from models.updates import Learner, ottt_a, ottt_o
from onchip.neurons import LIF
from onchip.surrogates import SURROGATES, Surrogate

ALPHA = 0.05
FRAMES = {"input_shape": (2, 8, 8), "classes": 4, "time_steps": 5}
NETWORKS = {
    "vgg": {"channels": (4, 5, "P", 6, 5)},
    "mlp": {"hidden": (7,), "surrogate": "triangle", "reset": "hard"},
    "resnet34": {"blocks": (1,), "widths": (4,), "stem_kernel": 3, "stem_stride": 1},
}


def network(name, **options):
    model = build_model(name, **FRAMES, **NETWORKS[name], **options)
    spread_parameters(model)
    return model


def direction(gradients):
    return torch.cat([x.flatten() for x in gradients])


@pytest.fixture
def compiler(monkeypatch):
    """Where the machine has no C++ compiler, torch runs the graphs that it would have compiled."""
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        captured = functools.partial(torch.compile, backend="eager")
        monkeypatch.setattr(acceleration.torch, "compile", captured)


@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_neurons_have_the_same_gradients(compiler, name):
    model = network(name).double()
    frames, targets = spikes_and_targets(model)
    expected = gradients_of(ottt_a, model, frames, targets, ALPHA)
    plain = autograd.kernels
    with compiled_neurons():
        assert autograd.kernels is not plain
        found = gradients_of(ottt_a, model, frames, targets, ALPHA)
    assert autograd.kernels is plain
    assert float(direction(expected).abs().max()) > 1e-3
    assert largest_difference(found, expected) < 1e-12


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_a_step_and_a_surrogate_are_one_graph_each(surrogate):
    neuron, maps = LIF(surrogate=Surrogate(surrogate)), torch.rand(2, 3, 4, 4)
    for function, inputs in (
        (acceleration._advance, (maps, maps, maps, neuron)),
        (acceleration._surrogate_gradient, (maps, maps, neuron)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch._dynamo.explain(function)(*inputs)
        assert (found.graph_count, found.graph_break_count) == (1, 0)


def test_what_cannot_be_compiled_is_said_and_nothing_stays_changed(monkeypatch):
    def broken(*_):
        raise OSError("no compiler\nin a long trace")

    monkeypatch.setattr(acceleration.torch, "compile", lambda *_, **__: broken)
    plain = autograd.kernels
    with pytest.raises(ValueError, match=r"does not work for cpu here \(no compiler\)"):
        with compiled_neurons():
            pass
    assert autograd.kernels is plain


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e6])
@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_float16_keeps_gradients_of_any_size(kind, size):
    generator = torch.Generator().manual_seed(3)
    maps = (3, 4) if kind == "dense" else (3, 4, 6, 6)
    weight = torch.randn((5, 4) if kind == "dense" else (5, 4, 3, 3), generator=generator)
    spikes = torch.randn(maps, generator=generator)
    trace = torch.rand(maps, generator=generator)

    def gradients():
        inputs = [x.clone().requires_grad_() for x in (spikes, weight)]
        if kind == "dense":
            current = TracedLinear.apply(*inputs, None, trace, 1.0, None)
        else:
            current = TracedConv2d.apply(*inputs, None, trace, 1.0, None, (1, 1), (1, 1))
        factor = torch.randn(current.shape, generator=torch.Generator().manual_seed(4))
        return torch.autograd.grad(current, inputs, size * factor)

    expected = gradients()
    with torch.autocast("cpu", dtype=torch.float16):
        found = gradients()
    for ours, exact in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert float((ours - exact).abs().max()) < 3e-3 * float(exact.abs().max())
    assert not torch.equal(found[1], expected[1])


def test_float16_keeps_a_factor_of_nothing_but_zeros():
    weight = torch.ones((2, 3), requires_grad=True)
    with torch.autocast("cpu", dtype=torch.float16):
        current = TracedLinear.apply(torch.ones(1, 3), weight, None, torch.ones(1, 3), 1.0, None)
        (found,) = torch.autograd.grad(current, weight, torch.zeros_like(current))
    assert torch.equal(found, torch.zeros(2, 3))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("feedback", ["exact", "direct"])
def test_a_batch_in_half_precision_points_where_float32_does(precision, feedback):
    model = network("vgg")
    frames, targets = spikes_and_targets(model, samples=8)

    def gradients():
        learner = Learner(
            model, torch.optim.SGD(model.parameters(), lr=0.0), make_feedback(model, feedback)
        )
        learner.apply = lambda: None
        model.zero_grad(set_to_none=True)
        ottt_a(learner, frames, targets)
        return [p.grad.clone() for p in model.parameters()]

    exact = gradients()
    with accelerated("ottt_a", "cpu", autocast=precision):
        rough = gradients()
    assert {x.dtype for x in rough} == {torch.float32}
    likeness = torch.nn.functional.cosine_similarity(direction(exact), direction(rough), dim=0)
    assert 0.8 < likeness < 1 - 1e-9  # a rounded potential makes a few spikes more or less


def test_membranes_stay_float32_where_nothing_is_learned():
    model = network("vgg")
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        _, state = model.step(torch.rand(2, 2, 8, 8), model.initial_state())
        assert model(torch.rand(2, 3, 2, 8, 8)).dtype == torch.float32
    assert {own.neuron.u.dtype for own in state} == {torch.float32}


def test_online_updates_in_half_precision_lower_the_loss():
    model = network("vgg")
    frames, targets = spikes_and_targets(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    learner = Learner(model, optimizer, make_feedback(model, "exact"))
    with accelerated("ottt_o", "cpu", autocast="fp16"):
        losses = [ottt_o(learner, frames, targets).loss for _ in range(20)]
    assert losses[-1] < 0.7 * losses[0]


def test_what_half_precision_cannot_do_is_refused(tmp_path, capsys):
    with pytest.raises(ValueError, match="autocast 'fp8' is unknown"):
        with accelerated("ottt_a", "cpu", autocast="fp8"):
            pass
    arguments = ["--model", "mlp", "--limit", "20", "--epochs", "1", "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "c.pt"), "--autocast"]
    assert main([*arguments, "fp16", "--method", "bptt"]) == 2
    assert "use 'bf16'" in capsys.readouterr().err
    assert main([*arguments, "fp16"]) == 0
    assert (tmp_path / "c.pt").is_file()
