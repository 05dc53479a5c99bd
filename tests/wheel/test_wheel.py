"""The wheel works where pip put it, on Python 3.10, with what pip chose for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from page_checks import require_alone
from typed_program import EXAMPLE

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv-wheel" / "bin"


def run(folder: Path, *words: str) -> str:
    """What a program of the environment prints; the code of the project is not beside it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**kept, "ONCHIP_CACHE": str(folder / "cache"), "MPLBACKEND": ""}
    command = [str(BIN / words[0]), *words[1:]]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with `models` and `deploy` of their own, after their program ran."""
    place = tmp_path_factory.mktemp("user")
    for name in ("models", "deploy"):
        (place / name).mkdir()
        (place / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    (place / "program.py").write_text(EXAMPLE)
    assert run(place, "python", "program.py").splitlines()[-1].endswith(" 3 3")
    return place


def test_it_is_the_wheel_that_runs_and_its_needs_are_met(folder: Path) -> None:
    found = run(
        folder, "python", "-c", "import onchip.deploy as d, sys; print(d.__file__, sys.version)"
    )
    assert found.startswith(str(BIN.parent / "lib" / "python3.10" / "site-packages"))
    assert "No broken requirements found" in run(folder, "python", "-m", "pip", "check")
    assert re.fullmatch(r"onchip \d+\.\d+\.\d+\n", run(folder, "onchip", "--version"))


def test_a_users_program_is_clean_under_strict_mypy(folder: Path) -> None:
    strict = ("python", "-m", "mypy", "--strict", "program.py")
    assert run(folder, *strict) == "Success: no issues found in 1 source file\n"
    wrong = EXAMPLE.replace("event.index >= 10", "event.indices >= 10")
    (folder / "wrong.py").write_text(wrong)
    done = subprocess.run(
        [BIN / "mypy", "--strict", "wrong.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"SampleEvent" has no attribute "indices"' in done.stdout  # its types were read


def test_commands_learn_in_lava_report_and_export(folder: Path) -> None:
    random = ("--dataset", "random", "--limit", "12")
    names = "torch,lava-sequenced,lava-fast-sequenced,lava-fused-sequenced"
    table = run(folder, "onchip", "parity", "network.h5", *random, "--executions", names)
    assert table.count("| passed") == 4 and "parity: passed" in table
    learn = ("learn", "network.h5", *random, "--backend", "lava-fused", "--samples", "6")
    run(folder, "onchip", *learn, "--out", "learned.h5", "--report", "page.html")
    assert "network" in require_alone((folder / "page.html").read_text(encoding="utf-8")).ids
    run(folder, "onchip", "quantize", "learned.h5", "--out", "quantized.h5", *random)
    fixed = ("evaluate", "quantized.h5", "--precision", "fixed", "--backend", "lava-fused", *random)
    assert run(folder, "onchip", *fixed).startswith("accuracy ")
    run(folder, "onchip", "to-nir", "learned.h5", "--dt", "1e-4", "--out", "learned.nir")


def test_training_works(folder: Path) -> None:
    train = ("train", "--model", "mlp", "--hidden", "8", "--epochs", "1", "--limit", "40")
    run(folder, "onchip", *train, "--out", "checkpoint.pt", "--report", "training.html")
    assert (folder / "checkpoint.pt").is_file()


def test_the_documentations_script_works(folder: Path) -> None:
    script = ROOT / "notebooks" / "docs" / "howto" / "own_stream.py"
    shutil.copy(script, folder)
    assert run(folder, "python", script.name).splitlines()[-1].startswith("200 samples")


def test_the_wheel_holds_all_of_the_code_and_nothing_else() -> None:
    (wheel,) = (BIN.parent / "wheel").glob("onchip-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (about,) = (n for n in names if n.endswith("/METADATA"))
        metadata = archive.read(about).decode()
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "onchip").rglob("*.py")}
    for package in ("models", "deploy"):
        paths = (ROOT / package).rglob("*.py")
        code |= {f"onchip/{path.relative_to(ROOT).as_posix()}" for path in paths}
    assert {name for name in names if ".dist-info/" not in name} == {*code, "onchip/py.typed"}
    extras = set(re.findall(r"^Provides-Extra: (.*)$", metadata, re.MULTILINE))
    assert {"nir", "live", "docs"} <= extras and "License-File: LICENSE" in metadata
