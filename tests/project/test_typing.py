"""A user's own program is checked strictly against the installed package's types."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import tomli
from typed_program import EXAMPLE

import onchip

ROOT = Path(__file__).parents[2]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An environment's Python, with the package as a wheel installs it and all it depends on."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    shutil.copytree(ROOT / "onchip", site / "onchip")
    for name in ("models", "deploy"):
        shutil.copytree(ROOT / name, site / "onchip" / name)
    found = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(found) + "\n")
    return tmp_path / "venv" / "bin" / "python"


@pytest.mark.timeout(300)
def test_a_typed_program_is_clean_under_strict_mypy_and_runs(python: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(EXAMPLE)
    options = ["--strict", "--python-executable", str(python), "--cache-dir", str(tmp_path / "c")]
    command = [sys.executable, "-m", "mypy", *options, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Success: no issues found"), done.stdout + done.stderr
    wrong = EXAMPLE.replace("event.index >= 10", "event.indices >= 10")
    (tmp_path / "program.py").write_text(wrong)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert '"SampleEvent" has no attribute "indices"' in done.stdout  # its types were read
    (tmp_path / "program.py").write_text(EXAMPLE)
    done = subprocess.run(
        [python, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r" 3 3$", done.stdout.splitlines()[-1])


def test_the_wheel_says_that_it_is_typed_and_of_which_version() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text())
    assert (ROOT / "onchip" / "py.typed").is_file()
    assert project["tool"]["setuptools"]["package-data"] == {"onchip": ["py.typed"]}
    assert onchip.__version__ == project["project"]["version"]
