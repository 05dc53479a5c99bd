"""The README's tables are those of the committed measurements."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tables_are_made_from_the_committed_measurements() -> None:
    generator = runpy.run_path(str(ROOT / "tests" / "benchmarks" / "readme_tables.py"))
    readme = (ROOT / "README.md").read_text()
    assert generator["with_tables"](readme) == readme
    assert "± " in readme
