"""Figures: what is computed for them, and that each is written whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure_checks import is_picture
from graph_networks import learning_residual
from matplotlib.figure import Figure

from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy.reports.figures import (
    BOTH,
    OFF,
    ON,
    draw_accuracies,
    draw_events,
    draw_raster,
    draw_stream,
    draw_weight_change,
    event_colors,
    moving_average,
)
from onchip.deploy.reports.table_figure import draw_table
from onchip.network.learning import with_learning


def test_the_moving_average_is_that_of_a_plain_loop() -> None:
    values = np.random.default_rng(0).random(30)
    expected = [values[max(0, i - 6) : i + 1].mean() for i in range(30)]
    np.testing.assert_allclose(moving_average(values, 7), expected)


def test_event_colors_tell_polarities_apart() -> None:
    frame = np.array([[[1, 0], [1, 0]], [[0, 1], [1, 0]]])
    colours = event_colors(frame)
    np.testing.assert_array_equal(colours[0, 0], OFF)
    np.testing.assert_array_equal(colours[0, 1], ON)
    np.testing.assert_array_equal(colours[1, 0], BOTH)
    np.testing.assert_array_equal(colours[1, 1], 1)


def test_every_figure_is_written(dense, tmp_path: Path, rng: np.random.Generator) -> None:
    frames = rng.random((4, 2, 6, 6)) < 0.3
    draw_events(tmp_path / "events.png", {"before": frames, "after": ~frames})
    spikes = {"events": rng.random((4, 300)) < 0.2, "hidden": np.zeros((4, 5))}
    draw_raster(tmp_path / "raster.png", spikes, rng.normal(size=(4, 3)), 1, "a sample")
    draw_stream(tmp_path / "stream.png", np.arange(9), {"x": rng.random(9) < 0.5}, {"a": 0.4})
    first = dense.layers[0]
    learned = replace(first, weight=first.weight + rng.normal(0, 0.01, first.weight.shape))
    after = replace(dense, layers=(learned, *dense.layers[1:]))
    draw_weight_change(tmp_path / "weights.png", dense, after)
    draw_accuracies(
        tmp_path / "accuracy.png",
        {"float": {"a": 0.25, "b": 1.0}, "fixed": {"a": 0.2, "b": 0.9}},
        "two",
    )
    draw_table(tmp_path / "table.png", [["x", "y"], ["1", "2"]], "a table")
    assert len(list(tmp_path.iterdir())) == 6
    assert all(is_picture(path) for path in tmp_path.iterdir())


def test_a_change_from_zero_weights_has_no_share_of_their_norm(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    old = [np.full((2, 3), 2.0), np.zeros((2, 2))]
    new = [np.full((2, 3), 3.0), np.ones((2, 2))]
    neurons = (LIF(), LeakyIntegrator())
    before, after = (
        with_learning(
            NetworkSpec(
                tuple(DenseSpec(n, w, k) for n, w, k in zip("ab", ws, neurons, strict=True)),
                (3,),
                2,
            ),
            learning_rate=1.0,
        )
        for ws in (old, new)
    )
    draw_weight_change(tmp_path / "x.png", before, after)
    titles = [axis.get_title() for axis in drawn[0].axes[::2]]
    assert titles == ["a: change 0.5 of the norm", "b: change from zero"]


def test_a_figure_into_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        draw_table(tmp_path / "none" / "x.png", [["x"], ["1"]], "a table")


def test_the_change_of_a_graph_is_drawn_connection_by_connection(
    rng: np.random.Generator, tmp_path: Path, drawn: list[Figure]
) -> None:
    before = learning_residual(rng)
    index = before.names.index("stem.from_b2_delayed")
    halved = before.with_weights(
        {"stem.from_b2_delayed": before.connections[index].transform.weight / 2}
    )
    draw_weight_change(tmp_path / "x.png", before, halved)
    titles = [axis.get_title() for axis in drawn[0].axes[::2]]
    assert len(titles) == 8 and titles[0] == "stem: change 0 of the norm"
    assert "stem.from_b2_delayed: change 0.5 of the norm" in titles
    assert not any("bias" in title for title in titles)
