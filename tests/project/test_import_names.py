"""The package, installed from a wheel or in place, beside a user's own folders models/ and deploy/.

It is built from a copy of the sources into environments of its own, which see the packages that
the present one holds but not this project's installation in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
import tomli

ROOT = Path(__file__).parents[2]
FOLDERS = {"onchip": "onchip", "onchip.models": "models", "onchip.deploy": "deploy"}
"""Import name -> folder, as `package-dir` in pyproject.toml says."""

PIP = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]

PROGRAM = """
import models, deploy
import onchip, onchip.models, onchip.deploy
from deploy.own import OWNER as of_deploy
from models.own import OWNER as of_models
from onchip import LIF
from onchip.deploy import build, check
from onchip.models import load_dataset

print(of_models, of_deploy, *(found.__path__[0] for found in (models, deploy)))
print(*(p.__path__[0] for p in (onchip, onchip.models, onchip.deploy)))
"""


class Installed(NamedTuple):
    """An environment's Python and the folders in which it finds onchip, its models and deploy."""

    python: Path
    folders: list[Path]


def pip(environment: Path, *arguments: str) -> None:
    """Run pip for the Python of an environment."""
    command = [sys.executable, "-m", "pip", "--python", str(python_of(environment)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def new_environment(folder: Path) -> Path:
    """An environment that sees the present one's packages; the line in a .pth names a folder only,
    so that the .pth files in there, an installation in place among them, are not read."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything that is built, so that building leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS.values():
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    environment = new_environment(tmp_path_factory.mktemp("building"))
    pip(environment, "wheel", *PIP, "--no-build-isolation", "-w", str(folder), str(sources))
    (found,) = folder.glob("onchip-*.whl")
    return found


@pytest.fixture(scope="module", params=["wheel", "in place"])
def installed(
    request: pytest.FixtureRequest, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    environment = new_environment(tmp_path_factory.mktemp("environment"))
    if request.param == "wheel":
        pip(environment, "install", *PIP, str(request.getfixturevalue("wheel")))
        (site,) = environment.glob("lib/python*/site-packages")
        return Installed(python_of(environment), [site.joinpath(*n.split(".")) for n in FOLDERS])
    pip(environment, "install", *PIP, "--no-build-isolation", "--editable", str(sources))
    return Installed(python_of(environment), [sources / folder for folder in FOLDERS.values()])


@pytest.fixture(params=["packages", "plain folders"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A user's project with folders models/ and deploy/, with __init__.py and without."""
    for name in ("models", "deploy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.py").write_text("OWNER = 'user'\n")
        if request.param == "packages":
            (tmp_path / name / "__init__.py").touch()
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def output(command: list[str], folder: Path, path: str | None) -> str:
    """What a command prints in a folder, with PYTHONPATH as given."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {} if path is None else {"PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", [None, "."], ids=["", "PYTHONPATH=."])
def test_a_users_own_models_and_deploy_are_his_and_ours_are_ours(
    installed: Installed, project: Path, path: str | None
) -> None:
    own = ["user", "user", str(project / "models"), str(project / "deploy")]
    ours = [str(folder) for folder in installed.folders]
    for program in (["program.py"], ["-m", "program"], ["-c", PROGRAM]):
        printed = output([str(installed.python), *program], project, path)
        assert printed.split() == own + ours


@pytest.mark.parametrize("path", [None, "."], ids=["", "PYTHONPATH=."])
@pytest.mark.parametrize(
    ("command", "usage"),
    [
        (["python", "-m", "onchip.deploy.cli", "--help"], "usage: onchip [-h]"),
        (["python", "-m", "onchip.models", "--help"], "usage: onchip.models [-h]"),
        (["onchip", "parity", "--help"], "usage: onchip parity [-h]"),
    ],
)
def test_the_commands_run_beside_a_users_own_models_and_deploy(
    installed: Installed, project: Path, path: str | None, command: list[str], usage: str
) -> None:
    program, *arguments = command
    printed = output([str(installed.python.with_name(program)), *arguments], project, path)
    assert printed.startswith(usage)


def code_folders() -> set[str]:
    """The import names of all folders that hold Python files."""
    return {
        ".".join([name, *file.relative_to(ROOT / folder).parts[:-1]])
        for name, folder in FOLDERS.items()
        for file in (ROOT / folder).rglob("*.py")
    }


def test_the_list_of_packages_is_that_of_the_folders_with_code() -> None:
    settings = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["package-dir"] == FOLDERS
    assert settings["packages"] == sorted(code_folders())
    for name, folder in FOLDERS.items():
        for package in (p for p in code_folders() if p.startswith(name) and p not in FOLDERS):
            parts = package.removeprefix(name).strip(".").split(".")
            if name != "onchip" or parts[0] not in ("models", "deploy"):
                assert ROOT.joinpath(folder, *parts, "__init__.py").is_file(), package


def test_the_wheel_holds_every_file_of_the_three_folders_and_no_others(wheel: Path) -> None:
    expected = {
        "/".join([*name.split("."), *file.relative_to(ROOT / folder).parts])
        for name, folder in FOLDERS.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected and len(held) > 200
