"""What an epoch of the demo's training takes beside busy processes, against alone; written as JSON.

The command trains the demo's network on digits-dvs, once with nothing and once with as many
processes beside it as asked for, each of which keeps a processor busy. On two processors and with
four of them a program of one thread gets two fifths of what it has alone, so that 2.5 is what
cannot be undercut. Run it on an otherwise idle machine: the load before it is written down.

    python tests/benchmarks/bench_busy_machine.py
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "busy_machine.json"
BUSY = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=int, default=4, help="busy processes (4)")
    parser.add_argument("--epochs", type=int, default=2, help="the shortest one counts (2)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        epoch_seconds(Path(folder), 1)  # frames are made and cached
        alone = epoch_seconds(Path(folder), args.epochs)
        with busy(args.beside):
            beside = epoch_seconds(Path(folder), args.epochs)
    content = {
        "processors": len(os.sched_getaffinity(0)),
        "busy_processes": args.beside,
        "seconds_alone": round(alone, 2),
        "seconds_beside_them": round(beside, 2),
        "ratio": round(beside / alone, 2),
        "load_before": round(load, 2),
    }
    print(json.dumps(content))
    args.out.write_text(json.dumps(content, indent=1) + "\n")


def epoch_seconds(folder: Path, epochs: int) -> float:
    """The shortest epoch, with its evaluation, of a run of the command."""
    log, out = folder / "log.csv", folder / "checkpoint.pt"
    log.unlink(missing_ok=True)
    options = ["--model", "convnet", "--epochs", str(epochs), "--log", str(log), "--out", str(out)]
    command = [sys.executable, "-m", "onchip.deploy.cli", "train", *options]
    subprocess.run(command, check=True, capture_output=True)
    with log.open() as file:
        return min(float(row["seconds"]) for row in csv.DictReader(file))


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute without end, for a while."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
