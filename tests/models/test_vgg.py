"""The paper's VGG: its layers, dropout, exactness, folding, and what a step computes only once."""

from __future__ import annotations

import itertools

import pytest
import torch
from folding import assert_same_behaviour
from slow_ottt import (
    bptt_gradients,
    gradients_of,
    largest_difference,
    spikes_and_targets,
    spread_parameters,
)

from onchip.models.architectures.table import build_model
from onchip.models.networks import normalization
from onchip.models.networks.normalization import StandardizedWeight, keep_standardized, standardize
from onchip.models.training.feedback import make_feedback
from onchip.models.training.updates import Learner, bptt, ottt_a, ottt_o

ALPHA = 0.05
SMALL = {"input_shape": (2, 8, 8), "classes": 4, "time_steps": 5}


def small(**options):
    model = build_model("vgg", channels=(4, 5, "P", 6, 5), **SMALL, **options).double()
    spread_parameters(model)
    return model


def test_the_papers_network_has_its_layers_and_parameters():
    model = build_model("vgg", input_shape=(2, 48, 48), classes=10)
    outputs, _ = model.step(torch.rand(1, 2, 48, 48), model.initial_state())
    shapes = [tuple(x.shape[1:]) for x in outputs]
    maps = [(64, 48, 48), (128, 24, 24), (256, 24, 24), (256, 12, 12), (512, 12, 12)]
    assert shapes == [*maps, (512, 6, 6), (512, 6, 6), (512, 1, 1), (10,)]
    widths = (2, 64, 128, 256, 256, 512, 512, 512, 512)
    kernels = sum(9 * a * b + 2 * b for a, b in itertools.pairwise(widths))
    assert sum(p.numel() for p in model.parameters()) == kernels + 512 * 10 + 10
    assert {layer.scale for layer in model.layers[:-1]} == {2.74}


def test_the_full_classifier_reads_every_neuron_of_the_last_map():
    model = small(classifier="full", hidden=(7,))
    assert [x.name for x in model.layers] == ["conv1", "conv2", "conv3", "conv4", "fc1", "readout"]
    assert model.layers[4].connection.weight.shape == (7, 5 * 4 * 4)


@pytest.mark.parametrize("readout", ["leaky", "lif"])
def test_the_last_layers_gradient_is_that_of_bptt(readout):
    model = small(readout=readout)
    frames, targets = spikes_and_targets(model)
    expected = bptt_gradients(model, frames, targets, ALPHA)
    found = gradients_of(ottt_a, model, frames, targets, ALPHA)
    assert expected[-2].abs().max() > 1e-3
    assert largest_difference(found[-2:], expected[-2:]) < 1e-12
    assert largest_difference(found[:-2], expected[:-2]) > 1e-6
    everywhere = gradients_of(bptt, model, frames, targets, ALPHA)
    assert largest_difference(everywhere, expected) < 1e-12


def outputs_of_steps(model, frames):
    state, steps = model.initial_state(), []
    for n in range(frames.shape[1]):
        outputs, state = model.step(frames[:, n].double(), state)
        steps.append([x.detach() for x in outputs])
    return steps, state


def test_dropout_leaves_out_the_same_neurons_at_all_steps_of_a_sample():
    model = small(dropout=0.5, classifier="full", hidden=(50,))
    frames, _ = spikes_and_targets(model, samples=4)
    state, masks = model.initial_state(), []
    for n in range(frames.shape[1]):
        _, state = model.step(frames[:, n].double(), state)
        masks.append([layer.mask[0] for layer in state[:-1]])
    assert state[-1].mask == ()
    for step in masks:
        assert all(a is b for a, b in zip(step, masks[0], strict=True))
    conv, dense = masks[0][0], masks[0][-1]
    assert conv.shape == (4, 4, 8, 8) and dense.shape == (4, 50)
    assert not torch.equal(conv[0], conv[1])
    assert set(conv.unique().tolist()) == {0.0, 2.74 / 0.5}
    assert abs(float((conv == 0).double().mean()) - 0.5) < 0.05
    _, again = outputs_of_steps(model, frames)
    assert not torch.equal(again[0].mask[0], conv)


def test_a_left_out_neuron_sends_nothing_and_the_others_more():
    model = small(dropout=0.5)
    frames, _ = spikes_and_targets(model)
    state = model.initial_state()
    for n in range(frames.shape[1]):
        outputs, state = model.step(frames[:, n].double(), state)
        spikes, mask = state[0].neuron.spikes, state[0].mask[0]
        torch.testing.assert_close(outputs[0].detach(), spikes * mask)
        assert bool((spikes * (mask == 0)).any()) or n == 0


def test_nothing_is_left_out_where_no_gradient_is_wanted():
    model, plain = small(dropout=0.5), small()
    plain.load_state_dict(model.state_dict())
    frames, _ = spikes_and_targets(model)
    assert torch.equal(model(frames), plain(frames))
    model.eval()
    steps, _ = outputs_of_steps(model, frames)
    expected, _ = outputs_of_steps(plain, frames)
    assert torch.equal(steps[-1][-1], expected[-1][-1])


@pytest.mark.parametrize("classifier", ["light", "full"])
def test_a_described_vgg_makes_the_same_spikes(classifier):
    model = small(classifier=classifier, dropout=0.1, hidden=(6,))
    frames, _ = spikes_and_targets(model)
    assert_same_behaviour(model, frames, rates=(0.01, 0.99))


def count_standardisations(monkeypatch):
    calls, real = [], normalization._standardize
    monkeypatch.setattr(normalization, "_standardize", lambda w, g: calls.append(0) or real(w, g))
    return calls


@pytest.mark.parametrize(("method", "times"), [(ottt_a, 1), (ottt_o, 5)])
@pytest.mark.parametrize("options", [{}, {"fused": True}], ids=["plain", "fused"])
def test_weights_are_standardised_once_per_update(monkeypatch, method, times, options):
    model = small()
    frames, targets = spikes_and_targets(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, **options)
    calls = count_standardisations(monkeypatch)
    method(Learner(model, optimizer, make_feedback(model, "exact"), ALPHA), frames, targets)
    assert len(calls) == 4 * times
    calls.clear()
    model(frames)
    assert len(calls) == 4


def test_a_fused_optimizer_updates_online_like_any_other():
    found = []
    for fused in (False, True):
        model = small()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, fused=fused)
        learner = Learner(model, optimizer, make_feedback(model, "exact"), ALPHA)
        ottt_o(learner, *spikes_and_targets(model))
        found.append([p.detach() for p in model.parameters()])
    assert largest_difference(*found) < 1e-12


@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 3, 3)])
def test_the_kept_weight_has_the_gradients_of_standardisation(shape):
    weight = (2 + torch.randn(shape, dtype=torch.float64)).requires_grad_()
    gain = torch.randn(shape[0], dtype=torch.float64).requires_grad_()
    factor = torch.randn(shape, dtype=torch.float64)
    expected = torch.autograd.grad((factor * standardize(weight, gain)).sum(), (weight, gain))
    kept = keep_standardized(weight, gain, None)
    found = torch.autograd.grad(
        (factor * StandardizedWeight.apply(weight, gain, kept)).sum(), (weight, gain)
    )
    assert largest_difference(list(found), list(expected)) < 1e-13
    torch.testing.assert_close(kept.weight, standardize(weight, gain))


def test_autocast_multiplies_in_bfloat16_and_keeps_traces_in_float32():
    model = small().float()
    frames, targets = spikes_and_targets(model)
    exact = gradients_of(ottt_a, model, frames, targets, ALPHA)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = gradients_of(ottt_a, model, frames, targets, ALPHA)
        _, state = model.step(frames[:, 0].float(), model.initial_state())
    tensors = [own.inputs.trace for own in state] + [own.neuron.u for own in state]
    assert {x.dtype for x in [*tensors, *rough]} == {torch.float32}
    assert 1e-5 < largest_difference(exact[-2:], rough[-2:])
    cosine = torch.nn.functional.cosine_similarity(
        torch.cat([x.flatten() for x in exact]), torch.cat([x.flatten() for x in rough]), dim=0
    )
    assert cosine > 0.9  # a rounded potential makes a few spikes more or less


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": ("P", 4)}, "must be integers >= 1 with at most one 'P'"),
        ({"channels": (4, "P", "P", 4)}, "must be integers >= 1 with at most one 'P'"),
        ({"channels": (4, "P") * 4}, "4 pools are too many for frames of 8x8"),
        ({"channels": (4, "P")}, "right behind the last convolution"),
        ({"input_shape": (2, 8, 6)}, "not 4x3 behind 5; use classifier='full'"),
        ({"input_shape": (64,)}, "must be \\(channels, height, width\\)"),
        ({"dropout": 1.0}, "vgg: dropout"),
        ({"classifier": "heavy"}, "vgg: classifier"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        build_model("vgg", **{**SMALL, "channels": (4, 5, "P", 6, 5), **options})
