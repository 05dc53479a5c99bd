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
    lowest_shown,
    moving_average,
)
from onchip.deploy.reports.network_figure import draw_network
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
    draw_network(tmp_path / "network.png", dense)
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
        draw_stream(tmp_path / "none" / "x.png", np.arange(2), {"x": np.ones(2)}, {})


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


def test_an_axis_of_accuracies_begins_below_all_that_is_to_be_seen() -> None:
    averages = [np.array([0.0, 83.0, 91.0]), np.array([100.0, 76.0, 99.0])]
    assert lowest_shown(averages, [0.549], window=2) == 40  # 54.9, not the first average of one
    assert lowest_shown(averages, [0.9], window=2) == 60
    assert lowest_shown([np.array([42.0])], [], window=5) == 30
    assert lowest_shown([np.array([3.0])], [0.5], window=1) == 0


def test_equal_accuracies_are_told_apart(tmp_path: Path, drawn: list[Figure]) -> None:
    same = np.array([1, 0, 1, 1])
    levels = {"a": 0.9, "b": 0.5, "c": 0.5}
    draw_stream(tmp_path / "x.png", np.arange(4), {"one": same, "two": same}, levels, window=2)
    lines = {line.get_label(): line for line in drawn[0].axes[0].lines}
    assert lines["one"].get_linewidth() > 1.5 * lines["two"].get_linewidth()
    dashed = [line for line in drawn[0].axes[0].lines if list(line.get_ydata()) == [50, 50]]
    (first, _), (second, dashes) = (line._unscaled_dash_pattern for line in dashed)
    assert {first, second} == {0, dashes[0]} and dashes[0] == dashes[1]


def test_a_network_is_drawn_with_what_learns_and_what_goes_back(
    rng: np.random.Generator, tmp_path: Path, drawn: list[Figure]
) -> None:
    network = learning_residual(rng)
    draw_network(tmp_path / "x.png", network)
    texts = [text for text in drawn[0].axes[0].texts if text.get_text()]
    assert [t.get_text().split(",")[0] for t in texts] == [
        "input",
        *(p.name for p in network.populations),
    ]
    arrows = [a.arrow_patch for a in drawn[0].axes[0].texts if not a.get_text()]
    connections = [c for c in network.connections if c.source != "always_on"]
    assert len(arrows) == len(connections)
    thick = [arrow.get_linewidth() > 2 for arrow in arrows]
    assert thick == [c.plastic for c in connections] and any(thick)
