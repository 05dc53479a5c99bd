"""The benchmark against other frameworks compares equal work, and fails where it is not equal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks" / "peers"))
sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import cases
import contenders
import measure
import task

SIZES = (30, 20, 10)


@pytest.fixture(scope="module")
def small():
    return task.make_task(SIZES, 0.2, 10)


class LoopWith:
    """The plain loop, its update of the weights changed."""

    def __init__(self, small, change):
        from torch_loops import ByTorch

        self.loop, self.change = ByTorch(small), change

    def learn(self, frames, label):
        before = [w.clone() for w in self.loop._weights]
        self.loop.learn(frames, label)
        for weight, old in zip(self.loop._weights, before, strict=True):
            weight.copy_(self.change(old, weight))

    def weights(self):
        return self.loop.weights()

    def close(self):
        pass


def peer(change):
    return contenders.Peer("a peer", lambda small: LoopWith(small, change))


def test_a_plain_loop_makes_the_engines_updates(small):
    assert 0 < measure.difference(peer(lambda old, new: new), small) < 1e-5


@pytest.mark.parametrize(
    "change",
    [lambda old, new: old, lambda old, new: old - (new - old), lambda old, new: new * (1 + 1e-4)],
    ids=["learns nothing", "wrong sign", "a ten-thousandth off"],
)
def test_other_updates_end_the_run_and_name_the_peer(small, change):
    with pytest.raises(SystemExit, match=r"a peer: weights are .* from the engine's"):
        measure.difference(peer(change), small)


def test_inputs_and_hidden_neurons_spike_as_often_as_asked():
    made = task.make_task((200, 150, 120, 10), 0.05, 40)
    assert made.frames.mean() == pytest.approx(0.05, rel=0.05)
    x, rates = made.frames.astype(float), []
    for weight, bias in zip(made.weights[:-1], made.biases[:-1], strict=True):
        u = np.zeros((len(x), len(bias)))
        sent = np.zeros((*x.shape[:2], len(bias)))
        for n in range(x.shape[1]):
            u = 0.5 * (u - sent[:, n - 1] * (n > 0)) + x[:, n] @ weight.T + bias
            sent[:, n] = u >= 1
        rates.append(sent.mean())
        x = sent
    assert rates == pytest.approx([0.05, 0.05], rel=0.3)


def test_every_peer_is_measured_and_rows_that_are_there_are_kept():
    asked = [(case.name, name) for case, names in cases.plan() for name in names]
    assert len(set(asked)) == len(asked)
    assert {name for _, name in asked} == set(contenders.PEERS) - {contenders.TOOLKIT_BASELINE}
    names = [name for case, name in asked if case == cases.FIRST.name]
    rows = [{"case": cases.FIRST.name, "name": names[0]}, {"case": "another", "name": names[1]}]
    assert measure._missing(cases.FIRST, names, rows) == names[1:]


def test_a_peer_that_cannot_be_imported_is_named_with_the_reason(monkeypatch, capsys):
    def missing(task):
        raise ImportError("No module named 'peer_that_is_not_there'")

    gone = contenders.Peer("gone", missing, equal=False, alone=True)
    monkeypatch.setitem(contenders.PEERS, "gone", gone)
    measure.work([SIZES, 0.2, 10], ["gone"], 0.1)
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "gone" and "peer_that_is_not_there" in found["reason"]
