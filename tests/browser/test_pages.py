"""Reports in a real browser: nothing on the console, no request, readable when wide and narrow.

They need Chromium, and fail with a word where there is none. With ONCHIP_SCREENSHOTS the pictures
are left in that folder, to be looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import NAMES, Page, chromium_page, find_chromium

import onchip.deploy.cli.demo_settings
from onchip.deploy.cli import main
from onchip.deploy.cli.demo_settings import Scenario

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TINY = Scenario(
    model="mlp",
    model_options={"hidden": (12,)},
    training={"epochs": 2},
    learning_rates=(0.1, 0.05),
    plastic=("fc1", "readout"),
    stream_samples=40,
    measure=1,
    parity_samples=1,
    lava_checked=1,
    limit=60,
    time_steps=4,
)
WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages by the command that wrote them."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        patch.setattr(onchip.deploy.cli.demo_settings, "QUICK", TINY)
        patch.chdir(folder)
        assert main(["demo", "--quick", "--out", "demo"]) == 0
        learn = ["learn", "demo/network.h5", "--drifted", "--limit", "60", "--samples", "40"]
        assert main([*learn, "--backend", "lava-fused", "--report", "learn.html"]) == 0
        train = ["train", "--model", "mlp", "--hidden", "12", "--time-steps", "4", "--limit", "60"]
        train += ["--epochs", "2", "--out", "x.pt", "--report", "train.html"]
        assert main(train) == 0
    return {
        "demo": folder / "demo" / "report.html",
        "learn": folder / "learn.html",
        "train": folder / "train.html",
    }


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    program = find_chromium()
    if program is None:
        names = ", ".join(NAMES)
        pytest.fail(
            f"no Chromium here (looked for {names}), so no page was tested in a browser; install "
            "one, on Debian by apt-get install chromium"
        )
    with chromium_page(program, tmp_path / "profile") as opened:
        yield opened


@pytest.mark.parametrize("command", ["demo", "learn", "train"])
def test_a_report_loads_alone_and_fits(
    command: str, reports: dict[str, Path], page: Page, tmp_path: Path
) -> None:
    shots = Path(os.environ.get("ONCHIP_SCREENSHOTS", tmp_path))
    for width in WIDTHS:
        page.open(reports[command], width)
        page.screenshot(shots / f"{command}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(BROKEN) == []
        assert page.evaluate(SMALL) == []
    assert page.problems == []
    assert {url for url in page.requests if not url.startswith("data:")} == {
        reports[command].as_uri()
    }


BROKEN = """[...document.images].filter(i => !i.hidden && (!i.complete || !i.naturalWidth))
    .map(i => i.alt)"""
"""Pictures that are not there."""

SMALL = """[...document.querySelectorAll("p, li, td, th, figcaption, svg text")]
    .filter(e => e.getClientRects().length && parseFloat(getComputedStyle(e).fontSize) * (
        e.ownerSVGElement ? e.ownerSVGElement.getBoundingClientRect().width / 720 : 1) < 11)
    .map(e => e.textContent)"""
"""Text of less than 11 pixels."""


def test_the_slider_steps_through_the_frames(reports: dict[str, Path], page: Page) -> None:
    page.open(reports["demo"], 1280)
    shown = "[...document.querySelectorAll('.film img')].map(i => !i.hidden)"
    assert page.evaluate(shown) == [True, False, False, False] * 2
    page.evaluate(
        "{ const s = document.querySelector('.frames input'); s.value = 3;"
        " s.dispatchEvent(new Event('input')); }"
    )
    assert page.evaluate(shown) == [False, False, True, False] * 2
    assert page.evaluate("document.querySelector('.frames output').value") == "3"


def test_the_curve_says_its_values_where_it_is_pointed_at(
    reports: dict[str, Path], page: Page
) -> None:
    page.open(reports["demo"], 1280)
    data = page.evaluate("JSON.parse(document.querySelector('.chart script').textContent)")
    box = page.evaluate(
        "(() => { const s = document.querySelector('.chart svg'); s.scrollIntoView();"
        " const r = s.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()"
    )
    for index in (0, 17, 39):
        position = data["positions"][index]
        inside = data["left"] + data["width"] * position / data["last"]
        x, y = box[0] + inside * box[2] / 720, box[1] + box[3] / 2
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        told = page.evaluate("document.querySelector('.reading').value")
        values = [f"{name} {series[index]:g} %" for name, series in data["series"].items()]
        assert told == f"after {position} samples: {', '.join(values)}"
    assert page.problems == [] and np.all(np.diff(data["positions"]) > 0)
