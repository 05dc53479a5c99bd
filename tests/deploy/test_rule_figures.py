"""Figures of the learning rule: each is written whole and says what it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from figure_checks import is_picture, lines
from matplotlib.figure import Figure

from onchip.deploy.reports.rule_figures import (
    SynapseCourse,
    draw_cosines,
    draw_memory,
    draw_synapse,
)


def test_a_synapse_is_drawn_with_its_threshold_spikes_and_the_sum_of_its_updates(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    course = SynapseCourse(
        inputs=np.array([1, 0, 1]),
        trace=np.array([1, 0.5, 1.25]),
        potential=np.array([0.6, 1.2, 0.1]),
        outputs=np.array([0, 1, 0]),
        derivative=np.array([0.6, 0.8, 0.1]),
        signal=np.array([-0.1, 0.2, 0.0]),
        update=np.array([0.06, -0.08, 0.0]),
    )
    draw_synapse(tmp_path / "synapse.png", course, 1.1, "one synapse")
    assert is_picture(tmp_path / "synapse.png")
    trace, membrane, _, _, update = drawn[0].axes
    assert lines(trace)["trace a"] == ([1, 2, 3], [1, 0.5, 1.25])
    assert lines(membrane)["output spike"] == ([2], [1.2])
    assert lines(membrane)["threshold Vth"][1] == [1.1, 1.1]
    assert [bar.get_height() for bar in update.patches] == [0.06, -0.08, 0.0]
    np.testing.assert_allclose(lines(update)["sum so far"][1], [0.06, -0.02, -0.02])
    assert drawn[0].get_suptitle() == "one synapse"


def test_cosines_are_labelled_with_their_mean(tmp_path: Path, drawn: list[Figure]) -> None:
    series = {
        "exact": {"fc1": [0.8, 0.9], "readout": [1.0, 1.0]},
        "direct": {"fc1": [-0.2, 0.1], "readout": [1.0, 1.0]},
    }
    draw_cosines(tmp_path / "cosines.png", series, "cosines")
    assert is_picture(tmp_path / "cosines.png")
    (axis,) = drawn[0].axes
    assert [text.get_text() for text in axis.texts] == ["0.85", "1.00", "-0.05", "1.00"]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["fc1", "readout"]
    assert axis.get_ylim()[0] < -0.2
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["exact", "direct"]


def test_memory_is_drawn_in_mebibytes(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_memory(tmp_path / "memory.png", (4, 8), {"BPTT": [2**20, 2**21]}, "memory")
    assert is_picture(tmp_path / "memory.png")
    (axis,) = drawn[0].axes
    assert lines(axis)["BPTT"] == ([4, 8], [1.0, 2.0])
    assert axis.get_ylim()[0] == 0
