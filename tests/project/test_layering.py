"""The layering rules catch what they are meant to catch, on packages made up for the purpose."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ALLOWED = {
    "onchip/core.py": "import numpy",
    "onchip/lava/network.py": "import lava.magma\nimport scipy.sparse\nfrom onchip import core",
    "models/train.py": "import torch\nfrom onchip import core",
    "deploy/build.py": "from onchip import core",
    "deploy/clip.py": "from deploy import build",
    "deploy/cli/main.py": "from deploy import build\nfrom deploy.cli import train",
    "deploy/cli/train.py": "from models import train",
}

FORBIDDEN = {
    "core_imports_models": ("onchip/core.py", "from models import train"),
    "core_imports_deploy": ("onchip/core.py", "from deploy import build"),
    "core_imports_torch": ("onchip/core.py", "import torch"),
    "core_imports_scipy": ("onchip/core.py", "import scipy"),
    "core_imports_lava": ("onchip/core.py", "import lava"),
    "lava_layer_imports_torch": ("onchip/lava/network.py", "import torch"),
    "models_import_deploy": ("models/train.py", "from deploy import build"),
    "models_import_lava": ("models/train.py", "from lava.magma import core"),
    "deploy_imports_lava": ("deploy/build.py", "import lava"),
    "library_imports_models": ("deploy/build.py", "import models"),
    "library_imports_a_part_of_models": ("deploy/build.py", "from models import train"),
    "library_named_like_the_cli_imports_models": ("deploy/clip.py", "from models import train"),
    "library_goes_through_the_cli": ("deploy/build.py", "from deploy.cli import train"),
}


def write_packages(folder: Path, files: dict[str, str]) -> None:
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


def test_allowed_imports_pass(tmp_path: Path) -> None:
    write_packages(tmp_path, ALLOWED)
    result = lint_imports(tmp_path)
    assert result.returncode == 0, result.stdout
    assert "Contracts: 7 kept, 0 broken." in result.stdout


@pytest.mark.parametrize("case", FORBIDDEN)
def test_forbidden_import_is_caught(tmp_path: Path, case: str) -> None:
    name, statement = FORBIDDEN[case]
    write_packages(tmp_path, {**ALLOWED, name: f"{ALLOWED[name]}\n{statement}"})
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout
    assert name.removesuffix(".py").replace("/", ".") in result.stdout
