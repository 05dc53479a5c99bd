"""Run notebooks from top to bottom, off the network, and keep their outputs in place.

A notebook whose cell fails stops the run and stays as it was.

    python tests/notebooks/execute.py notebooks/*.ipynb
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from onchip.files.writing import write_text

ROOT = Path(__file__).parents[2]
OFFLINE = ROOT / "tests" / "notebooks" / "offline"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--timeout", type=int, default=3600, help="seconds a cell may take")
    args = parser.parse_args()
    for path in args.notebooks:
        started = time.perf_counter()
        notebook = execute(nbformat.read(path, 4), path.parent, args.timeout)
        write_text(path, nbformat.writes(notebook) + "\n")
        print(f"{path.name}: {time.perf_counter() - started:.0f} s", flush=True)


def execute(notebook: nbformat.NotebookNode, folder: Path, timeout: int) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in `folder`; raises where a cell does."""
    client = NotebookClient(
        notebook,
        timeout=timeout,
        startup_timeout=300,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute(env=offline_environment())


def offline_environment() -> dict[str, str]:
    """This process's environment, for Pythons that cannot reach the network."""
    paths = [str(OFFLINE), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


if __name__ == "__main__":
    main()
