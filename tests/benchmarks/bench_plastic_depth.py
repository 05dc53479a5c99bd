"""Recovery from drift by which layers are plastic, and by feedback: a table and a figure.

The demo's network and drift (digits-dvs, simulated sensor), in floating point and, with
`--precisions float fixed`, in integers, learning online in one pass; a convolution's rate is a
share of the dense layers', because its gradient is a sum over positions. Accuracies are of the test
split, learning off. The share was chosen on seed 0. Each part, feedback and seed is a task for one
of the `--jobs` processes; rows that are in the file already stay. Beside them stand the rules of
bench_rules.py, where it has run.

    python tests/benchmarks/bench_plastic_depth.py --seeds 0 1 2 --jobs 2
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
from draw_recovery import draw_recovery
from joblib import Parallel, delayed

from onchip.deploy.backends.online import learn_in_stages, recovery
from onchip.deploy.backends.table import build
from onchip.deploy.cli.data import DataChoice
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.cli.demo_training import train_offline
from onchip.deploy.cli.networks import load_checkpoint_model
from onchip.deploy.cli.stages import Data, load_data
from onchip.deploy.quantization.network import quantize
from onchip.files.writing import write_text
from onchip.network.chain import graph_of
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning

OUT = Path(__file__).parent / "results" / "plastic_depth.json"
FIGURE, RULES = OUT.with_suffix(".png"), OUT.with_name("rules.json")
RULE_PRECISIONS = {"float": "floating point", "fixed": "integers", "late": "integers, a step late"}
SHARE = 0.2
BACKEND = "lava-fused"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=SHARE, help="of a convolution's rate")
    parser.add_argument("--samples", type=int, default=FULL.stream_samples)
    parser.add_argument("--kept", type=Path, default=None, help="folder of trained networks")
    parser.add_argument("--precisions", nargs="+", choices=("float", "fixed"), default=["float"])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--feedbacks", nargs="+", default=["symmetric"])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Parallel(args.jobs) as parallel:
        kept = args.kept or Path(folder)
        parallel(delayed(trained)(seed, kept) for seed in args.seeds)
        before = rows_before(args)
        there = {(row["seed"], *_kind(row)) for row in before}
        tasks = itertools.product(args.seeds, args.precisions, args.parts, args.feedbacks)
        chosen = (task for task in tasks if task not in there and _differs(task, args.feedbacks))
        rows = before + parallel(
            delayed(play)(*task, args.share, args.samples, kept) for task in chosen
        )
    for kind in dict.fromkeys(map(_kind, rows)):
        found = [row for row in rows if _kind(row) == kind]
        for name in ("recovery", "recovered", "original_after"):
            values = [row[name] for row in found]
            spread = f"{mean(values):.3f} +- {pstdev(values):.3f}"
            print(" ".join(f"{word:16}" for word in (*kind, name)), spread)
    note = {"share": args.share, "samples": args.samples, "rows": rows}
    write_text(args.out, json.dumps(note, indent=1) + "\n")
    draw(rows, args.out.with_suffix(".png"))


def rows_before(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows that an earlier run of the same settings left in the file."""
    found = json.loads(args.out.read_text()) if args.out.exists() else {}
    same = (found.get("share"), found.get("samples")) == (args.share, args.samples)
    rows: list[dict[str, Any]] = found["rows"] if same else []
    return rows


def _differs(task: tuple[int, str, str, str], feedbacks: Sequence[str]) -> bool:
    """Whether it is another task than one of the first feedback: none reaches a readout."""
    return task[2] != "readout" or task[3] == feedbacks[0]


def _kind(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["precision"], row["part"], row["feedback"]


def play(
    seed: int, precision: str, part: str, feedback: str, share: float, samples: int, kept: Path
) -> dict[str, Any]:
    """One row."""
    choice = DataChoice(FULL.dataset, FULL.split, seed, FULL.time_steps)
    data, network = load_data(choice, FULL), trained(seed, kept)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.drifted_train.labels))[:samples]
    plastic = PARTS[part](network)
    row = learned(network, plastic, precision, data, order, share, feedback)
    row |= {"part": part, "precision": precision, "feedback": feedback, "seed": seed}
    print(row, flush=True)
    return row


def trained(seed: int, kept: Path) -> Network:
    """The demo's network, trained on the original sensor, or as it was kept."""
    choice = DataChoice(FULL.dataset, FULL.split, seed, FULL.time_steps)
    checkpoint = kept / f"plastic_depth_{seed}.pt"
    if not checkpoint.exists():
        data = load_data(choice, FULL)
        train_offline(FULL, choice, data, checkpoint, seed, {}, True, lambda epoch: None)
    return graph_of(load_checkpoint_model(checkpoint)[1])


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Recovery by layers and feedback, and by rule: every seed a dot, their mean a dash."""
    series = {}
    for precision, feedback in dict.fromkeys((row["precision"], row["feedback"]) for row in rows):
        name = f"{feedback} feedback" + ", integers" * (precision == "fixed")
        series[name] = {
            part: [row["recovery"] for row in rows if _kind(row) == (precision, part, feedback)]
            for part in PARTS
        }
    rules = json.loads(RULES.read_text())["rows"] if RULES.exists() else []
    by_rule = {
        words: {
            name: [row[f"{precision}.recovery"] for row in rules if row["rule"] == name]
            for name in dict.fromkeys(row["rule"] for row in rules)
            if all(f"{precision}.recovery" in row for row in rules if row["rule"] == name)
        }
        for precision, words in RULE_PRECISIONS.items()
    }
    draw_recovery(path, {"none": [0.0]}, series, by_rule)


def dense_of(network: Network) -> list[str]:
    """The populations that no convolution leads to."""
    convolved = {c.target for c in network.connections if isinstance(c.transform, Convolution)}
    return [p.name for p in network.populations if p.name not in convolved]


def learned(
    network: Network,
    plastic: Sequence[str],
    precision: str,
    data: Data,
    order: np.ndarray,
    share: float,
    feedback: str,
) -> dict[str, Any]:
    """Learn from the stream in the demo's stages; the accuracies before and after.

    Feedback and integers are those of deployment; later stages change the rates alone.
    """
    dense = dense_of(network)
    rates = [
        {name: rate if name in dense else share * rate for name in plastic}
        for rate in FULL.learning_rates
    ]
    spec: Any = with_learning(network, learning_rate=rates[0], plastic=plastic, feedback=feedback)
    if precision == "fixed":
        spec = quantize(spec)
    tests = (data.test, data.drifted_test)
    offline, drifted = (accuracy(spec, part) for part in tests)
    frames, labels = data.drifted_train.frames[order], data.drifted_train.labels[order]
    after = learn_in_stages(spec, frames, labels, rates, BACKEND, measure=0).spec
    original, recovered = (accuracy(after, part) for part in tests)
    return {
        "plastic": ",".join(plastic),
        "offline": offline,
        "drifted": drifted,
        "recovered": recovered,
        "original_after": original,
        "recovery": recovery(offline, drifted, recovered),
    }


PARTS: dict[str, Callable[[Network], list[str]]] = {
    "readout": lambda network: [network.populations[-1].name],
    "dense": dense_of,
    "last_convolution": lambda network: ["conv3", *dense_of(network)],
    "convolutions": lambda network: [
        p.name for p in network.populations if p.name not in dense_of(network)
    ],
    "all": lambda network: [p.name for p in network.populations],
}
"""Which populations learn."""


def accuracy(network: Any, part: Any) -> float:
    """Of a data set, learning off."""
    with build(network) as execution:
        return execution.evaluate(part.frames, part.labels)


if __name__ == "__main__":
    main()
