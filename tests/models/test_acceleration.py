"""Half precision and compiled neurons: the same learning, and what they cannot do is said."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from compilers import compiles_cpp
from slow_ottt import gradients_of, largest_difference, spikes_and_targets, spread_parameters
from torch.nn.functional import cosine_similarity

from onchip.models.architectures.table import build_model
from onchip.models.cli.command_line import main
from onchip.models.config import TrainingConfig
from onchip.models.data.dataset import FrameDataset
from onchip.models.networks import acceleration, autograd
from onchip.models.networks.acceleration import compiled_neurons
from onchip.models.networks.autograd import TracedConv2d, TracedLinear
from onchip.models.networks.normalization import keep_standardized
from onchip.models.networks.precision import half_precision, scaled
from onchip.models.training.checkpoint import load_checkpoint, load_weights
from onchip.models.training.evaluation import evaluate
from onchip.models.training.feedback import make_feedback
from onchip.models.training.training import train
from onchip.models.training.updates import Learner, bptt, ottt_a
from onchip.neurons.lif import LIF
from onchip.neurons.surrogates import SURROGATES, Surrogate

ALPHA = 0.05
FRAMES = {"input_shape": (2, 8, 8), "classes": 4, "time_steps": 5}
NETWORKS = {
    "vgg": {"channels": (4, 5, "P", 6, 5)},
    "mlp": {"hidden": (7,), "surrogate": "triangle", "reset": "hard"},
    "resnet34": {"blocks": (1,), "widths": (4,), "stem_kernel": 3, "stem_stride": 1},
}


def network(name, **options):
    model = build_model(name, **FRAMES, **{**NETWORKS[name], **options})
    spread_parameters(model)
    return model


def direction(gradients):
    return torch.cat([x.flatten() for x in gradients])


def patterns(samples):
    """Four noisy binary patterns to be told apart."""
    rng = np.random.default_rng(0)
    clean = rng.random((4, 5, 2, 8, 8)) < 0.3
    labels = np.arange(samples) % 4
    frames = (clean[labels] ^ (rng.random((samples, 5, 2, 8, 8)) < 0.1)).astype(np.uint8)
    return FrameDataset("patterns", "", frames, labels, classes=4)


class Counting:
    """A compiler that counts the graphs it gets and runs them as they are."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, module, _):
        self.graphs += 1
        return module.forward

    def compile(self, function, **options):
        return COMPILE(function, backend=self, **options)


COMPILE = torch.compile


@pytest.fixture
def counting(monkeypatch):
    counting = Counting()
    monkeypatch.setattr(acceleration.torch, "compile", counting.compile)
    return counting


@pytest.fixture
def compiler(monkeypatch):
    """torch's own; where the machine has none for C++, the graphs run as they are."""
    if not compiles_cpp():
        monkeypatch.setattr(acceleration.torch, "compile", Counting().compile)


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


def test_one_compiled_form_serves_all_maps_and_batches(counting):
    model = network("resnet34", blocks=(1, 1), widths=(4, 6))
    with compiled_neurons():
        assert counting.graphs == 2  # the trial's: a step and a surrogate
        for samples in (8, 5, 1):
            frames, targets = spikes_and_targets(model, samples=samples)
            gradients_of(ottt_a, model, frames.float(), targets.float(), ALPHA)
    assert counting.graphs == 2


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_a_step_and_a_surrogate_are_one_graph_each(surrogate):
    neuron, vector = LIF(surrogate=Surrogate(surrogate)), torch.rand(9)
    for function, inputs in (
        (acceleration._advance, (vector, vector, vector, neuron)),
        (acceleration._surrogate_gradient, (vector, vector, neuron)),
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
        train(network("mlp"), patterns(8), patterns(4), TrainingConfig(compiled=True))
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
    with half_precision("fp16", "cpu"):
        found = gradients()
    for ours, exact in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert float((ours - exact).abs().max()) < 3e-3 * float(exact.abs().max())
    assert not torch.equal(found[1], expected[1])


@pytest.mark.parametrize("shape", [(0, 3), (2, 3)])
def test_a_factor_of_nothing_or_of_zeros_stays_what_it_is(shape):
    factor, scale = scaled(torch.float16, torch.zeros(shape))
    assert torch.equal(factor, torch.zeros(shape, dtype=torch.float16))
    assert scale is None or torch.isfinite(scale)


@pytest.mark.parametrize("feedback", ["exact", "direct"])
def test_a_loss_a_million_times_smaller_has_a_million_times_smaller_gradients(feedback):
    model = network("vgg")
    frames, targets = spikes_and_targets(model)
    frames, targets = frames.float(), targets.float()

    def gradients(size):
        learner = Learner(
            model, torch.optim.SGD(model.parameters(), lr=0.0), make_feedback(model, feedback)
        )
        loss = learner.loss
        learner.loss = lambda *inputs: size * loss(*inputs)
        learner.apply = lambda: None
        model.zero_grad(set_to_none=True)
        with half_precision("fp16", "cpu"):
            ottt_a(learner, frames, targets)
        return [p.grad / size for p in model.parameters()]

    assert largest_difference(gradients(2.0**-20), gradients(1.0)) < 1e-6


@pytest.mark.parametrize("method", [ottt_a, bptt])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_batch_in_half_precision_points_where_float32_does(method, precision):
    model = network("vgg")
    frames, targets = spikes_and_targets(model, samples=16)
    frames, targets = frames.float(), targets.float()
    exact = gradients_of(method, model, frames, targets, ALPHA)
    with half_precision(precision, "cpu"):
        rough = gradients_of(method, model, frames, targets, ALPHA)
    assert {x.dtype for x in rough} == {torch.float32}
    likeness = cosine_similarity(direction(exact), direction(rough), dim=0)
    assert 0.95 < likeness < 1 - 1e-9  # a rounded potential makes a few spikes more or less


def test_membranes_and_standardised_weights_are_no_products():
    model = network("vgg")
    connection = model.layers[1].connection
    exact = keep_standardized(connection.weight, connection.gain, None).weight
    with half_precision("bf16", "cpu"), torch.no_grad():
        _, state = model.step(torch.rand(2, 2, 8, 8), model.initial_state())
        assert model(torch.rand(2, 3, 2, 8, 8)).dtype == torch.float32
        found = keep_standardized(connection.weight, connection.gain, None).weight
    assert {own.neuron.u.dtype for own in state} == {torch.float32}
    assert torch.equal(found, exact)


@pytest.mark.parametrize(
    ("method", "precision"), [("ottt_a", "fp16"), ("ottt_o", "bf16"), ("bptt", "bf16")]
)
@pytest.mark.parametrize("normalised", [True, False])
def test_a_run_in_half_precision_learns_and_measures_what_it_learned(
    tmp_path, method, precision, normalised
):
    options = {"normalised": normalised, "weight_gain": 1.0 if normalised else 3.0}
    model = build_model("mlp", **FRAMES, hidden=(32,), **options)
    config = TrainingConfig(
        method=method, epochs=6, batch_size=8, learning_rate=5e-3, autocast=precision
    )
    test = patterns(200)
    result = train(model, patterns(64), test, config, checkpoint_dir=tmp_path)
    assert result.history[-1]["loss"] < 0.7 * result.history[0]["loss"]
    with half_precision(precision, "cpu"):
        assert evaluate(model, test) == result.accuracy
    again = build_model("mlp", **FRAMES, hidden=(32,), **options)
    load_weights(again, load_checkpoint(tmp_path / "last.pt"))
    assert evaluate(again, test) == pytest.approx(result.accuracy, abs=0.05)


def test_a_run_resumed_in_half_precision_is_identical_and_in_another_refused(tmp_path):
    def config(**options):
        return TrainingConfig(epochs=3, batch_size=8, learning_rate=5e-3, **options)

    def run(model, settings, **options):
        train(model, patterns(32), patterns(8), settings, checkpoint_dir=tmp_path, **options)
        return direction(model.parameters())

    through = run(network("vgg"), config(autocast="bf16"))
    stopped = network("vgg")
    with pytest.raises(KeyboardInterrupt):
        run(stopped, config(autocast="bf16"), report=interrupt_after(1))
    with pytest.raises(ValueError, match=r"other values of autocast \('bf16', here None\)"):
        run(network("vgg"), config(), resume=tmp_path / "last.pt")
    resumed = run(network("vgg"), config(autocast="bf16"), resume=tmp_path / "last.pt")
    assert torch.equal(resumed, through)


def interrupt_after(epochs):
    """A reporter that ends a run as Ctrl-C does."""
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == epochs:
            raise KeyboardInterrupt

    return report


def test_what_cannot_be_combined_is_refused():
    for options, message in (
        ({"autocast": "fp8"}, "autocast 'fp8' is unknown"),
        ({"autocast": "fp16", "method": "bptt"}, "would vanish; use 'bf16'"),
        ({"compiled": True, "method": "bptt"}, "compiled neurons are OTTT's"),
    ):
        with pytest.raises(ValueError, match=message):
            TrainingConfig(**options)


def test_both_are_options_of_the_command_line(tmp_path, capsys, counting):
    arguments = ["--model", "mlp", "--limit", "20", "--epochs", "1", "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "c.pt"), "--autocast"]
    assert main([*arguments, "fp16", "--method", "bptt"]) == 2
    assert "use 'bf16'" in capsys.readouterr().err
    assert main([*arguments, "fp8"]) == 2
    assert "autocast 'fp8' is unknown; choose one of bf16, fp16" in capsys.readouterr().err
    assert main([*arguments, "fp16", "--compile"]) == 0
    training = load_checkpoint(tmp_path / "c.pt").training
    assert (training.autocast, training.compiled) == ("fp16", True)
    assert counting.graphs >= 2
