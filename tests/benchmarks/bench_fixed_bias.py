"""What the floor in Lava's integer learning rule costs: the drift scenario with and without it.

Each product of a rule is shifted right and floored, so every update, of either sign, is too low by
up to a unit of the accumulator (1/128 of a weight, times 2^exponent). Here the head of the demo's
network learns from the drifted sensor in integers as Lava computes them, and again with the shift
rounded to the nearest, all else alike. Written as JSON with the bias per update that
`tests/onchip/fixed_point/test_update_bias.py` holds to its closed form.

    python tests/benchmarks/bench_fixed_bias.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from fixed_training import summary, trained

from onchip.arithmetic import accumulator as rules
from onchip.deploy.backends.host import trunk_spikes
from onchip.deploy.backends.table import build
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.quantization.learning import with_learning_rate
from onchip.deploy.quantization.network import quantize
from onchip.engine import loihi_synapses as synapses
from onchip.files.writing import write_text
from onchip.models.data import SensorConfig, load_dataset
from onchip.models.description import describe_model
from onchip.network.learning import with_learning
from onchip.network.partition import split_trunk
from onchip.program import rates

RESULTS = Path(__file__).parent / "results" / "fixed_bias.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--checkpoints", type=Path, default=None, help="folder to keep them in")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [one_run(seed, args.checkpoints or Path(folder)) for seed in args.seeds]
    columns = {key: [run[key] for run in runs] for key in ("floored", "rounded")}
    columns["difference"] = [b - a for a, b in zip(*columns.values(), strict=True)]
    content = {
        "dataset": "digits-dvs, drifted sensor",
        "split": "random",
        "sensor": "simulated",
        "stream_samples": FULL.stream_samples,
        "bias_per_update_in_weights": floor_bias(),
        "versions": {name: version(name) for name in ("onchip", "numpy")},
        "summary": {key: summary(values) for key, values in columns.items()},
        "runs": runs,
    }
    text = json.dumps(content, indent=1) + "\n"
    write_text(args.out, text)


def one_run(seed: int, folder: Path) -> dict[str, Any]:
    """Test accuracy on the drifted sensor after learning, floored and rounded."""
    model, _, _ = trained(FULL.model, seed, folder)
    spec = with_learning(
        describe_model(model),
        plastic=FULL.plastic,
        learning_rate=FULL.learning_rates[0],
        feedback=FULL.feedback,
        seed=seed,
    )
    fixed = quantize(spec)
    sensor = SensorConfig().drifted()
    train_set, test_set = load_dataset("digits-dvs", split="random", seed=seed, sensor=sensor)
    chosen = np.random.default_rng(seed).permutation(len(train_set.labels))[: FULL.stream_samples]
    stream = trunk_spikes(fixed, train_set.frames[chosen]), train_set.labels[chosen]
    held_out = trunk_spikes(fixed, test_set.frames), test_set.labels
    head = split_trunk(fixed)[1]
    found = {"seed": seed, "floored": learned_accuracy(head, stream, held_out)}
    with rounding_to_nearest():
        found["rounded"] = learned_accuracy(head, stream, held_out)
    print(found, flush=True)
    return found


def learned_accuracy(head: Any, stream: Any, held_out: Any) -> float:
    """Learn by the demo's falling rates, then measure."""
    stages = np.array_split(np.arange(len(stream[1])), len(FULL.learning_rates))
    for rate, stage in zip(FULL.learning_rates, stages, strict=True):
        with build(with_learning_rate(head, rate)) as network:
            network.learn(stream[0][stage], stream[1][stage])
            head = network.snapshot()
    with build(head) as network:
        return network.evaluate(*held_out)


@contextmanager
def rounding_to_nearest() -> Iterator[None]:
    """`rules.update_rows` with half a unit added before each shift."""
    floored: Callable[..., np.ndarray] = synapses.update_rows
    synapses.update_rows = rounded_update_rows
    try:
        yield
    finally:
        synapses.update_rows = floored


def rounded_update_rows(
    variable: np.ndarray,
    products: Any,
    row_factors: Any,
    column_factors: Any,
    random: float,
    limits: tuple[int, int],
) -> np.ndarray:
    """As `rules.update_rows`, plain and unbiased."""
    accumulator = variable.astype(np.int64) << rules.VARIABLE_SHIFT
    for product in products:
        down = np.int64(product.mantissa)
        for name in product.factors:
            down = down * row_factors.get(name, 1)
        value = down[:, np.newaxis] * column_factors["x1"]
        value = (value + (1 << product.right_shift >> 1)) >> product.right_shift
        total = accumulator + (value << product.left_shift)
        accumulator = np.clip(total, *rules.ACCUMULATOR_LIMITS)
    return rules.round_accumulator(accumulator, random, limits).astype(np.int32)


def floor_bias() -> dict[str, float]:
    """Mean of floor(x) - x over all traces and factors where the product is not 0, per update.

    For the demo's first gate, at exponent -7, in weights; y1 raises the weight, y2 lowers it.
    """
    trace, factor = np.arange(1, 128)[:, np.newaxis], np.arange(1, 128)
    exact = trace * factor * 10 / 2**rates.GATE_SHIFT
    unit = 2.0**-rules.VARIABLE_SHIFT
    return {
        "y1": float((np.floor(exact) - exact).mean() * unit),
        "y2": float((np.floor(-exact) + exact).mean() * unit),
        "mean_update": float(exact.mean() * unit),
    }


if __name__ == "__main__":
    main()
