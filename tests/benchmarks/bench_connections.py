"""A step of the fast models of Dense and LearningDense next to one of Lava's stock models.

Each model is built in this interpreter and stepped without any other process: the spiking phase
and, for plastic synapses, the learning phase of the online rule (an epoch of one step). Inputs
spike at the given rate, every neuron gets a factor. Written as JSON; run it with one BLAS thread:

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_connections.py
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from timing import RESULTS, Row, compare, write_rows

sys.path.append(str(Path(__file__).parents[1] / "support"))
from built_models import built_model, step

from onchip.lava.run_config import (
    FAST_MODELS,  # before lava, which it makes ready to be imported
)

# isort: split

from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.proc.dense.models import (
    PyDenseModelBitAcc,
    PyDenseModelFloat,
    PyLearningDenseModelBitApproximate,
    PyLearningDenseModelFloat,
)
from lava.proc.dense.process import Dense, LearningDense

SIZES = ((784, 256), (4096, 10))
STOCK: dict[tuple[type, str], type] = {
    (Dense, "floating_pt"): PyDenseModelFloat,
    (Dense, "fixed_pt"): PyDenseModelBitAcc,
    (LearningDense, "floating_pt"): PyLearningDenseModelFloat,
    (LearningDense, "fixed_pt"): PyLearningDenseModelBitApproximate,
}
GRADED_BITS = 24
STEPS, STOCK_STEPS = 20, 3
"""Steps that are timed together, and those of the stock LearningDense, which takes long."""
SEEN = 50
"""Different inputs, used in turn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=0.1, help="share of inputs that spike a step")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--out", type=Path, default=RESULTS / "connections.json")
    args = parser.parse_args()
    with threadpool_limits(limits=1):
        rows = [
            measure(*case, args.rate, args.repeats)
            for case in itertools.product(STOCK, SIZES, (0, GRADED_BITS))
            if case[0][0] is Dense or case[2] == 0
        ]
    write_rows(args.out, rows, unit="one Lava step", input_rate=args.rate, blas_threads=1)


def measure(
    kind: tuple[type, str], size: tuple[int, int], bits: int, rate: float, repeats: int
) -> Row:
    """Both models on the same inputs, after as many steps as there are different ones."""
    process, tag = kind
    precision = "float" if tag == "floating_pt" else "integers"
    what = "learning step" if process is LearningDense else "graded step" if bits else "step"
    runs = [
        stepper(process, model, tag, size, bits, rate)
        for model in (FAST_MODELS[process][tag], STOCK[kind])
    ]
    name = f"{process.__name__} {size[0]}->{size[1]} {precision}, one {what}"
    baseline = f"stock {STOCK[kind].__name__}"
    # Several steps in a row, as in a process of their own: the weights stay in the cache.
    theirs = STOCK_STEPS if process is LearningDense else STEPS
    ours, stock = repeated(runs[0], STEPS), repeated(runs[1], theirs)
    return compare(
        name, ours, baseline, stock, repeats=repeats, warm_up=3, per=STEPS, baseline_per=theirs
    )


def repeated(run: Callable[[], Any], times: int) -> Callable[[], None]:
    """Calls `run` so many times."""

    def runs() -> None:
        for _ in range(times):
            run()

    return runs


def stepper(
    process: type, model: type, tag: str, size: tuple[int, int], bits: int, rate: float
) -> Callable[[], Any]:
    """Takes one step at each call; the same inputs for the same arguments."""
    rng, fixed = np.random.default_rng(0), tag == "fixed_pt"
    pre, post = size
    weights = rng.integers(-256, 256, (post, pre)) if fixed else rng.normal(size=(post, pre))
    options = {"learning_rule": online_rule(fixed)} if process is LearningDense else {}
    made = built_model(process(weights=weights, num_message_bits=bits, **options), model)
    spikes = (rng.random((SEEN, pre)) < rate).astype(int)
    if bits:  # errors: each one is there
        spikes = rng.integers(-999, 1000, (SEEN, pre)).astype(np.int32)
    sent = factors(rng, post, fixed) if process is LearningDense else [()] * SEEN
    received = itertools.cycle(zip(spikes, sent, strict=True))
    return lambda: step(made, *next(received))


def factors(rng: np.random.Generator, post: int, fixed: bool) -> np.ndarray:
    """y1, y2, y3 [steps, 3, post]: an error, in integers as its positive and negative part."""
    error = rng.normal(size=(SEEN, post))
    if not fixed:
        return np.stack((1e-3 * error, 0 * error, 0 * error), axis=1)
    whole = np.clip(np.rint(40 * error), -127, 127).astype(np.int32)
    return np.stack((np.maximum(whole, 0), np.maximum(-whole, 0), 0 * whole), axis=1)


def online_rule(fixed: bool) -> Loihi3FLearningRule:
    """The online rule with a trace of lambda = 1/2, updated at every step."""
    tau = 1 / math.log(2)
    if not fixed:
        return Loihi3FLearningRule(dw="u0*x1*y1", x1_impulse=1, x1_tau=tau, t_epoch=1)
    signed = "2^-6*u0*x1*y1 - 2^-6*u0*x1*y2"
    return Loihi3FLearningRule(dw=signed, x1_impulse=63, x1_tau=tau, t_epoch=1, rng_seed=0)


if __name__ == "__main__":
    main()
