"""What learning by spike times reaches on XOR and on digits, as JSON, and the figure of XOR.

One thread; seconds are those of the process. Digits: scikit-learn's 1797, a random stratified
fifth for testing, drawn from the seed.

    python tests/benchmarks/bench_spike_times.py [--only xor settings digits control]

With --only, the other sections of the file stay as they are.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from onchip.deploy.reports.spike_time_figures import draw_spike_times
from onchip.files.writing import write_json
from onchip.models.spike_times.config import make_config
from onchip.models.spike_times.learning import answers, train_spike_times
from onchip.models.spike_times.runs import make_network, pattern_times, train
from onchip.models.spike_times.tasks import digits_split, xor_patterns

FOLDER = Path(__file__).parent / "results"
XOR_SEEDS, MANY_SEEDS, DIGITS_SEEDS = range(20), range(150), range(3)

SETTINGS: dict[str, dict[str, float]] = {
    "as they are": {},
    "spread 1": {"spread": 1.0},
    "momentum 0.9": {"momentum": 0.9},
    "spread 1, momentum 0.9": {"spread": 1.0, "momentum": 0.9},
}
"""What XOR's settings are held against."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--out", type=Path, default=FOLDER / "spike_times.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    kept = json.loads(args.out.read_text()) if args.out.exists() else {}
    content = {
        "machine": {"processor": platform.machine(), "system": platform.system(), "threads": 1},
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        **{name: kept[name] for name in SECTIONS if name in kept},
        **{name: SECTIONS[name]() for name in args.only},
    }
    write_json(args.out, content)
    draw_xor(args.out.with_suffix(".png"), content["xor"])


def xor() -> dict[str, Any]:
    """The runs of `XOR_SEEDS`, and the first one's spike times."""
    runs = [train(make_config("xor", seed=seed), print) for seed in XOR_SEEDS]
    patterns, labels = xor_patterns()
    times = pattern_times(runs[0].network, patterns)
    return {
        "runs": [run.summary() for run in runs],
        "patterns": [{"label": int(k), **t} for k, t in zip(labels, times, strict=True)],
    }


def draw_xor(path: Path, content: dict[str, Any]) -> None:
    """The figure of the first seed's spike times."""
    first = content["runs"][0]["settings"]["training"]
    panels = {
        "inputs at {:g} and {:g}: class {}".format(*row["inputs"], row["label"]): {
            "input": row["inputs"],
            "hidden": row["layers"][0],
            "output": row["layers"][1],
        }
        for row in content["patterns"]
    }
    title = f"XOR of two spikes, seed {first['seed']}, after {first['updates']} updates"
    draw_spike_times(path, panels, title)
    print(path)


def settings() -> list[dict[str, Any]]:
    """XOR from `MANY_SEEDS` with each of `SETTINGS`: which seeds stay unsolved."""
    rows = []
    for name, changes in SETTINGS.items():
        after = {
            seed: train(make_config("xor", seed=seed, **changes), print).solved_after
            for seed in MANY_SEEDS
        }
        solved = [updates for updates in after.values() if updates is not None]
        rows.append(
            {
                "name": name,
                "changes": changes,
                "seeds": len(after),
                "unsolved": [seed for seed, updates in after.items() if updates is None],
                "median_updates": statistics.median(solved),
            }
        )
        print(rows[-1], flush=True)
    return rows


def digits() -> list[dict[str, Any]]:
    """The runs of `DIGITS_SEEDS`."""
    runs = [train(make_config("digits", seed=seed), print).summary() for seed in DIGITS_SEEDS]
    for run in runs:
        print(run["accuracy"], run["cpu_seconds"], flush=True)
    return runs


def control() -> list[dict[str, Any]]:
    """Digits without the weight-sum cost: who still fires after as many updates."""
    rows = []
    for seed in DIGITS_SEEDS:
        config, split = make_config("digits", seed=seed), digits_split(seed=seed)
        network = make_network(config)
        training = replace(config.training, weight_sum=0.0)
        train_spike_times(network, split.train_times, split.train_labels, training)
        found = answers(network, split.test_times)
        silent = [int(np.isinf(times).all(0).sum()) for times in network.run(split.test_times)]
        rows.append(
            {
                "seed": seed,
                "unanswered": float(np.mean(found < 0)),
                "accuracy": float(np.mean(found == split.test_labels)),
                "silent": silent,
                "neurons": list(network.sizes[1:]),
            }
        )
        print(rows[-1], flush=True)
    return rows


SECTIONS = {"xor": xor, "settings": settings, "digits": digits, "control": control}


if __name__ == "__main__":
    main()
