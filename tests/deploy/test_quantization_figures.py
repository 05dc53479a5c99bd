"""Figures of quantization: each is written whole and shows what it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure_checks import is_picture, lines
from matplotlib.figure import Figure

from onchip import NetworkSpec
from onchip.deploy.quantization.network import quantize
from onchip.deploy.reports.quantization_figures import draw_agreement, draw_quantized_weights
from onchip.network.learning import without_learning


def test_every_weight_is_in_all_three_histograms(
    spec: NetworkSpec, tmp_path: Path, drawn: list[Figure]
) -> None:
    spec = without_learning(spec)
    draw_quantized_weights(tmp_path / "weights.png", spec, quantize(spec), "weights")
    assert is_picture(tmp_path / "weights.png")
    counts = [axis.patches[0].get_data().values.sum() for axis in drawn[0].axes]
    assert counts == [layer.weight.size for layer in spec.layers for _ in range(3)]


def test_rounding_stays_within_a_step_and_clipping_is_told(
    tmp_path: Path, drawn: list[Figure], dense: NetworkSpec
) -> None:
    spec = without_learning(dense)
    fixed = quantize(spec)
    last = spec.layers[-1]
    weight = last.weight.copy()
    weight[0, :3] = 300 * fixed.layers[-1].weight_step
    clipped = replace(spec, layers=(*spec.layers[:-1], replace(last, weight=weight)))
    for network in (spec, clipped):
        draw_quantized_weights(tmp_path / "weights.png", network, fixed, "weights")
    titles = [figure.axes[-1].get_title() for figure in drawn]
    assert titles == ["rounding, 0.00% clipped", f"rounding, {3 / weight.size:.2%} clipped"]
    edges = drawn[0].axes[-1].patches[0].get_data().edges
    assert -1 <= edges[0] < edges[-1] <= 1


def test_other_layers_are_refused(dense: NetworkSpec, tmp_path: Path) -> None:
    spec = without_learning(dense)
    other = replace(spec, layers=(replace(spec.layers[0], name="other"), *spec.layers[1:]))
    with pytest.raises(ValueError, match="'other'"):
        draw_quantized_weights(tmp_path / "x.png", other, quantize(spec), "weights")


def test_agreement_tells_the_true_class_apart(tmp_path: Path, drawn: list[Figure]) -> None:
    ours = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    draw_agreement(tmp_path / "agreement.png", ours, ours + 0.5, np.array([2, 0]), "outputs")
    assert is_picture(tmp_path / "agreement.png")
    found = lines(drawn[0].axes[0])
    assert found["true class"] == ([3.0, 4.0], [3.5, 4.5])
    assert len(found["other classes"][0]) == 4
    assert found["equal"] == ([1.0, 6.5], [1.0, 6.5])
