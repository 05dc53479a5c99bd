"""Reports: the page of `--report`, what its parts say, and that it needs nothing beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from page_checks import PageContent, require_alone

from onchip import LIF, DenseSpec, LeakyIntegrator, Network, Surrogate, chain, with_learning
from onchip.deploy.backends.table import build
from onchip.deploy.cli import learn_command, main
from onchip.deploy.cli.learning_report import LearnedStream
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.deploy.pages.accuracy_bars import AccuracyBars
from onchip.deploy.pages.document import (
    Document,
    Items,
    Section,
    Table,
    Text,
    as_markdown,
    inline,
)
from onchip.deploy.pages.page import as_html
from onchip.deploy.pages.pictures import Frames
from onchip.deploy.pages.stream_chart import StreamChart, x_of, y_of
from onchip.deploy.quantization.network import quantize

COMMAND = ["learn", "network.h5", "--dataset", "random", "--samples", "12", "--limit", "20"]
COMMAND += ["--backend", "lava-fused", "--precision", "fixed"]


def learning_network() -> Network:
    """12-8-3 for frames of 2 x 2 x 3 pixels, T = 4, all of it plastic."""
    rng = np.random.default_rng(3)
    lif = LIF(surrogate=Surrogate("rectangle"))
    layers = (
        DenseSpec("hidden", rng.normal(0, 0.6, (8, 12)), lif),
        DenseSpec("readout", rng.normal(0, 0.6, (3, 8)), LeakyIntegrator()),
    )
    return with_learning(chain(layers, (2, 2, 3), 4), learning_rate=0.3, feedback="symmetric")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With network.h5, and what learning in integers with a report left: page.html, x.json."""
    place = tmp_path_factory.mktemp("reports")
    network = learning_network()
    save_bundle(place / "network.h5", Bundle(network, quantize(network)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = ["--report", "page.html", "--json", "x.json", "--out", "learned.h5"]
        assert main([*COMMAND, *words]) == 0
    return place


def test_the_page_of_learning_has_all_parts_and_needs_nothing_else(folder: Path) -> None:
    results = json.loads((folder / "x.json").read_text())
    page = require_alone((folder / "page.html").read_text(encoding="utf-8"))
    figures = {"bars", "events", "stream", "raster_before", "raster_after", "weights", "network"}
    assert figures <= set(page.ids)
    assert len(page.pictures) == 5 + 4  # the bars and the stream are drawn in the page; 4 frames
    cells = page.texts["td"]
    assert "passed" in cells and results["parity.passed"] is True
    assert "lava-fused-sequenced" in cells and "lava-fused" in cells
    assert results["versions"]["numpy"] in cells and "--report" in page.texts["code"][-1]
    for key in ("accuracy_before", "accuracy_after"):
        assert f"{results[key]:.1%}" in page.texts["span"]
    assert results["report"] == "page.html"


def weights(file: str, precision: str) -> list[np.ndarray]:
    """Of all connections."""
    bundle = load_bundle(file)
    network = bundle.spec if precision == "float" else bundle.fixed
    return [c.transform.weight for c in network.connections]


def test_a_report_leaves_what_is_learned_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In floating point each sample is predicted first, which in integers would draw numbers."""
    monkeypatch.chdir(folder)
    assert main([*COMMAND, "--out", "plain.h5"]) == 0
    assert main([*COMMAND, "--measure", "--out", "measured.h5"]) == 0
    reported, plain, before = (weights(f"{n}.h5", "fixed") for n in ("learned", "plain", "network"))
    measured = weights("measured.h5", "fixed")
    assert all(map(np.array_equal, reported, plain))
    assert not all(map(np.array_equal, reported, before))
    assert not all(map(np.array_equal, reported, measured))  # so it must not be implied
    float_command = [*COMMAND[:-1], "float"]
    assert main([*float_command, "--out", "plain.h5"]) == 0
    assert main([*float_command, "--measure", "--out", "measured.h5"]) == 0
    for ours, theirs in zip(
        *(weights(f, "float") for f in ("plain.h5", "measured.h5")), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_curve_of_samples_that_were_not_predicted_first_says_so(folder: Path) -> None:
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "each <em>while</em> it is learned from, when the network is told its class" in text
    assert "accuracy_stream" not in json.loads((folder / "x.json").read_text())


def test_the_curve_of_a_report_in_floating_point_is_of_predictions_before_learning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without drawing, which takes its time."""
    monkeypatch.chdir(tmp_path)
    kept: list[LearnedStream] = []
    monkeypatch.setattr(
        learn_command, "write_learning_report", lambda _, __, learned: kept.append(learned) or {}
    )
    save_bundle(tmp_path / "network.h5", Bundle(learning_network()))
    command = [*COMMAND[:-1], "float", "--report", "page.html", "--json", "x.json"]
    assert main(command) == 0
    accuracy = json.loads((tmp_path / "x.json").read_text())["accuracy_stream"]
    (learned,) = kept
    frames, labels = learned.stream
    network, right = learned.before, []
    for sample, label in zip(frames, labels, strict=True):
        with build(network) as execution:
            right.append(execution.run(sample[None]).predictions[0] == label)
            execution.learn(sample[None], np.array([label]))
            network = execution.snapshot()
    assert learned.record.correct == right and learned.record.positions == list(range(12))
    assert accuracy == np.mean(right)


def test_a_curve_lies_where_its_values_say() -> None:
    correct = np.array([1, 0, 1, 1])
    chart = StreamChart("stream.png", "a < b", np.array([0, 3, 6, 9]), {"x": correct}, {}, 2, b"")
    text = chart.html()
    points = re.findall(r'points="([^"]*)"', text)[0].split()
    averages = [100, 50, 50, 100]  # of two each, the first of one
    expected = [(x_of(p, 9), y_of(v, 40)) for p, v in zip((0, 3, 6, 9), averages, strict=True)]
    found = [tuple(map(float, point.split(","))) for point in points]
    np.testing.assert_allclose(found, expected, atol=0.051)
    left, right, low, high = x_of(0, 9), x_of(9, 9), y_of(40, 40), y_of(100, 40)
    assert found[0] == (pytest.approx(left), pytest.approx(high)) and found[-1][0] == right
    assert y_of(70, 40) == pytest.approx((low + high) / 2) and y_of(0, 40) == low
    assert "a &lt; b" in text and "a < b" not in text


def test_what_is_written_is_escaped_and_marked_up() -> None:
    assert inline("a <b> & `x*y*z` *em* **bold**") == (
        "a &lt;b&gt; &amp; <code>x*y*z</code> <em>em</em> <strong>bold</strong>"
    )
    table = Table([["a|b", "c"], ["<script>", "passed"], ["x", "FAILED"]])
    assert table.markdown().splitlines()[0] == "| a\\|b     | c      |"
    page = PageContent.of(table.html())
    assert page.texts["td"] == ["<script>", "passed", "x", "FAILED"]
    assert '<td class="good">passed</td>' in table.html()
    assert '<td class="bad">FAILED</td>' in table.html()


def test_both_forms_hold_the_same_text() -> None:
    blocks = [Text("one", "note"), Items(["two", "three"], numbered=True)]
    folded = Table([["h"], ["hidden"]], folded="more")
    bars = AccuracyBars({"before": {"float": 0.25}, "after": {"float": 1.0}})
    document = Document("A title", blocks, [Section("A part", [bars, folded])])
    markdown, page = as_markdown(document), require_alone(as_html(document))
    assert markdown.startswith("# A title\n\none\n\n1. two\n2. three\n\n## A part\n\n| accuracy")
    assert "hidden" not in markdown and "hidden" in page.texts["td"]
    assert "| before                   | 25.0%  |" in markdown
    assert page.texts["span"] == ["25.0%", "100.0%"]
    assert page.texts["h2"] == ["A part"] and page.texts["a"] == ["A part"]


def test_frames_are_stepped_through_one_at_a_time(rng: np.random.Generator) -> None:
    frames = rng.random((3, 2, 4, 5)) < 0.5
    text = Frames({"left": frames, "right": ~frames}, "steps").html()
    page = PageContent.of(text)
    assert len(page.pictures) == 6 and len(re.findall(r"<img [^>]*hidden", text)) == 4
    assert 'max="3"' in text


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main([*COMMAND, "--report", "nowhere/x.html"]) == 2
    assert "folder nowhere does not exist" in capsys.readouterr().err
    assert main([*COMMAND, "--report", "network.h5"]) == 2
    assert "both name" in capsys.readouterr().err
