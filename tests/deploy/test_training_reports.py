"""Reports of training and of quantizing: what is on their pages. Figures are drawn elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from figure_checks import PNG
from page_checks import require_alone

import onchip.deploy.pages.pictures
from onchip.deploy.cli import main
from onchip.deploy.pages.pictures import data_url

TRAIN = ["train", "--model", "mlp", "--hidden", "12", "--size", "8", "--time-steps", "4"]
TRAIN += ["--limit", "20", "--epochs", "2"]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, in which pictures are empty, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        onchip.deploy.pages.pictures, "png_of", lambda draw: PNG + b"IEND\xaeB`\x82"
    )
    return tmp_path


def results(command: list[str]) -> dict:
    assert main([*command, "--json", "x.json"]) == 0
    return json.loads(Path("x.json").read_text())


def test_the_page_of_training_tells_epochs_accuracy_and_parity(workplace: Path) -> None:
    found = results([*TRAIN, "--out", "x.pt", "--report", "page.html"])
    page = require_alone(Path("page.html").read_text(encoding="utf-8"))
    assert {"course", "events", "raster", "weights", "network"} <= set(page.ids)
    assert found["report"] == "page.html" and f"{found['accuracy']:.1%}" in page.texts["span"]
    assert "torch" in page.texts["td"] and "not tested" in page.texts["td"]
    assert page.texts["strong"] == ["not tested"]  # of a network that is still silent
    assert page.texts["th"].count("epoch") == 1 and "ottt_a" in page.texts["code"]


def test_training_by_another_rule_has_its_page(workplace: Path) -> None:
    found = results([*TRAIN, "--rule", "decolle", "--out", "x.h5", "--report", "page.html"])
    page = require_alone(Path("page.html").read_text(encoding="utf-8"))
    assert "decolle" in page.texts["code"] and "loss" not in page.texts["th"]
    assert f"{found['accuracy']:.1%}" in page.texts["span"]


def test_frames_that_no_execution_takes_are_left_out_with_the_reason(workplace: Path) -> None:
    results([*TRAIN, "--counts", "--out", "x.pt", "--report", "page.html"])
    text = Path("page.html").read_text(encoding="utf-8")
    assert text.count('<p class="note">Left out: ') == 2  # the raster and parity
    require_alone(text)


def test_the_page_of_quantizing_has_what_it_cost_and_what_fine_tuning_changed(
    workplace: Path,
) -> None:
    assert main([*TRAIN, "--out", "x.pt"]) == 0
    assert main(["export", "x.pt", "--out", "x.h5", "--plastic", "readout"]) == 0
    quantize = ["quantize", "x.h5", "--out", "y.h5", "--limit", "20", "--report", "page.html"]
    found = results([*quantize, "--fine-tune", "1", "--checkpoint", "x.pt"])
    page = require_alone(Path("page.html").read_text(encoding="utf-8"))
    shown = page.texts["span"]
    expected = [found[f"{b}{k}"] for b in ("before.", "") for k in ("accuracy", "integer_accuracy")]
    assert shown == [f"{value:.1%}" for value in expected] and "weights" in page.ids
    assert f"{found['fc1.weight_step']:.3e}" in page.texts["td"]
    results(quantize)
    page = require_alone(Path("page.html").read_text(encoding="utf-8"))
    assert "weights" not in page.ids and len(page.texts["span"]) == 2


def test_a_picture_stands_in_the_page_itself() -> None:
    assert data_url(b"\x00\x01") == "data:image/png;base64,AAE="
