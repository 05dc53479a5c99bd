"""When updates happen: per batch (OTTT_A), per step (OTTT_O), one step late, and what they cost."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from onchip.models.config import TrainingConfig
from onchip.models.networks.normalization import StandardizedWeight
from onchip.models.training.feedback import make_feedback
from onchip.models.training.memory import update_peak_bytes
from onchip.models.training.updates import UPDATES, Learner, bptt, ottt_a, ottt_o

RATE = 0.3


def learn(method, model, frames, targets, **options):
    """A copy of `model` after one batch with plain SGD."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    result = method(
        Learner(model, optimizer, make_feedback(model, "exact"), **options), frames, targets
    )
    return model, result


def difference(left, right):
    pairs = zip(left.parameters(), right.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def test_ottt_o_updates_within_the_sample(make_mlp, make_batch):
    model = make_mlp()
    frames, targets = make_batch(model)
    online, _ = learn(ottt_o, model, frames, targets)
    accumulated, _ = learn(ottt_a, model, frames, targets)
    assert difference(online, accumulated) > 1e-4


def test_all_methods_agree_on_a_single_step_with_plain_sgd(make_mlp, make_batch):
    model = make_mlp(time_steps=1)
    frames, targets = make_batch(model)
    online, _ = learn(ottt_o, model, frames, targets)
    assert difference(online, model) > 1e-3
    for method in (ottt_a, bptt):
        assert difference(learn(method, model, frames, targets)[0], online) < 1e-15


def step_gradients(model, frame, targets, state, time_steps):
    outputs, state = model.step(frame.double(), state)
    loss = Learner(model, None, None).loss(outputs[-1], targets, time_steps)
    return torch.autograd.grad(loss, list(model.parameters())), state


@pytest.mark.parametrize("delay", [0, 1])
def test_an_online_update_takes_effect_after_its_delay(make_mlp, make_batch, delay):
    model = make_mlp()
    frames, targets = make_batch(model)
    found, _ = learn(ottt_o, model, frames, targets, update_delay=delay)
    expected, waiting = copy.deepcopy(model), []
    state = expected.initial_state()
    for n in range(frames.shape[1]):
        gradients, state = step_gradients(expected, frames[:, n], targets, state, frames.shape[1])
        waiting.append(gradients)
        if len(waiting) > delay:
            subtract(expected, waiting.pop(0))
    for gradients in waiting:
        subtract(expected, gradients)
    assert difference(found, expected) < 1e-14
    other, _ = learn(ottt_o, model, frames, targets, update_delay=1 - delay)
    assert difference(found, other) > 1e-5


def subtract(model, gradients):
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter -= RATE * gradient


def test_gradients_are_clipped_to_the_given_norm(make_mlp, make_batch):
    model = make_mlp()
    frames, targets = make_batch(model)
    clipped, _ = learn(ottt_a, model, frames, targets, grad_clip=1e-3)
    change = [a - b for a, b in zip(clipped.parameters(), model.parameters(), strict=True)]
    norm = torch.sqrt(sum(c.detach().square().sum() for c in change))
    assert abs(float(norm) / RATE - 1e-3) < 1e-8


def test_the_reported_loss_and_outputs_are_those_of_the_batch(make_mlp, make_batch):
    model = make_mlp()
    frames, targets = make_batch(model)
    outputs = model(frames)
    _, result = learn(ottt_a, model, frames, targets)
    torch.testing.assert_close(result.output, outputs.sum(1))
    entropy = -(targets[:, None] * outputs.log_softmax(2)).sum(2)
    squared = (outputs - targets[:, None]).square().mean(2)
    expected = (0.95 * entropy + 0.05 * squared).mean(1).mean()
    assert abs(result.loss - float(expected)) < 1e-12
    assert result.correct(outputs.sum(1).argmax(1)) == len(frames)


class ReadNumbers(TorchDispatchMode):
    """Counts the tensors that are read as a Python number; on a GPU each waits for the device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_the_count_of_numbers_read_sees_a_float_of_a_tensor():
    with ReadNumbers() as numbers:
        float(torch.ones(())), torch.ones(()).item(), bool(torch.ones(()))
    assert numbers.count == 3


@pytest.mark.parametrize("method", list(UPDATES))
@pytest.mark.parametrize("maker", ["make_mlp", "make_convnet"])
def test_the_device_is_waited_for_once_a_batch_whatever_the_number_of_steps(
    request, make_batch, method, maker
):
    for time_steps in (2, 9):
        model = request.getfixturevalue(maker)(time_steps=time_steps)
        frames, targets = make_batch(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
        learner = Learner(model, optimizer, make_feedback(model, "exact"), grad_clip=1.0)
        with ReadNumbers() as numbers:
            UPDATES[method](learner, frames, targets)
        assert numbers.count == 1


def peaks(model_maker, method):
    figures = []
    for time_steps in (4, 16, 64):
        model = model_maker(time_steps=time_steps)
        frames = np.ones((4, time_steps, *model.input_shape), np.uint8)
        config = TrainingConfig(method=method)
        figures.append(update_peak_bytes(model, config, frames, np.arange(4)))
    return figures


@pytest.mark.filterwarnings("ignore")  # torch's profiler warns about devices it does not find
@pytest.mark.parametrize("method", ["ottt_a", "ottt_o"])
def test_training_memory_of_ottt_does_not_grow_with_the_steps(make_convnet, method):
    figures = peaks(make_convnet, method)
    assert max(figures) <= 1.02 * min(figures)
    assert min(figures) > 10_000


@pytest.mark.filterwarnings("ignore")
def test_training_memory_of_bptt_grows_with_the_steps(make_convnet):
    short, middle, long = peaks(make_convnet, "bptt")
    assert middle > 2 * short
    assert long > 3 * middle


@pytest.mark.parametrize(("method", "times"), [(ottt_a, 1), (ottt_o, 5)])
def test_the_gradients_of_standardised_weights_are_taken_once_an_update(
    make_mlp, make_batch, monkeypatch, method, times
):
    taken = []

    class Watched:
        @staticmethod
        def apply(weight, gain, kept):
            taken.append(weight)
            return StandardizedWeight.apply(weight, gain, kept)

    monkeypatch.setattr("onchip.models.networks.connections.StandardizedWeight", Watched)
    model = make_mlp(normalised=True, time_steps=5)
    learn(method, model, *make_batch(model))
    layers = sum(layer.connection.gain is not None for layer in model.layers)
    assert layers > 1 and len(taken) == times * layers
