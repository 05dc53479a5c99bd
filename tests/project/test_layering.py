"""The layering rules catch what they are meant to catch, on packages made up for the purpose."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from onchip.deploy.backends.makers import TORCH_ENGINE

ROOT = Path(__file__).parents[2]
LINTER = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
NAMED = {module for c in LINTER["contracts"] for module in c.get("source_modules", ())}
"""The modules that the contracts are about; the linter wants all of them to exist."""

ALLOWED = {
    "onchip/checks.py": "import numpy",
    "onchip/lava/network.py": "import lava.magma\nimport scipy.sparse\nfrom onchip import checks",
    "onchip/models/train.py": "import torch\nfrom onchip import checks",
    "onchip/deploy/build.py": "from onchip import checks",
    "onchip/deploy/clip.py": "from onchip.deploy import build",
    "onchip/deploy/cli/main.py": "from onchip.deploy import build\nimport onchip.deploy.cli.train",
    "onchip/deploy/cli/train.py": "from onchip.models import train",
}

FORBIDDEN = {
    "core_imports_models": ("onchip/checks.py", "from onchip.models import train"),
    "core_imports_deploy": ("onchip/checks.py", "from onchip.deploy import build"),
    "core_imports_torch": ("onchip/checks.py", "import torch"),
    "core_imports_scipy": ("onchip/checks.py", "import scipy"),
    "core_imports_lava": ("onchip/checks.py", "import lava"),
    "lava_layer_imports_torch": ("onchip/lava/network.py", "import torch"),
    "models_import_deploy": ("onchip/models/train.py", "from onchip.deploy import build"),
    "models_import_lava": ("onchip/models/train.py", "from lava.magma import core"),
    "deploy_imports_lava": ("onchip/deploy/build.py", "import lava"),
    "library_imports_models": ("onchip/deploy/build.py", "import onchip.models"),
    "library_imports_a_part_of_models": (
        "onchip/deploy/build.py",
        "from onchip.models import train",
    ),
    "library_named_like_the_cli_imports_models": (
        "onchip/deploy/clip.py",
        "from onchip.models import train",
    ),
    "library_goes_through_the_cli": (
        "onchip/deploy/build.py",
        "from onchip.deploy.cli import train",
    ),
}


def write_packages(folder: Path, files: dict[str, str]) -> None:
    """Write the tree that `make lint` puts together: models and deploy lie within onchip."""
    for module in NAMED:
        package = folder.joinpath(*module.split("."))
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(source + "\n")
    shutil.copy(ROOT / "pyproject.toml", folder)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    command = [str(program), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_library_of_deploy_names_models_in_text_for_one_backend_alone() -> None:
    """Names in text escape the linter, so they are counted: the row of backend torch, no other."""
    named = {
        (path.relative_to(ROOT).as_posix(), text.value)
        for path in (ROOT / "deploy").rglob("*.py")
        if "cli" not in path.parts
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.Constant) and re.match(r"onchip\.models\b", str(text.value))
    }
    assert named == {("deploy/backends/makers.py", TORCH_ENGINE)}
    module, _, name = TORCH_ENGINE.partition(":")
    assert hasattr(importlib.import_module(module), name)


def test_allowed_imports_pass(tmp_path: Path) -> None:
    write_packages(tmp_path, ALLOWED)
    result = lint_imports(tmp_path)
    assert result.returncode == 0, result.stdout
    assert "Contracts: 8 kept, 0 broken." in result.stdout


def test_two_packages_that_import_each_other_are_caught(tmp_path: Path) -> None:
    circle = {"onchip/checks.py": "import numpy\nfrom onchip.lava import network"}
    write_packages(tmp_path, {**ALLOWED, **circle})
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "no import circles BROKEN" in result.stdout
    assert ".lava -> .checks" in result.stdout


@pytest.mark.parametrize("case", FORBIDDEN)
def test_forbidden_import_is_caught(tmp_path: Path, case: str) -> None:
    name, statement = FORBIDDEN[case]
    write_packages(tmp_path, {**ALLOWED, name: f"{ALLOWED[name]}\n{statement}"})
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout
    assert name.removesuffix(".py").replace("/", ".") in result.stdout
