"""What a step of a convolution takes in a Lava process model, next to the stock one or to NumPy.

Process models are stepped in this process, their ports are stubs. `Conv` (frozen): the fast model
next to Lava's own. `PlasticConv`: what its learning phase takes (advance the traces, update the
kernel) next to a NumPy loop over the kernel's taps that does the same. One BLAS thread for all.
Written as JSON:

    python tests/benchmarks/bench_convolution.py
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from timing import RESULTS, Row, compare, write_rows

sys.path.append(str(Path(__file__).parents[1] / "support"))
from in_process import in_process, step

from onchip.lava.processes.fast_conv import FastConvModelFixed, FastConvModelFloat
from onchip.lava.processes.plastic_conv import PlasticConv
from onchip.lava.processes.plastic_conv_models import FixedPlasticConvModel, PlasticConvModel

# isort: split

from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.proc.conv.models import PyConvModelFixed, PyConvModelFloat
from lava.proc.conv.process import Conv

# name: side of the image, input and output channels, message bits
LAYERS = {
    "64->128, 24x24": (24, 64, 128, 0),
    "2->8, 16x16": (16, 2, 8, 0),
    "16->32, 12x12, graded": (12, 16, 32, 8),
}
KERNEL, EPOCH, TAU, IMPULSE = 3, 4, 5.77, 63
FRAMES = 16
"""Random inputs that are repeated."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=0.1, help="share of inputs that spike a step")
    parser.add_argument("--factors", type=float, default=0.3, help="share of factors not 0")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULTS / "convolution.json")
    args = parser.parse_args()
    with threadpool_limits(1):
        rows = [
            make(name, fixed, args)
            for make in (frozen, plastic)
            for name in LAYERS
            for fixed in (False, True)
            if not (make is plastic and LAYERS[name][3])
        ]
    facts = {"unit": "one step: spiking phase of Conv, learning phase of PlasticConv"}
    shares = {"input_rate": args.rate, "factor_rate": args.factors}
    write_rows(args.out, rows, **facts, **shares, kernel=KERNEL, padding=1, blas_threads=1)


def frozen(name: str, fixed: bool, args: argparse.Namespace) -> Row:
    """The spiking phase of the fast and of the stock model of `Conv`."""
    rng, (side, inputs, outputs, bits) = np.random.default_rng(0), LAYERS[name]
    weight = rng.integers(-256, 256, (outputs, KERNEL, KERNEL, inputs))
    process = Conv(
        weight=weight if fixed else weight / 256,
        input_shape=(side, side, inputs),
        padding=1,
        num_message_bits=bits,
    )
    chosen = (FastConvModelFixed, PyConvModelFixed) if fixed else (
        FastConvModelFloat, PyConvModelFloat,
    )  # fmt: skip
    spikes = [_spikes(rng, process.input_shape, args.rate, bits) for _ in range(FRAMES)]
    fast, stock = (_stepping(in_process(process, model), spikes) for model in chosen)
    return compare(
        f"Conv {name}, {_precision(fixed)}", fast, "stock Conv", stock, repeats=args.repeats
    )


def plastic(name: str, fixed: bool, args: argparse.Namespace) -> Row:
    """The learning phase of `PlasticConv`, and the same in a loop over taps."""
    rng, (side, inputs, outputs, _) = np.random.default_rng(0), LAYERS[name]
    products = "2^-7*u0*x1*y1 - 2^-7*u0*x1*y2" if fixed else "u0*x1*y1"
    rule = Loihi3FLearningRule(
        dw=products, x1_impulse=IMPULSE, x1_tau=TAU, t_epoch=EPOCH, rng_seed=0
    )
    weights = 2 * rng.integers(-64, 64, (outputs, KERNEL, KERNEL, inputs))
    shape = (side, side, inputs)
    process = PlasticConv(weights=weights, learning_rule=rule, input_shape=shape, padding=1)
    model = in_process(process, FixedPlasticConvModel if fixed else PlasticConvModel)
    times = [_spikes(rng, shape, args.rate, 0).astype(model.tx.dtype) for _ in range(FRAMES)]
    error = rng.integers(-127, 128, process.a_out.shape)
    error *= rng.random(error.shape) < args.factors
    model.y1, model.y2 = (np.maximum(sign * error, 0) for sign in (1, -1))
    frames = itertools.cycle(times)

    def learn() -> None:
        model.tx = next(frames)
        model.run_lrn()

    loop = (_fixed_loop if fixed else _float_loop)(weights, error, itertools.cycle(times))
    return compare(
        f"PlasticConv {name}, {_precision(fixed)}", learn, "NumPy loop over taps", loop,
        repeats=args.repeats, warm_up=FRAMES,
    )  # fmt: skip


def _float_loop(
    weights: np.ndarray, error: np.ndarray, frames: Iterator[np.ndarray]
) -> Callable[[], None]:
    """Trace and kernel in floating point: a matrix product for each tap."""
    W, g = weights.astype(float), np.maximum(error, 0).reshape(-1, error.shape[2]).astype(float)
    padded = np.pad(np.zeros_like(next(frames), float), ((1, 1), (1, 1), (0, 0)))

    def learn() -> None:
        padded[1:-1, 1:-1] = np.exp(-EPOCH / TAU) * padded[1:-1, 1:-1] + IMPULSE * next(frames)
        for p, q, seen in _taps(padded, error.shape):
            W[:, p, q] += g.T @ seen

    return learn


def _fixed_loop(
    weights: np.ndarray, error: np.ndarray, frames: Iterator[np.ndarray]
) -> Callable[[], None]:
    """The same in integers: products of all positions of a tap, shifted, summed, rounded."""
    W, rng = weights.astype(np.int32), np.random.default_rng(0)
    signs = [np.maximum(sign * error, 0).reshape(-1, error.shape[2], 1) for sign in (1, -1)]
    parts = [part.astype(np.int32) for part in signs]
    padded = np.pad(np.zeros_like(next(frames), np.int32), ((1, 1), (1, 1), (0, 0)))

    def learn() -> None:
        decayed = np.exp(-EPOCH / TAU) * padded[1:-1, 1:-1]
        trace = np.floor(decayed + rng.random()) + IMPULSE * next(frames)
        padded[1:-1, 1:-1] = np.minimum(trace, 127)
        carry = int(128 * rng.random())
        for p, q, seen in _taps(padded, error.shape):
            accumulator = W[:, p, q] << 7
            for sign, part in zip((1, -1), parts, strict=True):
                change = ((sign * part * seen[:, np.newaxis]) >> 3).sum(axis=0)
                accumulator = np.clip(accumulator + change, -(2**15) - 1, 2**15 - 1)
            W[:, p, q] = np.clip((accumulator + carry) >> 7, -256, 255)

    return learn


def _taps(padded: np.ndarray, shape: tuple[int, ...]) -> Iterator[tuple[int, int, np.ndarray]]:
    """(p, q, [positions, in]): what the kernel weight p, q sees at every output position."""
    for p, q in itertools.product(range(KERNEL), range(KERNEL)):
        x, y = KERNEL - 1 - p, KERNEL - 1 - q  # Lava flips the kernel
        seen = padded[x : x + shape[0], y : y + shape[1]]
        yield p, q, seen.reshape(-1, padded.shape[2])


def _stepping(model: Any, spikes: list[np.ndarray]) -> Callable[[], Any]:
    frames = itertools.cycle(spikes)
    return lambda: step(model, next(frames))


def _spikes(rng: np.random.Generator, shape: tuple[int, ...], rate: float, bits: int) -> np.ndarray:
    messages = rng.integers(1, 2**bits, shape) if bits else 1
    return (rng.random(shape) < rate) * messages


def _precision(fixed: bool) -> str:
    return "fixed_pt" if fixed else "floating_pt"


if __name__ == "__main__":
    main()
