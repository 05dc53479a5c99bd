"""Biases that follow a drift without labels, alone and before labels: rows as JSON.

The demo's network and drift (digits-dvs, simulated sensor, random split): the scene rotated, dead
pixels, thresholds that differ more; and the same without the rotation, which no bias can undo.
Homeostasis sees 600 drifted training samples without labels, then 100 of them with labels are
learned from as in the demo; beside it 100 and 600 labels alone. Accuracies are of the drifted test
part. Which populations adapt, and the gain, were chosen on held out training samples of seed 0.

    python tests/benchmarks/bench_unlabelled.py --seeds 0 1 2 --kept FOLDER
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_plastic_depth import accuracy, trained

from onchip.deploy.backends.online import learn_in_stages, recovery
from onchip.deploy.cli.demo_settings import FULL
from onchip.deploy.lifelong.homeostasis import BATCH, GAIN, adapt, firing_rates
from onchip.files.writing import write_json
from onchip.models.data import SensorConfig, load_dataset
from onchip.network.graph import Network
from onchip.network.learning import with_learning

OUT = Path(__file__).parent / "results" / "unlabelled.json"
ADAPTING = ("conv1", "conv2")
PLASTIC = ("fc1", "readout")
BACKEND = "lava-fused"
UNLABELLED, FEW, MANY = 600, 100, 600
DRIFTS = ("as in the demo", "without the rotation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--drifts", nargs="+", choices=DRIFTS, default=list(DRIFTS))
    parser.add_argument("--kept", type=Path, default=None, help="folder of trained networks")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    settings = {"adapting": ADAPTING, "gain": GAIN, "batch": BATCH, "plastic": PLASTIC}
    rows = json.loads(args.out.read_text())["rows"] if args.out.exists() else []
    there = {(row["seed"], row["drift"]) for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            for drift in args.drifts:
                if (seed, drift) not in there:
                    rows.append({"seed": seed, "drift": drift, **row(seed, drift, args, folder)})
                    print(rows[-1], flush=True)
                    write_json(args.out, {**settings, "rows": rows})


def row(seed: int, drift: str, args: argparse.Namespace, folder: str) -> dict[str, Any]:
    """All accuracies of one seed and drift."""
    network = trained(seed, args.kept or Path(folder))
    train_set, test_set = load_dataset(FULL.dataset, split=FULL.split, seed=seed)
    drifted, tests = load_dataset(FULL.dataset, split=FULL.split, seed=seed, sensor=sensor(drift))
    order = np.random.default_rng(seed).permutation(len(train_set.labels))[:UNLABELLED]
    wanted = firing_rates(network, train_set.frames[order])
    adaptation = adapt(network, drifted.frames[order], {n: wanted[n] for n in ADAPTING})
    adapted = adaptation.network
    found = {"offline": accuracy(network, test_set), "drifted": accuracy(network, tests)}
    found |= {"adapted": accuracy(adapted, tests)}
    found |= {"original_after": accuracy(adapted, test_set)}
    for name, start, labels in (
        (f"{FEW} labels", network, FEW),
        (f"adapted, {FEW} labels", adapted, FEW),
        (f"{MANY} labels", network, MANY),
        (f"adapted, {MANY} labels", adapted, MANY),
    ):
        samples = drifted.frames[order[:labels]], drifted.labels[order[:labels]]
        found[name] = accuracy(learned(start, *samples), tests)
    shares = {n: recovery(found["offline"], found["drifted"], found[n]) for n in list(found)[2:]}
    distance = [float(adaptation.distance[0]), float(adaptation.distance[-1])]
    return {**found, "recovery": shares, "distance": distance}


def sensor(drift: str) -> SensorConfig:
    """The drifted camera."""
    usual = SensorConfig()
    drifted = usual.drifted()
    if drift == DRIFTS[1]:
        return replace(drifted, rotation_degrees=usual.rotation_degrees)
    return drifted


def learned(network: Network, frames: np.ndarray, labels: np.ndarray) -> Any:
    """Learn once from labelled samples, the dense layers by the demo's rates."""
    rates = [dict.fromkeys(PLASTIC, rate) for rate in FULL.learning_rates]
    spec = with_learning(network, learning_rate=rates[0], plastic=PLASTIC, feedback=FULL.feedback)
    return learn_in_stages(spec, frames, labels, rates, BACKEND, measure=0).spec


if __name__ == "__main__":
    main()
