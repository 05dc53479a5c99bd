"""What networks with tdBN reach on digits-dvs, fused, deployed and after drift, written as JSON.

One thread, T = 6, random split, sensor simulated; a seed decides the split, the recordings, the
weights, the order and the stream. Sections: `six_epochs` (tdBN and the controls without it, seed
0), `trained` (the recommended settings; a row a network and seed), `plastic` (the residual networks
learn online in floating point, their last block's convolutions, too), `resnet19` (a training step).

    python tests/benchmarks/bench_tdbn.py [--only trained plastic] [--seeds 0 1 2]

With --only, --networks or --seeds the other parts of the file stay as they are.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from fixed_training import summary
from tdbn_deployment import PLASTIC_BLOCK, STEPS, Parts, data, deployed, drift, fusion

from onchip.files.writing import write_json
from onchip.models.tdbn.files import load_network_and_metadata, save_network
from onchip.models.tdbn.networks import TdBNNetwork, architecture, build_network
from onchip.models.tdbn.training import (
    learn_batch,
    parameter_total,
    recommended_settings,
    train_network,
)
from onchip.models.training.memory import peak_tensor_bytes

RESULTS = Path(__file__).parent / "results" / "tdbn.json"
NETWORKS = ("resnet", "plain")
SIX_EPOCHS = [
    {"normalization": "tdbn", "learning_rate": 0.01},
    {"normalization": "none", "learning_rate": 0.01},
    {"normalization": "bias", "learning_rate": 0.01},
    {"normalization": "none", "learning_rate": 0.001},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--checkpoints", type=Path, default=None, help="folder to keep them in")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    content = json.loads(args.out.read_text()) if args.out.exists() else {}
    content |= {
        "dataset": "digits-dvs",
        "split": "random",
        "sensor": "simulated",
        "time_steps": STEPS,
        "machine": {"processor": platform.machine(), "system": platform.system(), "threads": 1},
        "versions": {"python": platform.python_version(), "torch": version("torch")},
    }
    with tempfile.TemporaryDirectory() as folder:
        args.checkpoints = args.checkpoints or Path(folder)
        for name in args.only:
            SECTIONS[name](args, content)
            write_json(args.out, content)


# -- training -------------------------------------------------------------------------------------


def six_epochs(args: argparse.Namespace, content: dict[str, Any]) -> None:
    """The residual network after six epochs without augmentation, and its controls."""
    parts = data(0)
    content["six_epochs"] = []
    for row in SIX_EPOCHS:
        config = architecture("resnet", input_shape=(2, 32, 32), normalization=row["normalization"])
        settings = recommended_settings(epochs=6, max_shift=0, learning_rate=row["learning_rate"])
        result = train_network(build_network(config), *parts, settings, lambda line: None)
        found = {"accuracy": result.accuracy, "rates": dict(result.rates)}
        content["six_epochs"].append({**row, "seed": 0, **found})
        print("six epochs", row, found["accuracy"], flush=True)


def trained(args: argparse.Namespace, content: dict[str, Any]) -> None:
    """A row for each network and seed of `args`, in place of the one that the file had."""
    kept = {(row["network"], row["seed"]): row for row in content.get("trained", [])}
    for name in args.networks:
        for seed in args.seeds:
            kept[name, seed] = one_run(name, seed, args.checkpoints)
    rows = [kept[key] for key in sorted(kept)]
    content["trained"] = rows
    content["summary"] = [summarize(name, rows) for name in NETWORKS if (name, 0) in kept]


def summarize(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds of all accuracies of a network."""
    mine = [row for row in rows if row["network"] == name]
    flat = [
        {
            "accuracy": row["accuracy"],
            **row.get("deployed", {}),
            **{
                f"{p}.{k}": v for p, drift in row.get("drift", {}).items() for k, v in drift.items()
            },
        }
        for row in mine
    ]
    measured = [key for key in flat[0] if all(key in row for row in flat)]
    return {
        "network": name,
        "seeds": [row["seed"] for row in mine],
        **{key: summary([row[key] for row in flat]) for key in measured},
    }


def one_run(name: str, seed: int, folder: Path) -> dict[str, Any]:
    """Training, fusion, deployment and drift."""
    parts = data(seed)
    network, row = trained_network(name, seed, parts, folder)
    row |= {"network": name, "seed": seed, "test_samples": len(parts[1])}
    row["fusion"] = fusion(network, parts[1])
    row["deployed"] = deployed(network, parts[1])
    row["drift"] = drift(network, seed, parts)
    print(json.dumps({k: v for k, v in row.items() if k != "rates"}), flush=True)
    return row


def trained_network(
    name: str, seed: int, parts: Parts, folder: Path
) -> tuple[TdBNNetwork, dict[str, Any]]:
    """The network and its summary, from `folder` where they are."""
    path = folder / f"{name}-{seed}.pt"
    if not path.exists():
        config = architecture(name, input_shape=(2, 32, 32), time_steps=STEPS)
        network = build_network(config, seed)
        result = train_network(network, *parts, recommended_settings(seed=seed)).as_json()
        kept = {k: result[k] for k in ("parameters", "accuracy", "cpu_seconds", "rates")}
        save_network(path, network, {**kept, "epochs": len(result["history"])})
    return load_network_and_metadata(path)


def plastic(args: argparse.Namespace, content: dict[str, Any]) -> None:
    """A row for each seed of `args`, in place of the one that the file had."""
    kept = {row["seed"]: row for row in content.get("plastic", {}).get("runs", [])}
    for seed in args.seeds:
        parts = data(seed)
        network, _ = trained_network("resnet", seed, parts, args.checkpoints)
        found = drift(network, seed, parts, PLASTIC_BLOCK, ("float",))["float"]
        kept[seed] = {"network": "resnet", "seed": seed, "plastic": list(PLASTIC_BLOCK), **found}
        print(json.dumps(kept[seed]), flush=True)
    rows = [kept[seed] for seed in sorted(kept)]
    measured = [key for key in rows[0] if key.endswith(("before", "after"))]
    means = {key: summary([row[key] for row in rows]) for key in measured}
    content["plastic"] = {"runs": rows, "summary": means}


# -- ResNet-19 ------------------------------------------------------------------------------------


def resnet19(args: argparse.Namespace, content: dict[str, Any]) -> None:
    """Memory and time of an update on pictures of 32 x 32, T = 6."""
    network = build_network(architecture("resnet19", input_shape=(3, 32, 32), time_steps=STEPS))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    rows = []
    for batch in (1, 4):
        frames, targets = torch.randn(batch, STEPS, 3, 32, 32), torch.eye(10)[:batch]
        started = time.process_time()
        peak = peak_tensor_bytes(lambda x=frames, y=targets: learn_batch(network, optimizer, x, y))
        seconds = round(time.process_time() - started, 1)
        rows.append({"batch": batch, "peak_bytes": peak, "cpu_seconds": seconds})
        print("resnet19", rows[-1], flush=True)
    content["resnet19"] = {"parameters": parameter_total(network), "updates": rows}


SECTIONS = {
    "six_epochs": six_epochs,
    "trained": trained,
    "plastic": plastic,
    "resnet19": resnet19,
}


if __name__ == "__main__":
    main()
