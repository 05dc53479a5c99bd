"""Figures of the walkthroughs: each is written whole and says what it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from figure_checks import is_picture, lines
from matplotlib.figure import Figure

from onchip.deploy.reports.walkthrough_figures import Course, draw_phases, draw_training


def test_training_is_drawn_with_its_loss_accuracies_and_chance(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    history = [
        {"epoch": 1, "loss": 2.3, "train_accuracy": 0.25, "test_accuracy": 0.125, "seconds": 1},
        {"epoch": 2, "loss": 1.1, "train_accuracy": 0.75, "test_accuracy": 0.5, "seconds": 1},
    ]
    draw_training(tmp_path / "training.png", history, 0.1, "a training")
    assert is_picture(tmp_path / "training.png")
    loss, accuracy = drawn[0].axes
    assert ([1, 2], [2.3, 1.1]) in lines(loss).values()
    found = {label: y for label, (_, y) in lines(accuracy).items()}
    assert found["train samples"] == [25, 75] and found["test samples"] == [12.5, 50]
    assert found["guessing"] == [10, 10]
    assert drawn[0].get_suptitle() == "a training"


def test_phases_are_drawn_where_they_act(tmp_path: Path, drawn: list[Figure]) -> None:
    timetable = {"source": np.array([1, 0, 1, 0], bool), "weights": np.array([0, 1, 0, 1], bool)}
    courses = {"membrane": Course(np.array([0.0, 0.5, 0.5, 1.25]), "u (thresholds)")}
    draw_phases(tmp_path / "phases.png", timetable, courses, 2, "phases")
    assert is_picture(tmp_path / "phases.png")
    table, membrane = drawn[0].axes
    bars = {(bar.get_x() + 0.5, round(bar.get_y() + 0.35)) for bar in table.patches}
    assert bars == {(1, 0), (3, 0), (2, 1), (4, 1)}
    assert [tick.get_text() for tick in table.get_yticklabels()] == ["source", "weights"]
    assert list(membrane.lines[0].get_xdata()) == [1, 2, 3, 4]
    assert list(membrane.lines[0].get_ydata()) == [0.0, 0.5, 0.5, 1.25]
    edges = [line.get_xdata()[0] for line in membrane.lines[1:]]
    assert edges == [0.5, 2.5, 4.5]
    assert membrane.get_ylabel() == "u (thresholds)"
