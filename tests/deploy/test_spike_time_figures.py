"""The figure of spike times is written whole and shows the times that it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from figure_checks import is_picture, keep_figures

from onchip.deploy.reports.spike_time_figures import draw_spike_times


def test_each_neuron_is_shown_where_it_fires_and_the_first_output_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = keep_figures(monkeypatch)
    patterns = {
        "early": {"input": [0.0, 2.0], "hidden": [0.5, None, 1.5], "output": [3.0, 2.5]},
        "silent": {"input": [1.0, np.inf], "hidden": [np.inf] * 3, "output": [None, None]},
        "third": {"input": [0.0, 0.0], "hidden": [0.1, 0.2, 0.3], "output": [0.4, 0.5]},
    }
    draw_spike_times(tmp_path / "times.png", patterns, "spike times")
    assert is_picture(tmp_path / "times.png")
    (figure,) = figures
    early, silent, third, unused = figure.axes
    found = [(list(line.get_xdata()), list(line.get_ydata())) for line in early.lines]
    assert found == [
        ([0.0, 2.0], [0, 1]),
        ([], []),
        ([0.5, 1.5], [2, 4]),
        ([pytest.approx(3.4)], [3]),  # at the edge: it never fires
        ([3.0, 2.5], [5, 6]),
        ([], []),
        ([2.5, 2.5], [6, 7]),  # the first output
    ]
    assert [tick.get_text() for tick in early.get_yticklabels()] == [
        "input 0", "input 1", "hidden 0", "hidden 1", "hidden 2", "output 0", "output 1",
    ]  # fmt: skip
    assert "first to fire" not in [line.get_label() for line in silent.lines]
    assert [len(line.get_xdata()) for line in silent.lines] == [1, 1, 0, 3, 0, 2]
    assert third.get_title() == "third"
    assert third.get_visible()
    assert not unused.get_visible()
    assert figure.get_suptitle() == "spike times"
