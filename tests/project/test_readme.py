"""The README's tables are those of the committed measurements."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of readme_tables.py, which finds its modules beside it, as when it is run."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return runpy.run_path(str(BENCHMARKS / "readme_tables.py"))


def test_the_tables_are_made_from_the_committed_measurements(generator: dict[str, Any]) -> None:
    readme = (ROOT / "README.md").read_text()
    assert generator["with_tables"](readme) == readme
    assert "± " in readme


MOVED = ("offline", "small_vgg", "training_step", "drift", "deep_drift")
MOVED += ("integers", "runtimes", "speed", "held")
"""The tables that a reader of the README finds on the page of measurements."""


def test_the_page_of_measurements_has_every_table_that_the_readme_refers_to() -> None:
    page = (ROOT / "notebooks" / "docs" / "measurements.rst").read_text()
    shown = " ".join(re.findall(r"^\.\. measured:: (.*)$", page, flags=re.MULTILINE)).split()
    assert set(MOVED) <= set(shown)


def test_every_table_of_the_pages_can_be_made(generator: dict[str, Any]) -> None:
    pages = "\n".join(path.read_text() for path in (ROOT / "notebooks" / "docs").rglob("*.rst"))
    names = " ".join(re.findall(r"^\.\. measured:: (.*)$", pages, flags=re.MULTILINE)).split()
    assert len(names) > 8
    for name in names:
        assert " | " in generator[name]()


def test_the_accuracies_are_those_of_the_recommended_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    benchmark = runpy.run_path(str(BENCHMARKS / "bench_accuracy_offline.py"))
    cells = benchmark["read_cells"](BENCHMARKS / "results" / "accuracy_offline.json")
    assert len(cells) >= 50
    for (model, method, _, seed), cell in cells.items():
        expected = benchmark["cell_settings"](model, method, seed, epochs=None)
        assert benchmark["with_defaults"](cell["settings"]) == expected
