"""A new user's script works in a folder of their own, and goes on in a new process."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from onchip.deploy import load_spec

SCRIPT = Path(__file__).parents[2] / "notebooks" / "docs" / "howto" / "own_stream.py"


def run(folder: Path) -> list[str]:
    """The lines that the script prints in a process of its own."""
    environment = {**os.environ, "ONCHIP_CACHE": str(folder)}
    done = subprocess.run(
        [sys.executable, SCRIPT.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_script_trains_learns_adds_a_class_stops_and_goes_on(tmp_path: Path) -> None:
    for name in ("models", "deploy"):  # the user's own, beside the script
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    shutil.copy(SCRIPT, tmp_path)
    first, second = run(tmp_path), run(tmp_path)
    old, stopped = first
    assert float(old.rpartition(" ")[2]) > 0.9
    samples, right = re.fullmatch(r"(\d+) samples, (.*) are right", stopped).groups()
    assert samples == "200" and float(right) > 0.7
    samples, right = re.fullmatch(r"(\d+) samples, (.*) are right", second[0]).groups()
    assert samples == "400" and float(right) > 0.8 and len(second) == 1
    assert load_spec(tmp_path / "bars.h5").classes == 4
    report = (tmp_path / "bars.csv").read_text().splitlines()
    assert report[0].startswith("sample,label,prediction,correct,accuracy")
    rows = [line.split(",") for line in report[1:]]
    assert [int(row[0]) for row in rows] == list(range(400))  # of both processes
    assert [row[1] == "" for row in rows] == [i % 4 == 3 for i in range(400)]  # missing labels
    assert float(rows[-1][4]) > 0.8


def test_the_script_is_short_and_imports_public_names_alone() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("onchip"):
            assert node.module in ("onchip", "onchip.deploy", "onchip.models")
            package = __import__(node.module, fromlist=["__all__"])
            assert {alias.name for alias in node.names} <= set(package.__all__)
