"""What follows a drift without labels, alone, before few labels and with own answers: rows as JSON.

The demo's network and drift (digits-dvs, simulated sensor, random split): the scene rotated, dead
pixels, thresholds that differ more; and the same without the rotation, which no bias can undo.
Homeostasis, of biases or of thresholds, sees 600 drifted training samples without labels; then 100
of them with labels are learned from by the dense layers, once as in the demo or 20 times over, and
after that the network's own answers to the other 500. Beside it 100 and 600 labels alone, as often.
Accuracies are of the drifted test part. What adapts, the gain of biases and how often is learned
from what were chosen on held out training samples of seed 0.

    python tests/benchmarks/bench_unlabelled.py --seeds 0 1 2 --kept FOLDER
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_plastic_depth import accuracy, trained

from onchip.deploy.backends.host import trunk_spikes
from onchip.deploy.backends.online import recovery
from onchip.deploy.backends.table import build
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
from onchip.network.partition import split_trunk

OUT = Path(__file__).parent / "results" / "unlabelled.json"
ADAPTING = ("conv1", "conv2")
PLASTIC = ("fc1", "readout")
BACKEND = "lava-compiled"
UNLABELLED, FEW, MANY = 600, 100, 600
OWN_RATES = (0.1, 0.05)
OWN = OwnAnswers()
ONCE, OFTEN = replace(OWN, passes=1, rounds=0), replace(OWN, rounds=0)
KINDS = {"": ONCE, f", {OWN.passes} times": OFTEN, ", own answers": OWN}
NAMES = {"": "drifted", "biases, ": "biases", "thresholds, ": "thresholds"}
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
    found = {"offline": accuracy(network, test_set)}
    found |= {"original_after": accuracy(biases.network, test_set)}
    starts = {"": network, "biases, ": biases.network, "thresholds, ": thresholds.network}
    stages = {name: Behind(start, unlabelled, tests) for name, start in starts.items()}
    found |= {NAMES[name]: stage.accuracy() for name, stage in stages.items()}
    for start, labels, (times, how) in itertools.product(stages, (FEW, MANY), KINDS.items()):
        if how is OWN and labels == MANY:
            continue  # no sample is left without a label
        name = f"{start}{labels} labels{times}"
        found[name] = stages[start].learned(labels, drifted.labels[order], how)
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
    tests = replace(drifted, frames=drifted.frames[held_out], labels=drifted.labels[held_out])
    stage, rows = Behind(adapted, drifted.frames[seen], tests), []
    for share, rounds in TRIED:
        how = replace(OWN, share=share, rounds=rounds)
        found = stage.learned(FEW, drifted.labels[seen], how)
        rows.append({"share": share, "rounds": rounds, "held_out": found})
        print(rows[-1], flush=True)
    return rows


class Behind:
    """The part behind the convolutions, with their spikes for `frames` and for `tests`."""

    def __init__(self, network: Network, frames: np.ndarray, tests: Any) -> None:
        self._head, self._tests = head_of(network), tests.labels
        self._spikes, self._shown = (trunk_spikes(network, f) for f in (frames, tests.frames))

    def accuracy(self, head: Any = None) -> float:
        """On the tests, of the part as it is or of another."""
        with build(head or self._head, BACKEND) as network:
            return network.evaluate(self._shown, self._tests)

    def learned(self, count: int, labels: np.ndarray, how: OwnAnswers) -> float:
        """Accuracy after `count` samples with labels, and the others without."""
        rates = [dict.fromkeys(PLASTIC, rate) for rate in FULL.learning_rates]
        own = [dict.fromkeys(PLASTIC, rate) for rate in OWN_RATES]
        few, rest = self._spikes[:count], self._spikes[count:]
        given = (few, labels[:count], rest, rates, own, how, BACKEND)
        return self.accuracy(learn_from_few(self._head, *given))


def head_of(network: Network) -> Any:
    """The dense layers, which learn as in the demo."""
    rate = dict.fromkeys(PLASTIC, FULL.learning_rates[0])
    spec = with_learning(network, learning_rate=rate, plastic=PLASTIC, feedback=FULL.feedback)
    return split_trunk(spec)[1]


def sensor(drift: str) -> SensorConfig:
    """The drifted camera."""
    usual = SensorConfig()
    drifted = usual.drifted()
    if drift == DRIFTS[1]:
        return replace(drifted, rotation_degrees=usual.rotation_degrees)
    return drifted


if __name__ == "__main__":
    main()
