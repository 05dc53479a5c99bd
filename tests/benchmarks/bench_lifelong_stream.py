"""10,000 samples of a lifelong stream through one running network: accuracy, memory, a kill.

digits-dvs (simulated sensor): a network that knows classes 0 to 5 runs in `lava-fused` with outputs
for ten. Each 1000 samples something happens: a new class comes, or the sensor drifts, or drifts
back. Half of the samples are of the newest class, the others of any class known, all labelled, each
seen once and followed by a stored one. Accuracy is that of test samples of all classes known, on
the present sensor and on the original one, by the engine from a snapshot. Sample and replay i are
functions of i alone, so a process that is killed goes on from its last save; what it then has is
compared with what the stream that was not killed had at that sample, value by value.

    python tests/benchmarks/bench_lifelong_stream.py --kept FOLDER
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench_lifelong import BACKEND, stage_of
from bench_streaming import held

from onchip.deploy.backends.host import trunk_spikes
from onchip.deploy.backends.table import build
from onchip.deploy.cli.data import DataChoice
from onchip.deploy.lifelong.protocol import make_protocol
from onchip.deploy.lifelong.ways import WAYS
from onchip.files.writing import write_json
from onchip.network.partition import split_trunk
from onchip.program.new_classes import add_classes

OUT = Path(__file__).parent / "results" / "lifelong_stream.json"
PHASE, SAVED, MEASURED, STORED = 1000, 500, 500, 40
PHASES = (
    ("base", 6, False),
    ("class 6", 7, False),
    ("drift", 7, True),
    ("class 7", 8, True),
    ("drift back", 8, False),
    ("class 8", 9, False),
    ("drift", 9, True),
    ("class 9", 10, True),
    ("drift back", 10, False),
    ("drift", 10, True),
)
"""What each phase begins with, the classes known then, and whether the sensor has drifted."""

SENSORS = ("original", "drifted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=PHASE * len(PHASES))
    parser.add_argument("--kept", type=Path, required=True, help="folder of networks and spikes")
    parser.add_argument("--killed-at", type=int, default=1250)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--worker", type=Path, default=None, help="run as the process to be killed")
    args = parser.parse_args()
    data = Digits(args.kept)
    if args.worker is not None:
        run(data, args.samples, args.worker, [])
        return
    with tempfile.TemporaryDirectory() as folder:
        log: list[dict[str, Any]] = []
        started = time.perf_counter()
        whole = run(data, args.samples, Path(folder) / "whole", log, args.killed_at)
        seconds = time.perf_counter() - started
        found = killed(args, data, Path(folder) / "killed", whole)
    settled = [entry["resident_kib"] for entry in log if entry["sample"] >= PHASE]
    content = {"backend": BACKEND, "samples": args.samples, "seconds": seconds, "course": log}
    content["resident_kib_grown"] = settled[-1] - settled[0]
    write_json(args.out, {**content, "killed": found})
    print(json.dumps({**found, "grown": content["resident_kib_grown"], "seconds": seconds}))


class Digits:
    """The trunk's spikes of all samples by sensor, and the network's head with ten outputs."""

    def __init__(self, kept: Path) -> None:
        protocol = make_protocol("classes", 10, 6, 4, 5)
        stage = stage_of(protocol, 0, "float", kept)
        network = stage.deployed(WAYS["direct-replay"])
        self.head = add_classes(split_trunk(network)[1], 4)
        path = kept / "stream_spikes.npz"
        if not path.exists():
            np.savez(path, **_all_spikes(network))
        self.arrays = dict(np.load(path))

    def sample(self, index: int) -> tuple[np.ndarray, int]:
        """Sample i of the stream."""
        _, known, drifted = PHASES[min(index // PHASE, len(PHASES) - 1)]
        rng = np.random.default_rng([7, index])
        newest = known - 1 if known > 6 and rng.random() < 0.5 else int(rng.integers(known))
        return self._of(newest, SENSORS[drifted], rng, None)

    def stored(self, index: int) -> tuple[np.ndarray, int]:
        """The replay after sample i: one of the first samples of a class that came before."""
        _, known, _ = PHASES[min(index // PHASE, len(PHASES) - 1)]
        rng = np.random.default_rng([8, index])
        return self._of(int(rng.integers(known)), SENSORS[0], rng, STORED)

    def _of(
        self, label: int, sensor: str, rng: np.random.Generator, among: int | None
    ) -> tuple[np.ndarray, int]:
        members = np.flatnonzero(self.arrays["train_labels"] == label)[:among]
        return self.arrays[f"{sensor}_train"][rng.choice(members)], label

    def accuracies(self, network: Any, index: int) -> dict[str, float]:
        """Of the classes known at sample i: on the present sensor and on the original one."""
        _, known, drifted = PHASES[min((index - 1) // PHASE, len(PHASES) - 1)]
        labels = self.arrays["test_labels"]
        among = labels < known
        found = {}
        with build(network) as engine:
            for name, sensor in (("present", SENSORS[drifted]), ("original", SENSORS[0])):
                spikes = self.arrays[f"{sensor}_test"][among]
                found[name] = engine.evaluate(spikes, labels[among])
        return found


def _all_spikes(network: Any) -> dict[str, np.ndarray]:
    found = {}
    for sensor in SENSORS:
        parts = DataChoice("digits-dvs", "random", 0).load(drifted=sensor == SENSORS[1])
        for name, part in zip(("train", "test"), parts, strict=True):
            found[f"{sensor}_{name}"] = trunk_spikes(network, part.frames)
            found[f"{name}_labels"] = part.labels
    return found


def stream(data: Digits, start: int, end: int) -> Iterator[tuple[np.ndarray, int]]:
    """Samples `start`..`end` - 1, each with its replay."""
    for index in range(start, end):
        yield data.sample(index)
        yield data.stored(index)


def run(
    data: Digits, samples: int, path: Path, log: list[dict[str, Any]], stop_at: int = 0
) -> dict[str, np.ndarray]:
    """Go on from `path` to the end, saving there; returns the state at sample `stop_at`."""
    noted: dict[str, np.ndarray] = {}
    with build(data.head, BACKEND) as network:
        start = network.resume(path) // 2 if path.exists() else 0
        while start < samples:
            end = min(samples, start + (SAVED // 2))
            network.stream(stream(data, start, end))
            start = end
            if start == stop_at:
                noted = network.state()
            if start % SAVED == 0:
                network.save(path)
                print(start, flush=True)
            if start % MEASURED == 0 and stop_at:
                entry = {"sample": start, **data.accuracies(network.snapshot(), start)}
                log.append({**entry, "resident_kib": held()["resident_kib"]})
                print(log[-1], flush=True)
        return noted if stop_at else network.state()


def killed(
    args: argparse.Namespace, data: Digits, path: Path, whole: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Kill a process after its first save, resume here, and compare."""
    words = [sys.executable, __file__, "--kept", str(args.kept), "--worker", str(path)]
    worker = subprocess.Popen([*words, "--samples", str(args.samples)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    while int(worker.stdout.readline()) < SAVED:
        pass
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    resumed = run(data, args.killed_at, path, [])
    differing = [name for name in whole if not np.array_equal(whole[name], resumed[name])]
    return {"saved_at": SAVED, "compared_at": args.killed_at, "arrays_differing": differing}


if __name__ == "__main__":
    main()
