"""The README's tables are those of the committed measurements."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATOR = str(ROOT / "tests" / "benchmarks" / "readme_tables.py")


def test_the_tables_are_made_from_the_committed_measurements() -> None:
    generator = runpy.run_path(GENERATOR)
    readme = (ROOT / "README.md").read_text()
    assert generator["with_tables"](readme) == readme
    assert "± " in readme


def test_every_table_of_the_measurements_page_can_be_made() -> None:
    page = (ROOT / "notebooks" / "docs" / "measurements.rst").read_text()
    names = " ".join(re.findall(r"^\.\. measured:: (.*)$", page, flags=re.MULTILINE)).split()
    tables = runpy.run_path(GENERATOR)
    assert len(names) > 8
    for name in names:
        assert " | " in tables[name]()
