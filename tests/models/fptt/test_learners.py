"""Learning in parts and through all steps, against loops written out."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from onchip.models.fptt.learners import WEIGHTINGS, Batch, BPTTLearner, FPTTLearner, detach
from onchip.models.fptt.networks import LiquidNetwork, seeded_network
from onchip.models.fptt.optimizer import FPTT, FPTTConfig
from onchip.models.fptt.tasks import AddTask
from onchip.models.training.memory import training_peak_bytes


class Last(nn.Module):
    """A network that is not ours: an LSTM with a readout of its last output."""

    def __init__(self, outputs):
        super().__init__()
        self.cell, self.readout = nn.LSTM(2, 6), nn.Linear(6, outputs)

    def forward(self, x, state):
        y, state = self.cell(x, state)
        return self.readout(y[-1]), state


def networks(outputs=1):
    torch.manual_seed(2)
    return [Last(outputs).double(), seeded_network(2, 2, 5, outputs, "ltc-adaptive").double()]


def add_batch(steps=11):
    batch = AddTask(steps).draw(6, torch.Generator().manual_seed(4))
    return Batch(batch.x.double(), batch.target.double(), batch.running.double())


def sgd_fptt(module, **options):
    config = FPTTConfig(**{"alpha": 0.5, "beta": 0.5, "clip": 0.0, **options})
    return FPTT(module, torch.optim.SGD(module.parameters(), lr=0.05), config)


def plain_updates(module, batch, lengths, weigh, targets):
    """Plain SGD with the whole loss, regularizer and all, under autograd; the parts' losses."""
    weights = list(module.parameters())
    means = [w.detach().clone() for w in weights]
    duals = [torch.zeros_like(w) for w in means]
    state, at, losses = None, 0, []
    for part, length in enumerate(lengths, start=1):
        output, state = module(batch.x[at : at + length], state)
        at += length
        plain = ((output - targets(part, at)) ** 2).mean()
        loss = weigh(part, len(lengths)) * plain
        for w, mean, dual in zip(weights, means, duals, strict=True):
            loss = loss - (w * dual).sum() + 0.25 * ((w - mean) ** 2).sum()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g, mean, dual in zip(weights, gradients, means, duals, strict=True):
                w -= 0.05 * g
                dual -= 0.5 * (w - mean)
                mean.copy_(0.5 * mean + 0.5 * w - dual)
        state = detach(state)
        losses.append(float(plain.detach()))
    return losses


@pytest.mark.parametrize("which", [0, 1], ids=["lstm", "ltc"])
@pytest.mark.parametrize(
    ("weighting", "weigh"),
    [("correct", lambda k, n: k / n), ("published", lambda k, n: (k - 1) + 1 / n)],
)
def test_a_terminal_target_is_learned_part_by_part(which, weighting, weigh):
    module, twin, batch = networks()[which], networks()[which], add_batch()
    learner = FPTTLearner(module, sgd_fptt(module), functional.mse_loss, 4, weighting)
    loss = learner.learn(batch)
    losses = plain_updates(twin, batch, [3, 3, 3, 2], weigh, lambda part, at: batch.target)
    assert math.isclose(loss, losses[-1], rel_tol=1e-12)
    for a, b in zip(module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("which", [0, 1], ids=["lstm", "ltc"])
def test_a_running_target_is_that_of_the_parts_last_step_and_weighs_one(which):
    module, twin, batch = networks()[which], networks()[which], add_batch()
    learner = FPTTLearner(module, sgd_fptt(module), functional.mse_loss, 4, running=True)
    loss = learner.learn(batch)
    losses = plain_updates(
        twin, batch, [3, 3, 3, 2], lambda k, n: 1.0, lambda part, at: batch.running[at - 1]
    )
    assert math.isclose(loss, losses[-1], rel_tol=1e-12)
    for a, b in zip(module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_the_published_weights_are_those_of_the_missing_brackets():
    parts = 10
    assert [WEIGHTINGS["correct"](k, parts) for k in (1, 5, 10)] == [0.1, 0.5, 1.0]
    published = [WEIGHTINGS["published"](p + 1, parts) for p in range(parts)]
    assert published == [p + 1 / parts for p in range(parts)]
    assert math.isclose(published[-1], 9.1)


def test_the_last_part_is_trained_on():
    """The published loop leaves it out: only what follows it could tell."""
    batch = add_batch(12)
    x = batch.x.clone()
    x[9:] = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    after = []
    for inputs in (batch.x, x):
        module = networks()[0]
        learner = FPTTLearner(module, sgd_fptt(module), functional.mse_loss, 4)
        learner.learn(Batch(inputs, batch.target))
        after.append(module.readout.weight.detach())
    assert float((after[0] - after[1]).abs().max()) > 1e-5


def test_the_oracle_is_the_softmax_of_the_part_before():
    module = networks(outputs=3)[1]
    twin, batch = copy.deepcopy(module), add_batch(8)
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    learner = FPTTLearner(module, sgd_fptt(module), functional.cross_entropy, 2, oracle=True)
    learner.learn(Batch(batch.x, labels))
    fptt = sgd_fptt(twin)
    one_hot = torch.eye(3, dtype=torch.float64)[labels]
    output, state = twin(batch.x[:4], None)
    (0.5 * -(one_hot * output.log_softmax(1)).sum(1).mean()).backward()
    former = output.detach().exp() / output.detach().exp().sum(1, keepdim=True)
    fptt.step()
    fptt.zero_grad()
    output, _ = twin(batch.x[4:], detach(state))
    (-(one_hot * output.log_softmax(1)).sum(1).mean()).backward()  # f = 1: no oracle any more
    fptt.step()
    for a, b in zip(module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    learner.parts = 4
    loss, _ = learner._loss(Batch(batch.x, labels), output, former, 2, 4)
    words = output.log_softmax(1)
    wanted = -0.5 * (one_hot * words).sum(1).mean() - 0.5 * (former * words).sum(1).mean()
    assert math.isclose(float(loss.detach()), float(wanted.detach()), rel_tol=1e-12)


@pytest.mark.parametrize("which", [0, 1], ids=["lstm", "ltc"])
def test_bptt_follows_the_gradient_through_all_steps(which):
    module, twin, batch = networks()[which], networks()[which], add_batch()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    loss = BPTTLearner(module, optimizer, functional.mse_loss, clip=0.0).learn(batch)
    output = None
    state = None
    for step in batch.x:  # step by step and never detached
        output, state = twin(step[None], state)
    wanted = ((output - batch.target) ** 2).mean()
    gradients = torch.autograd.grad(wanted, list(twin.parameters()))
    assert math.isclose(loss, float(wanted.detach()), rel_tol=1e-12)
    for a, b, g in zip(module.parameters(), twin.parameters(), gradients, strict=True):
        torch.testing.assert_close(a, (b - 0.05 * g).detach(), rtol=1e-12, atol=1e-12)


def test_bptt_limits_the_norm_of_its_gradient():
    module = networks()[0]
    before = [p.detach().clone() for p in module.parameters()]
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    BPTTLearner(module, optimizer, lambda y, t: 1e3 * y.sum(), clip=0.25).learn(add_batch())
    moved = [p.detach() - b for p, b in zip(module.parameters(), before, strict=True)]
    norm = math.sqrt(sum(float(m.square().sum()) for m in moved))
    assert math.isclose(norm, 0.25, rel_tol=1e-6)


@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_memory_of_fptt_does_not_grow_with_the_sequence_and_that_of_bptt_does(method):
    peaks = []
    for steps in (200, 1000):
        network = seeded_network(0, 2, 16, 1, "ltc")
        optimizer = torch.optim.Adam(network.parameters())
        learner = BPTTLearner(network, optimizer, functional.mse_loss)
        if method == "fptt":
            fptt = FPTT(network, optimizer)
            learner = FPTTLearner(network, fptt, functional.mse_loss, steps // 20)
        batch = AddTask(steps).draw(8, torch.Generator().manual_seed(0))
        peaks.append(training_peak_bytes(lambda *_, b=batch, by=learner: by.learn(b)))
    growth = peaks[1] / peaks[0]
    assert growth <= 1.1 if method == "fptt" else growth > 4


class Pair(NamedTuple):
    left: torch.Tensor
    right: object


def test_any_nest_of_tensors_is_detached_in_its_own_types():
    w = torch.ones(2, requires_grad=True)
    state = {"a": (w * 1, [w * 2, None]), "b": Pair(w * 3, 7)}
    plain = detach(state)
    assert isinstance(plain["b"], Pair)
    assert isinstance(plain["a"][1], list)
    tensors = [plain["a"][0], plain["a"][1][0], plain["b"].left]
    assert [t.requires_grad for t in tensors] == [False] * 3
    assert [float(t[0]) for t in tensors] == [1, 2, 3]
    assert plain["a"][1][1] is None
    assert plain["b"].right == 7


def test_spikes_pass_from_layer_to_layer_and_the_last_membrane_is_read():
    network = LiquidNetwork(2, (4, 3), 2)
    x = torch.rand(7, 5, 2) * 4
    output, state = network(x)
    spikes, _ = network.layers[0](x)
    membranes, _, _ = network.layers[1].run(spikes)
    assert float(spikes.detach().sum()) > 0
    wanted = membranes[-1] @ network.readout.weight.t() + network.readout.bias
    torch.testing.assert_close(output, wanted)
    assert [s.u.shape[1] for s in state] == [4, 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda m: FPTTLearner(m, sgd_fptt(m), functional.mse_loss, 12),
            "of 11 steps has no 12 pa",
        ),
        (
            lambda m: FPTTLearner(m, sgd_fptt(m), functional.mse_loss, 0),
            "parts is 0; it must be at",
        ),
        (
            lambda m: FPTTLearner(m, sgd_fptt(m), functional.mse_loss, 2, "linear"),
            "weighting 'linear' is unknown; choose one of correct, published",
        ),
        (
            lambda m: FPTTLearner(
                m, sgd_fptt(m), functional.mse_loss, 2, running=True, oracle=True
            ),
            "a running target needs no oracle",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_line(make, message):
    module = networks()[0]
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(ValueError, match=message) as raised:
        make(module).learn(add_batch())
    assert "\n" not in str(raised.value)
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


def test_a_running_target_that_is_not_there_is_missed():
    module, batch = networks()[0], add_batch()
    learner = FPTTLearner(module, sgd_fptt(module), functional.mse_loss, 4, running=True)
    with pytest.raises(ValueError, match="no running target; train on the final one"):
        learner.learn(Batch(batch.x, batch.target))
