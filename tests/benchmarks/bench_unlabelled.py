"""What follows a drift without labels, alone, before few labels and with own answers: rows as JSON.

The demo's network and drift (digits-dvs, simulated sensor, random split): the scene rotated, dead
pixels, thresholds that differ more; and the same without the rotation, which no bias can undo.
Homeostasis, of biases or of thresholds, sees 600 drifted training samples without labels; then 100
of them with labels are learned from by the dense layers, once as in the demo or 20 times over, and
after that the network's own answers to the other 500. Beside it 100 and 600 labels alone, as often.
Accuracies are of the drifted test part. What adapts, the gain of biases and how often is learned
from what were chosen on held out training samples of seed 0 (`--choose` shows the last).

    python tests/benchmarks/bench_unlabelled.py --seeds 0 1 2 --kept FOLDER
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_plastic_depth import accuracy, trained

from onchip.deploy.backends.online import recovery
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.lifelong.homeostasis import (
    BATCH,
    BIASES,
    GAINS,
    THRESHOLDS,
    adapt,
    firing_rates,
)
from onchip.deploy.lifelong.own_answers import OwnAnswers, learn_from_few
from onchip.files.writing import write_json
from onchip.models.data import SensorConfig, load_dataset
from onchip.network.graph import Network
from onchip.network.learning import with_learning

OUT = Path(__file__).parent / "results" / "unlabelled.json"
ADAPTING = ("conv1", "conv2")
PLASTIC = ("fc1", "readout")
BACKEND = "lava-compiled"
UNLABELLED, FEW, MANY = 600, 100, 600
OWN_RATES = (0.1, 0.05)
OWN = OwnAnswers()
ONCE, OFTEN = replace(OWN, passes=1, rounds=0), replace(OWN, rounds=0)
TRIED = (
    (0.5, 2),
    (0.5, 6),
    (0.8, 2),
    (0.8, 6),
    (0.8, 12),
    (0.9, 6),
    (0.9, 12),
    (1.0, 6),
    (1.0, 12),
)
"""Shares of answers that are kept, and rounds."""
DRIFTS = ("as in the demo", "without the rotation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--drifts", nargs="+", choices=DRIFTS, default=list(DRIFTS))
    parser.add_argument("--kept", type=Path, default=None, help="folder of trained networks")
    parser.add_argument("--choose", action="store_true", help="shares and rounds, held out")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    settings = {"adapting": ADAPTING, "gains": GAINS, "batch": BATCH, "plastic": PLASTIC}
    settings |= {"own_answers": asdict(OWN), "own_rates": OWN_RATES}
    before = json.loads(args.out.read_text()) if args.out.exists() else {}
    rows, chosen = before.get("rows", []), before.get("chosen", [])
    if args.choose:
        with tempfile.TemporaryDirectory() as folder:
            chosen = choose(args.kept or Path(folder))
        write_json(args.out, {**settings, "rows": rows, "chosen": chosen})
        return
    there = {(row["seed"], row["drift"]) for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            for drift in args.drifts:
                if (seed, drift) not in there:
                    rows.append({"seed": seed, "drift": drift, **row(seed, drift, args, folder)})
                    print(rows[-1], flush=True)
                    write_json(args.out, {**settings, "rows": rows, "chosen": chosen})


def row(seed: int, drift: str, args: argparse.Namespace, folder: str) -> dict[str, Any]:
    """All accuracies of one seed and drift."""
    network = trained(seed, args.kept or Path(folder))
    train_set, test_set = load_dataset(FULL.dataset, split=FULL.split, seed=seed)
    drifted, tests = load_dataset(FULL.dataset, split=FULL.split, seed=seed, sensor=sensor(drift))
    order = np.random.default_rng(seed).permutation(len(train_set.labels))[:UNLABELLED]
    wanted = firing_rates(network, train_set.frames[order])
    wanted = {name: wanted[name] for name in ADAPTING}
    unlabelled = drifted.frames[order]
    biases, thresholds = (adapt(network, unlabelled, wanted, form=f) for f in (BIASES, THRESHOLDS))
    found = {"offline": accuracy(network, test_set), "drifted": accuracy(network, tests)}
    found |= {"adapted": accuracy(biases.network, tests)}
    found |= {"thresholds": accuracy(thresholds.network, tests)}
    found |= {"original_after": accuracy(biases.network, test_set)}
    for name, start, labels, settings in (
        (f"{FEW} labels", network, FEW, ONCE),
        (f"biases, {FEW} labels", biases.network, FEW, ONCE),
        (f"thresholds, {FEW} labels", thresholds.network, FEW, ONCE),
        (f"{MANY} labels", network, MANY, ONCE),
        (f"thresholds, {MANY} labels", thresholds.network, MANY, ONCE),
        (f"{FEW} labels, 20 times", network, FEW, OFTEN),
        (f"thresholds, {FEW} labels, 20 times", thresholds.network, FEW, OFTEN),
        (f"{MANY} labels, 20 times", network, MANY, OFTEN),
        (f"{FEW} labels, own answers", network, FEW, OWN),
        (f"biases, {FEW} labels, own answers", biases.network, FEW, OWN),
        (f"thresholds, {FEW} labels, own answers", thresholds.network, FEW, OWN),
    ):
        few, rest = order[:labels], order[labels:]
        samples = drifted.frames[few], drifted.labels[few], drifted.frames[rest]
        found[name] = accuracy(learned(start, *samples, settings), tests)
    told = ("offline", "drifted")
    shares = {
        n: recovery(found["offline"], found["drifted"], a)
        for n, a in found.items()
        if n not in told
    }
    distance = {
        form: [float(a.distance[0]), float(a.distance[-1])]
        for form, a in ((BIASES, biases), (THRESHOLDS, thresholds))
    }
    return {**found, "recovery": shares, "distance": distance}


def choose(kept: Path) -> list[dict[str, Any]]:
    """Accuracies on training samples of seed 0 that are neither learned from nor adapted to."""
    network = trained(0, kept)
    original, _ = load_dataset(FULL.dataset, split=FULL.split, seed=0)
    drifted, _ = load_dataset(FULL.dataset, split=FULL.split, seed=0, sensor=sensor(DRIFTS[0]))
    order = np.random.default_rng(0).permutation(len(drifted.labels))
    seen, held_out = order[:UNLABELLED], order[UNLABELLED:]
    wanted = firing_rates(network, original.frames[seen])
    wanted = {name: wanted[name] for name in ADAPTING}
    adapted = adapt(network, drifted.frames[seen], wanted, form=THRESHOLDS).network
    tests = drifted._replace(frames=drifted.frames[held_out], labels=drifted.labels[held_out])
    few, rest, rows = seen[:FEW], seen[FEW:], []
    samples = drifted.frames[few], drifted.labels[few], drifted.frames[rest]
    for share, rounds in TRIED:
        settings = replace(OWN, share=share, rounds=rounds)
        found = accuracy(learned(adapted, *samples, settings), tests)
        rows.append({"share": share, "rounds": rounds, "held_out": found})
        print(rows[-1], flush=True)
    return rows


def sensor(drift: str) -> SensorConfig:
    """The drifted camera."""
    usual = SensorConfig()
    drifted = usual.drifted()
    if drift == DRIFTS[1]:
        return replace(drifted, rotation_degrees=usual.rotation_degrees)
    return drifted


def learned(
    network: Network, frames: np.ndarray, labels: np.ndarray, rest: np.ndarray, how: OwnAnswers
) -> Any:
    """The network after learning by the dense layers at the demo's rates, `rest` without labels."""
    rates = [dict.fromkeys(PLASTIC, rate) for rate in FULL.learning_rates]
    own = [dict.fromkeys(PLASTIC, rate) for rate in OWN_RATES]
    spec = with_learning(network, learning_rate=rates[0], plastic=PLASTIC, feedback=FULL.feedback)
    return learn_from_few(spec, frames, labels, rest, rates, own, how, BACKEND)


if __name__ == "__main__":
    main()
