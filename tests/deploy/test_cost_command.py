"""`onchip cost` on a network file: what it prints, writes and draws, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from figure_checks import is_picture
from graph_networks import learning_residual

from onchip.deploy import save_spec
from onchip.deploy.cli import main
from onchip.deploy.cli.data import DataChoice, take
from onchip.deploy.costs.counting import count
from onchip.network.learning import without_learning

STEPS, SIZE = 4, 8
DATA = ["--limit", "30", "--samples", "3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    framing = {"time_steps": STEPS, "by": "time", "binary": True, "size": SIZE}
    network = learning_residual(
        np.random.default_rng(0),
        input_shape=(2, SIZE, SIZE),
        classes=10,
        time_steps=STEPS,
        metadata={"dataset": "digits-dvs", "split": "random", "seed": 3, "framing": framing},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        save_spec(folder / "network.h5", network)
        save_spec(folder / "frozen.h5", without_learning(network))
        yield folder, network


def test_the_results_are_the_counts_and_the_figure_is_drawn(folder, capsys, drawn):
    place, network = folder
    json_file, png = place / "cost.json", place / "cost.png"
    words = ["cost", str(place / "network.h5"), *DATA, "--json", str(json_file)]
    assert main([*words, "--figure", str(png)]) == 0
    found, printed = json.loads(json_file.read_text()), capsys.readouterr().out
    part = DataChoice("digits-dvs", "random", 3, STEPS, "time", True, SIZE).load(limit=30)[1]
    frames, labels = take(part, 3)
    assert found["run"] == json.loads(json.dumps(count(network, frames).as_json()))
    learned = count(network, frames, labels)
    assert found["learned"]["per_sample"] == learned.per_sample()
    assert found["memory"]["total"] == sum(v for k, v in found["memory"].items() if k != "total")
    assert found["placement"]["Loihi 1"]["estimate"] and found["energy"]["learned"]["estimate"]
    assert "an estimate by Loihi 1's published figures" in printed
    assert f"{learned.per_sample()['rule_evaluations']:,.0f}" in printed
    assert is_picture(png)
    [figure] = drawn
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [p.name for p in network.populations]
    by_color = [bar.get_width() for bar in figure.axes[0].patches[: len(names)]]
    forward = {c.target: 0.0 for c in learned.connections}
    for c in learned.connections:
        forward[c.target] += c.operations.effective / 3 if c.counted else 0
    assert by_color == pytest.approx([forward[name] for name in names])


def test_a_frozen_network_has_no_learned_sample(folder, capsys):
    place, _ = folder
    json_file = place / "frozen.json"
    assert main(["cost", str(place / "frozen.h5"), *DATA, "--json", str(json_file)]) == 0
    found = json.loads(json_file.read_text())
    assert found["learned"] is None and found["energy"]["learned"] is None
    assert "a learned sample" not in capsys.readouterr().out


def test_files_without_integers_and_figures_over_inputs_are_refused(folder, capsys):
    place, _ = folder
    assert main(["cost", str(place / "network.h5"), "--precision", "fixed"]) == 2
    assert "holds no integers" in capsys.readouterr().err
    network = str(place / "network.h5")
    assert main(["cost", network, *DATA, "--figure", network]) == 2
    assert "network.h5" in capsys.readouterr().err
