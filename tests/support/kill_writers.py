"""Run as a script: kill processes that write a file over and over, say what they left.

    kill_writers.py FOLDER FORMAT KILLS SEED

A process writes two contents in turn and is killed (SIGKILL) after a random time, in the middle of
writing or of preparing it. Each time the file must load as one of the two. In the end one more
write must leave that file alone in the folder.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Write = Callable[[Path, int], None]
LONGEST = 0.03
"""Seconds until a process is killed, at most, after its first write."""


def network_file() -> tuple[Write, Callable[[Path], Any]]:
    from onchip import DenseSpec, LeakyIntegrator, NetworkSpec
    from onchip.deploy.files.hdf5 import load_spec, save_spec

    def write(path: Path, which: int) -> None:
        layer = DenseSpec("readout", np.full((40, 300), 1.0 + which), LeakyIntegrator())
        save_spec(path, NetworkSpec((layer,), (300,), 3))

    return write, lambda path: int(load_spec(path).layers[0].weight[0, 0]) - 1


def checkpoint() -> tuple[Write, Callable[[Path], Any]]:
    import torch

    from onchip.models.config import TrainingConfig
    from onchip.models.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

    def write(path: Path, which: int) -> None:
        weights = {"w": torch.full((100, 300), float(which))}
        state = torch.get_rng_state()
        parts = ("mlp", {}, TrainingConfig(), 0, weights, {}, {}, state)
        save_checkpoint(path, Checkpoint(*parts))

    return write, lambda path: int(load_checkpoint(path).model["w"][0, 0])


def state_of_learning() -> tuple[Write, Callable[[Path], Any]]:
    from onchip.deploy.backends.kept_learning import Learned, load_state, save_state

    def write(path: Path, which: int) -> None:
        save_state(path, Learned(which, state={"w": np.zeros(30_000)}), {})

    return write, lambda path: load_state(path, {}).samples


def cache() -> tuple[Write, Callable[[Path], Any]]:
    from onchip.models.data.cache import load_frames, save_frames

    def write(path: Path, which: int) -> None:
        save_frames(path, np.full((20, 5000), which, np.uint8))

    return write, lambda path: int(load_frames(path)[0, 0])  # type: ignore[index]


def results() -> tuple[Write, Callable[[Path], Any]]:
    import json

    from onchip.files.writing import write_json

    def write(path: Path, which: int) -> None:
        write_json(path, {"which": which, "more": list(range(5000))})

    return write, lambda path: json.loads(path.read_text())["which"]


def log() -> tuple[Write, Callable[[Path], Any]]:
    from onchip.models.config import TrainingConfig
    from onchip.models.training.progress import write_log

    def write(path: Path, which: int) -> None:
        write_log(path, [{"epoch": 1, "loss": which}] * 500, TrainingConfig())

    def read(path: Path) -> int:
        rows = path.read_text().splitlines()[1:]
        (found,) = {int(row.split(",")[2]) for row in rows}
        return found if len(rows) == 500 else -1

    return write, read


def figure() -> tuple[Write, Callable[[Path], Any]]:
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    from onchip.deploy.reports.figures import save_figure

    drawn = [Figure(figsize=(0.5 + which, 0.5)) for which in (0, 1)]

    def write(path: Path, which: int) -> None:
        save_figure(drawn[which], path)

    return write, lambda path: int(imread(path).shape[1] > 100)


FORMATS = {
    "x.h5": network_file,
    "x.pt": checkpoint,
    "x.state": state_of_learning,
    "x.npz": cache,
    "x.json": results,
    "x.csv": log,
    "x.png": figure,
}
"""File name -> what makes its (writer of content 0 or 1, reader that tells which)."""


def main(folder: str, name: str, kills: str, seed: str) -> int:
    path, rng, faults, seen = Path(folder) / name, np.random.default_rng(int(seed)), 0, [0, 0]
    write, read = FORMATS[name]()
    write(path, 0)
    for _ in range(int(kills)):
        kill_one(lambda: [write(path, which) for which in (1, 0)], float(rng.random()))
        try:
            seen[read(path)] += 1
        except Exception as error:
            faults += 1
            print(f"FAULT {name}: {type(error).__name__}: {error}", flush=True)
    write(path, 0)
    left = sorted(entry.name for entry in path.parent.iterdir())
    if left != [name]:
        faults += 1
        print(f"FAULT {name}: left {left}", flush=True)
    print(f"{name}: {kills} kills, found {seen}", flush=True)
    return int(faults > 0)


def kill_one(work: Callable[[], Any], share: float) -> None:
    """Fork a process that works for ever, and kill it after `share` of the longest time."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            while True:
                work()
                os.write(writing, b".")
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    time.sleep(LONGEST * share)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
