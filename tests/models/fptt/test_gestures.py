"""DVS-Gesture through tonic, a layer for each polarity, and what the command makes of both."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from gesture_files import make_gestures

from onchip.models.fptt.cells import LiquidLayer
from onchip.models.fptt.command_line import DEFAULTS, main, make_config, make_parser
from onchip.models.fptt.labelled import LABELLED, gestures
from onchip.models.fptt.networks import BranchedLayer, LiquidNetwork, parameter_count

TRAIN, TEST = "ibmGestureTrain/user01_lab", "ibmGestureTest/user24_led"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))


def averaged(rows, steps):
    """[T, 2 * 32 * 32] counts of events over blocks of 4 x 4 pixels, a loop over the events."""
    x, y, p, t = rows.T
    frames = np.zeros((steps, 2, 32, 32))
    microseconds = 1000 * (t - t.min())
    for n in range(len(rows)):
        step = microseconds[n] * steps // (microseconds.max() + 1)
        frames[step, p[n], y[n] // 4, x[n] // 4] += 1 / 16
    return frames.reshape(steps, -1)


def test_a_gesture_is_the_mean_count_of_its_events_in_every_block_of_pixels(tmp_path):
    written = make_gestures(tmp_path)
    train, test = gestures(tmp_path, 5)
    assert (train.x.shape, test.x.shape) == ((11, 5, 2048), (11, 5, 2048))
    assert sorted(test.labels.tolist()) == list(range(11))
    assert sorted(train.labels.tolist()) == list(range(11))
    for part, folder in ((train, TRAIN), (test, TEST)):
        for sequence, label in zip(part.x, part.labels, strict=True):
            rows = written[f"{folder}/{int(label)}"]
            np.testing.assert_array_equal(sequence.numpy(), averaged(rows, 5))
            off = rows[:, 2] == 0
            assert float(sequence[:, :1024].sum()) == pytest.approx(off.sum() / 16)


def test_a_branch_for_each_polarity_sees_that_polarity_alone():
    torch.manual_seed(0)
    layer = BranchedLayer(6, 5, 2).double()
    x = torch.randn(7, 3, 6, dtype=torch.float64) * 3
    state = None
    spikes = []
    for part in x.split(3):
        found, state = layer(part, state)
        spikes.append(found)
    alone = [branch(x[:, :, 3 * n : 3 * n + 3]) for n, branch in enumerate(layer.branches)]
    assert torch.equal(torch.cat(spikes), torch.cat([s for s, _ in alone], 2))
    for name in ("u", "s", "b"):
        both = torch.cat([getattr(after, name) for _, after in alone], 1)
        assert torch.equal(getattr(state, name), both)
    assert 0 < float(torch.cat(spikes).detach().mean()) < 1
    other = x.clone()
    other[:, :, 3:] *= -2
    changed = layer(other)[0] != torch.cat(spikes)
    assert not changed[:, :, :5].any() and changed[:, :, 5:].any()


def test_a_branched_network_learns_through_both_branches():
    network = LiquidNetwork(6, (5, 4), 3, branches=2)
    output, _ = network(torch.randn(7, 3, 6) * 3)
    output.square().sum().backward()
    for branch in network.layers[0].branches:
        assert float(branch.input_weight.grad.abs().max()) > 0
    assert isinstance(network.layers[1], LiquidLayer)
    assert network.layers[1].inputs == 10


def test_the_layers_of_the_literature_are_two_of_512_one_of_512_and_one_more():
    args = make_parser().parse_args(["dvsgesture", "--data-root", "data"])
    config = make_config(args)
    assert (config.steps, config.sizes, config.cell) == (20, (512, 512, 512), "ltc-adaptive")
    task = LABELLED["dvsgesture"]
    network = LiquidNetwork(task.inputs, (8, 8, 8), task.classes, branches=task.branches)
    shapes = [tuple(b.input_weight.shape) for b in network.layers[0].branches]
    shapes += [tuple(layer.input_weight.shape) for layer in network.layers[1:]]
    assert shapes == [(8, 1024), (8, 1024), (8, 16), (8, 8)]
    assert tuple(network.readout.weight.shape) == (11, 8)
    assert parameter_count(network) > 0
    assert "not measured here" in task.source and "Yin et al. 2021" in task.source


def test_the_command_trains_on_gestures_and_says_where_its_settings_come_from(tmp_path, capsys):
    make_gestures(tmp_path)
    path = tmp_path / "run.json"
    options = ["--data-root", str(tmp_path), "--hidden", "12,8", "--epochs", "4", "--steps", "6"]
    options += ["--parts", "3", "--batch", "4", "--oracle", "--json", str(path)]
    assert main(["dvsgesture", *options]) == 0
    printed = capsys.readouterr().out
    assert "from the literature (Yin et al. 2021), not measured here" in printed.splitlines()[0]
    written = json.loads(path.read_text())
    assert written["settings"]["hidden"] == [12, 8]
    assert written["settings"]["optimizer"] == DEFAULTS["dvsgesture"]["optimizer"]
    assert len(written["losses"]) == len(written["accuracies"]) == 4
    assert written["losses"][-1] < written["losses"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data-root", "nowhere"], "dvsgesture: no folder nowhere/DVSGesture"),
        (["--data-root", ".", "--steps", "8"], "of 8 steps has no 20 parts; give at most 8 parts"),
        (["--data-root", ".", "--limit", "0"], "limit is 0; it must lie in [1, "),
        (["--data-root", ".", "--hidden", "4,0"], "hidden is 0; it must lie in [1, "),
    ],
)
def test_what_cannot_be_trained_costs_one_line(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["dvsgesture", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("onchip.models.fptt: error: ")
    assert message in line


def test_inputs_that_cannot_be_cut_into_branches_are_refused():
    with pytest.raises(ValueError, match="7 inputs cannot be cut into 2 equal branches"):
        BranchedLayer(7, 4, 2)
