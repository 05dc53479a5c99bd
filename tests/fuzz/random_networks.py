"""Random networks on every execution, each compared to the NumPy engine in everything.

    python tests/fuzz/random_networks.py --seconds 60 --seed 1
    python tests/fuzz/random_networks.py --cases 1000 --seed 1

A network is drawn (layers, widths, recurrence, a convolution, decays near 0 and 1, thresholds,
resets, surrogates, rates, modes, feedbacks, delays, floats or integers), learns from a few samples
and runs one more; torch, lava, lava-fast and lava-fused must agree in every spike, every output and
every weight after each sample: integers to the bit, floats to 1e-9 of an array's largest. Cases in
which nothing spikes or changes are drawn but not counted, nor are those in which the engine itself,
its weights changed in the last digit, differs as much ("rounding grew"). Executions that cannot run
a network are counted with the reason they give. Of every eighth case one execution runs on Lava's
own runtime ("processes") as well. A failure is shrunk and printed as a script, and the exit code is
1. Case N of seed S is `random_cases.draw_case(S, N)` (tests/support).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when numpy is imported; the networks are small
sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]

from fuzzing import fuzz  # noqa: E402

from onchip.checks import require_choice  # noqa: E402
from onchip.deploy.cli.parity_command import simulated  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description="random networks on every execution")
    parser.add_argument("--seconds", type=float, help="how long (60, without --cases)")
    parser.add_argument("--cases", type=int, help="stop after so many cases tested")
    parser.add_argument(
        "--executions", default=",".join(simulated()), metavar="NAMES", help=", ".join(simulated())
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    limit = args.seconds or (60 if args.cases is None else float("inf"))
    start = time.monotonic()
    names = args.executions.split(",")
    for name in names:
        require_choice("execution", name, simulated())
    tally = fuzz(args.seed, limit, args.cases, partial(print, flush=True), only=names)
    print("\n".join(tally.lines()))
    print(f"seed {args.seed}, {time.monotonic() - start:.0f} s")
    return int(bool(tally.failures))


if __name__ == "__main__":
    sys.exit(main())
