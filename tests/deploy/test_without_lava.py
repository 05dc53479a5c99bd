"""Without Lava installed everything works but its backends, which say in one line how to get it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GET_LAVA = "pip install --no-deps --ignore-requires-python lava-nc==0.10.0"

HIDDEN = """
import sys

class Hiding:
    "All finders but for one package, as if that were not installed."
    finders = list(sys.meta_path)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            return None
        found = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in found if spec is not None), None)

sys.meta_path[:] = [Hiding()]
"""

CODES = """
import json
from onchip.deploy.cli import main

codes = {name: main(arguments) for name, arguments in json.loads(sys.argv[1]).items()}
print(json.dumps(codes))
"""

DATA = ["--limit", "20"]
MODEL = ["--model", "mlp", "--hidden", "12", "--size", "8", "--time-steps", "4"]
PLASTIC = ["--learning-rate", "0.01", "--feedback", "symmetric"]
LEARN = ["--samples", "4", "--limit", "20"]
WORKS = {
    "train": ["train", *MODEL, *DATA, "--epochs", "1", "--out", "checkpoint.pt"],
    "export": ["export", "checkpoint.pt", "--out", "network.h5", *PLASTIC],
    "quantize": ["quantize", "network.h5", "--out", "integers.h5", "--samples", "20"],
    "check": ["check", "integers.h5"],
    "evaluate": ["evaluate", "network.h5", *DATA],
    "learn": ["learn", "network.h5", *LEARN, "--out", "learned.h5"],
    "learn in integers": ["learn", "integers.h5", "--precision", "fixed", *LEARN],
    "parity": ["parity", "network.h5", "--samples", "1", "--executions", "torch", *DATA],
}
REFUSED = {
    "run": ["run", "network.h5", "--backend", "lava", *DATA],
    "learn": ["learn", "network.h5", "--backend", "lava-fused", *LEARN],
    "auto": ["run", "network.h5", "--backend", "auto", *DATA],
    "loihi2": ["run", "integers.h5", "--precision", "fixed", "--backend", "loihi2", *DATA],
    "parity": ["parity", "network.h5", "--samples", "1", *DATA],
    "demo": ["demo", "--quick", "--out", "demo-results"],
}


def run(folder: Path, hidden: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Execute the code in an interpreter that lacks the package `hidden`, in `folder`."""
    command = [sys.executable, "-c", HIDDEN.format(name=hidden) + code, *arguments]
    environment = {**os.environ, "ONCHIP_CACHE": str(folder / "cache")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds what the commands that need no Lava wrote, and their exit codes in codes.json."""
    found = tmp_path_factory.mktemp("without-lava")
    result = run(found, "lava", CODES, json.dumps(WORKS))
    assert result.returncode == 0, result.stderr
    (found / "codes.json").write_text(result.stdout.splitlines()[-1])
    return found


def test_training_export_integers_and_the_engine_need_no_lava(folder: Path) -> None:
    codes = json.loads((folder / "codes.json").read_text())
    assert codes == dict.fromkeys(WORKS, 0)
    assert (folder / "learned.h5").exists()


def test_a_lava_backend_is_refused_in_one_line_before_any_work(folder: Path) -> None:
    result = run(folder, "lava", CODES, json.dumps(REFUSED))
    assert json.loads(result.stdout) == dict.fromkeys(REFUSED, 2), result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == len(REFUSED) and all(GET_LAVA in line for line in lines), lines
    assert not (folder / "demo-results").exists()


@pytest.mark.parametrize(
    ("hidden", "command"), [("lava", GET_LAVA), ("networkx", "pip install networkx")]
)
@pytest.mark.parametrize("kind", ["ImportError", "ValueError"])
def test_importing_onchip_lava_says_what_is_missing(
    tmp_path: Path, hidden: str, command: str, kind: str
) -> None:
    code = f"""
try:
    import onchip.lava.network
except {kind} as error:
    print(error)
"""
    result = run(tmp_path, hidden, code)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 1 and lines[0].endswith(command), lines
