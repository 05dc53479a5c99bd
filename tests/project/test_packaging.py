"""The pinned list, the declared dependencies and the environment say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = (ROOT / "requirements.txt").read_text().splitlines()


def pins() -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in (s.split("==") for s in LINES)}


def declared() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(text) for group in groups for text in group]


def test_the_pinned_list_holds_names_and_versions_only() -> None:
    odd = [s for s in LINES if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9a-z.]*", s)]
    assert odd == []


def test_every_declared_dependency_is_pinned_within_its_range() -> None:
    pinned = pins()
    outside = [
        str(r) for r in declared() if pinned.get(canonicalize_name(r.name)) not in r.specifier
    ]
    assert outside == []


def test_everything_a_pinned_package_needs_is_pinned() -> None:
    pinned = pins()
    needed = {
        canonicalize_name(requirement.name)
        for name in pinned
        for requirement in map(Requirement, metadata.requires(name) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert needed - set(pinned) == set()


def test_the_environment_holds_the_pinned_versions() -> None:
    installed = {name: metadata.version(name) for name in pins()}
    assert installed == pins()


def run_elsewhere(folder: Path, code: str) -> list[str]:
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_the_three_packages_are_importable_from_anywhere(tmp_path: Path) -> None:
    code = "import onchip, models, deploy; print(*(m.__file__ for m in (onchip, models, deploy)))"
    folders = [Path(file).parent for file in run_elsewhere(tmp_path, code)]
    assert folders == [ROOT / "onchip", ROOT / "models", ROOT / "deploy"]


def test_importing_onchip_loads_neither_torch_nor_lava(tmp_path: Path) -> None:
    loaded = set(run_elsewhere(tmp_path, "import sys, onchip; print(*sys.modules)"))
    assert "onchip" in loaded
    assert loaded & {"torch", "lava", "h5py", "scipy", "sklearn", "matplotlib"} == set()
