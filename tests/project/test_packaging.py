"""The pinned list, the declared dependencies and the environment say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
LISTS = ("requirements.txt", "requirements-lava.txt")
LINES = [line for name in LISTS for line in (ROOT / name).read_text().splitlines()]
LINE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9a-z.]*(; python_version (<|>=) \"3\.\d+\")?"
)
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
LAVA = "lava-nc"
NOT_ASKED = {"expelliarmus"}
"""What tonic asks for and does not import; there is no wheel of it from Python 3.12 on."""


def pins(python: str | None = None) -> dict[str, str]:
    """Package -> version on a Python, this one's if none is named."""
    context = {} if python is None else {"python_version": python}
    found = map(Requirement, LINES)
    return {
        canonicalize_name(r.name): next(iter(r.specifier)).version
        for r in found
        if r.marker is None or r.marker.evaluate(context)
    }


OWN_ENVIRONMENTS = ("sanafe",)
"""Extras that have a pinned list and an environment of their own."""


def declared() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    groups = [PROJECT["dependencies"], *(g for n, g in extras.items() if n not in OWN_ENVIRONMENTS)]
    return [Requirement(text) for group in groups for text in group]


@pytest.mark.parametrize("extra", OWN_ENVIRONMENTS)
def test_an_extra_with_an_environment_of_its_own_is_pinned_in_its_own_list(extra: str) -> None:
    lines = (ROOT / f"requirements-{extra}.txt").read_text().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    pinned = {r.name: next(iter(r.specifier)).version for r in map(Requirement, lines)}
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        assert pinned[requirement.name] in requirement.specifier


def test_the_pinned_lists_hold_names_and_versions_only() -> None:
    assert [line for line in LINES if not LINE.fullmatch(line)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_every_declared_dependency_is_pinned_within_its_range(python: str) -> None:
    pinned = pins(python)
    outside = [
        str(r) for r in declared() if pinned.get(canonicalize_name(r.name)) not in r.specifier
    ]
    assert outside == []


def test_the_package_the_pinned_list_and_the_installer_name_the_same_pythons() -> None:
    said = SpecifierSet(PROJECT["requires-python"])
    minors = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in said]
    classifiers = [c.rsplit(" ", 1)[-1] for c in PROJECT["classifiers"] if " Python :: 3." in c]
    installer = re.search(r'^supported="(.*)"$', (ROOT / ".ci/install.sh").read_text(), re.M)
    assert installer is not None
    newest_first = (ROOT / ".python-version").read_text().split()
    assert minors == classifiers == list(PYTHONS)
    assert installer[1].split() == newest_first == minors[::-1]


def test_pip_can_install_the_package_on_every_python() -> None:
    """Lava's own metadata refuse all but 3.10, so it may be asked for there alone."""
    (lava,) = (r for r in declared() if r.name == LAVA)
    assert lava.marker is not None
    asked = [python for python in PYTHONS if lava.marker.evaluate({"python_version": python})]
    assert asked == ["3.10"]


def test_everything_a_pinned_package_needs_is_pinned_in_a_version_it_takes() -> None:
    """But Lava's own pins, which `make install` passes over: it runs on what is pinned here."""
    pinned = pins()
    unmet = {
        f"{name}: {requirement}"
        for name in set(pinned) - {LAVA}
        for requirement in map(Requirement, metadata.requires(name) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if canonicalize_name(requirement.name) not in NOT_ASKED
        if pinned.get(canonicalize_name(requirement.name)) not in requirement.specifier
    }
    assert unmet == set()
    lavas = {canonicalize_name(Requirement(text).name) for text in metadata.requires(LAVA) or []}
    assert lavas - set(pinned) == set()


def test_the_environment_holds_the_pinned_versions() -> None:
    installed = {name: metadata.version(name) for name in pins()}
    assert installed == pins()


def run_elsewhere(folder: Path, code: str) -> list[str]:
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_the_three_packages_are_importable_from_anywhere(tmp_path: Path) -> None:
    code = "import onchip, onchip.models as m, onchip.deploy as d\n"
    code += "print(*(x.__file__ for x in (onchip, m, d)))"
    folders = [Path(file).parent for file in run_elsewhere(tmp_path, code)]
    assert folders == [ROOT / "onchip", ROOT / "models", ROOT / "deploy"]


def test_importing_onchip_loads_neither_torch_nor_lava(tmp_path: Path) -> None:
    loaded = set(run_elsewhere(tmp_path, "import sys, onchip; print(*sys.modules)"))
    assert "onchip" in loaded
    assert loaded & {"torch", "lava", "h5py", "scipy", "sklearn", "matplotlib"} == set()
