"""OTTT against backpropagation through time, computed here with torch's own autograd."""

from __future__ import annotations

import pytest
import torch
from slow_ottt import gradients_of, largest_difference
from torch import Tensor

from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.updates import bptt, ottt_a

ALPHA = 0.05


def soft_spike(u: Tensor) -> Tensor:
    """A hard spike with the derivative of sigmoid(4 (u - 1)), by the straight-through trick."""
    soft = torch.sigmoid(4 * (u - 1))
    return (u >= 1).to(u.dtype) + soft - soft.detach()


def oracle_loss(
    model: SpikingNetwork,
    frames: Tensor,
    targets: Tensor,
    *,
    detach_reset: bool = True,
    detach_past: bool = False,
) -> Tensor:
    """Loss of an unrolled network, written without the package's layers and losses."""
    time_steps = frames.shape[1]
    weights = [layer.connection.weight for layer in model.layers]
    biases = [layer.connection.bias for layer in model.layers]
    decay = [layer.neuron.decay for layer in model.layers]
    spiking = [hasattr(layer.neuron, "v_threshold") for layer in model.layers]
    u = [torch.zeros(len(frames), len(w), dtype=w.dtype) for w in weights]
    s = [torch.zeros_like(x) for x in u]
    total = torch.zeros((), dtype=torch.float64)
    for n in range(time_steps):
        x = frames[:, n].flatten(1).double()
        for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            reset = s[k].detach() if detach_reset else s[k]
            past = u[k] - reset if spiking[k] else u[k]
            u[k] = decay[k] * (past.detach() if detach_past else past) + x @ weight.T + bias
            x = s[k] = soft_spike(u[k]) if spiking[k] else u[k]
        entropy = -(targets * torch.log_softmax(x, dim=1)).sum(1)
        squared = ((x - targets) ** 2).mean(1)
        total = total + ((1 - ALPHA) * entropy + ALPHA * squared).mean() / time_steps
    return total


def gradients(loss: Tensor, model: SpikingNetwork) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


def trained_gradients(method, model: SpikingNetwork, frames: Tensor, targets: Tensor):
    return gradients_of(method, model, frames, targets, ALPHA)


@pytest.mark.parametrize("readout", ["leaky", "lif"])
@pytest.mark.parametrize("time_steps", [1, 4, 10])
@pytest.mark.parametrize("decay", [0.2, 0.5, 0.9])
def test_ottt_equals_bptt_in_the_last_layer(make_mlp, make_batch, decay, time_steps, readout):
    model = make_mlp(decay=decay, readout_decay=decay, time_steps=time_steps, readout=readout)
    frames, targets = make_batch(model)
    expected = gradients(oracle_loss(model, frames, targets), model)[-2:]
    found = trained_gradients(ottt_a, model, frames, targets)[-2:]
    assert expected[0].abs().max() > 1e-3
    assert largest_difference(found, expected) < 1e-12


def test_hidden_layers_of_ottt_are_not_those_of_bptt(make_mlp, make_batch):
    model = make_mlp()
    frames, targets = make_batch(model)
    expected = gradients(oracle_loss(model, frames, targets), model)[:2]
    found = trained_gradients(ottt_a, model, frames, targets)[:2]
    assert largest_difference(found, expected) > 1e-6


def test_an_attached_reset_breaks_the_equality_in_the_last_layer(make_mlp, make_batch):
    model = make_mlp(readout="lif")
    frames, targets = make_batch(model)
    attached = gradients(oracle_loss(model, frames, targets, detach_reset=False), model)[-2:]
    found = trained_gradients(ottt_a, model, frames, targets)[-2:]
    assert largest_difference(found, attached) > 1e-6


def test_the_spike_in_place_of_the_trace_breaks_the_equality_in_the_last_layer(
    make_mlp, make_batch
):
    model = make_mlp()
    frames, targets = make_batch(model)
    instantaneous = gradients(oracle_loss(model, frames, targets, detach_past=True), model)[-2:]
    found = trained_gradients(ottt_a, model, frames, targets)[-2:]
    assert largest_difference(found[:1], instantaneous[:1]) > 1e-6
    assert largest_difference(found[1:], instantaneous[1:]) > 1e-6


def test_every_layer_equals_backpropagation_at_a_single_step(make_mlp, make_batch):
    model = make_mlp(time_steps=1)
    frames, targets = make_batch(model)
    expected = gradients(oracle_loss(model, frames, targets, detach_reset=False), model)
    assert largest_difference(trained_gradients(ottt_a, model, frames, targets), expected) < 1e-14


def test_ottt_becomes_the_instantaneous_rule_as_the_decay_vanishes(make_mlp, make_batch):
    differences = []
    for decay in (0.3, 1e-3, 1e-6, 1e-9):
        model = make_mlp(decay=decay, readout_decay=decay)
        frames, targets = make_batch(model)
        instantaneous = gradients(oracle_loss(model, frames, targets, detach_past=True), model)
        found = trained_gradients(ottt_a, model, frames, targets)
        differences.append(largest_difference(found, instantaneous))
    assert differences[0] > 1e-3
    assert differences[-1] < 1e-8
    assert differences == sorted(differences, reverse=True)


@pytest.mark.parametrize("readout", ["leaky", "lif"])
def test_the_bptt_baseline_is_bptt_in_every_layer(make_mlp, make_batch, readout):
    model = make_mlp(readout=readout)
    frames, targets = make_batch(model)
    expected = gradients(oracle_loss(model, frames, targets), model)
    assert largest_difference(trained_gradients(bptt, model, frames, targets), expected) < 1e-12


def test_the_attached_reset_can_be_had_in_bptt(make_mlp, make_batch):
    model = make_mlp()
    frames, _ = make_batch(model)
    state, total = model.initial_state(), torch.zeros((), dtype=torch.float64)
    for n in range(model.time_steps):
        frame = frames[:, n].double()
        output, state = model.step_through_time(frame, state, detach_reset=False)
        total = total + output.square().sum()
    found = gradients(total, model)
    assert largest_difference(found, _squared_output_gradients(model, frames, False)) < 1e-11
    assert largest_difference(found, _squared_output_gradients(model, frames, True)) > 1e-6


def _squared_output_gradients(model, frames, detach_reset):
    layers = [(x.connection.weight, x.connection.bias) for x in model.layers]
    u = [torch.zeros(len(frames), len(w), dtype=torch.float64) for w, _ in layers]
    s, total = [torch.zeros_like(x) for x in u], 0.0
    for n in range(frames.shape[1]):
        x = frames[:, n].flatten(1).double()
        for k, (weight, bias) in enumerate(layers):
            last = k == len(layers) - 1
            reset = 0 if last else (s[k].detach() if detach_reset else s[k])
            u[k] = 0.5 * (u[k] - reset) + x @ weight.T + bias
            x = s[k] = u[k] if last else soft_spike(u[k])
        total = total + x.square().sum()
    return gradients(total, model)
