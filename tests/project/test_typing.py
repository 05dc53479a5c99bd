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

import onchip

ROOT = Path(__file__).parents[2]

EXAMPLE = '''
"""What a user writes, with types."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from onchip import LIF, DenseSpec, LeakyIntegrator, Network, add_classes, chain, with_learning
from onchip.deploy import SampleEvent, StreamResult, build, load_spec, quantize, save_spec

Frames = npt.NDArray[np.uint8]


def stream(count: int) -> Iterator[tuple[Frames, int | None]]:
    rng = np.random.default_rng(0)
    for i in range(count):
        yield (rng.random((5, 8)) < 0.3).astype(np.uint8), None if i % 3 == 0 else i % 2


def tell(event: SampleEvent) -> bool:
    print(event.prediction, event.outputs.shape, event.spikes["hidden"].sum())
    return event.index >= 10


def network() -> Network:
    rng = np.random.default_rng(0)
    layers = (
        DenseSpec("hidden", rng.normal(0, 1, (6, 8)), LIF()),
        DenseSpec("readout", rng.normal(0, 1, (2, 6)), LeakyIntegrator()),
    )
    return with_learning(chain(layers, (8,), 5), learning_rate=0.1)


def main() -> None:
    with build(network(), "numpy", record=True) as execution:
        result: StreamResult = execution.stream(stream(20), tell)
        learned: Network = execution.snapshot()
    save_spec("network.h5", add_classes(learned, 1))
    with build(quantize(load_spec("network.h5"))) as integers:
        integers.stream(stream(3))
        print(result.accuracy, integers.samples, integers.snapshot().classes)


main()
'''


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
