"""What predictions take by compiled kernels, next to the NumPy engine.

CPU time of calls of `run` on the same samples, taken in turn; kernels run all of them here, also
where so many inputs spike that an engine would leave them to NumPy. Written as JSON; run it with
one BLAS thread:

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_runs.py
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from pathlib import Path

from bench_compiled import LARGE, MAP, MIDDLE, SMALL, Case, samples_of, specification
from timing import RESULTS, Row, compare, write_rows

from onchip import Engine
from onchip.engine.compiled import runs

RATES = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
SAMPLES = (1, 32)
STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    parser.add_argument("--out", type=Path, default=RESULTS / "runs.json")
    args = parser.parse_args()
    limits = dict(runs.LARGEST_SHARE)
    runs.LARGEST_SHARE.update({True: (1.0, 1.0), False: (1.0, 1.0)})
    shapes = itertools.product((MIDDLE, SMALL, LARGE, MAP), ("float64", "integers"), RATES)
    cases = [
        Case(numbers, sizes, rate, STEPS, 1, feedback="symmetric")
        for sizes, numbers, rate in shapes
    ]
    rows = [
        measure(case, samples, args.repeats)
        for case, samples in itertools.product(cases, SAMPLES)
        if args.only in case.name
    ]
    facts = {
        "unit": "CPU seconds of a sample of 10 steps",
        "largest_share": {"integers" if key else "float64": limits[key] for key in limits},
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
    }
    write_rows(args.out, rows, **facts)


def measure(case: Case, samples: int, repeats: int) -> Row:
    """The times of a call with so many samples."""
    spec, (frames, _) = specification(case), samples_of(case, samples)
    kernels, engine = Engine(spec, run_from=0), Engine(spec)
    return compare(
        f"{case.name.removesuffix(', symmetric')}, {samples} at once",
        lambda: kernels.run(frames),
        "NumPy engine",
        lambda: engine.run(frames),
        repeats=repeats,
        warm_up=1,
        per=samples,
        clock=time.process_time,
    )


if __name__ == "__main__":
    main()
