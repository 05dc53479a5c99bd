"""What the rules of the family learn: spikes at given times, rewards, a sine, as JSON.

Three seeds each. Spike trains are learned in the NumPy engine, and one of them once more in Lava,
a process for each layer, where every output must be the same; rewards and the sine in Lava, the
network as one process.

    python tests/benchmarks/bench_family.py [--only trains in_lava bandit delayed_reward sine]
    python tests/benchmarks/bench_family.py --only trains --rows "LIF, one filter" --seeds 0

Other sections, rows and seeds of the file stay as they are.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from family_tasks import TRAINS, bandit, delayed_reward, learn_trains, sine, train_task

from onchip.deploy import build
from onchip.files.writing import write_json

FOLDER = Path(__file__).parent / "results"
SEEDS = range(3)
BACKEND = "lava-fused"
LIMITS = {"10 outputs, no filter": 600}
"""Trials at most, 800 for all others."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--rows", nargs="+", choices=TRAINS, default=list(TRAINS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--out", type=Path, default=FOLDER / "family.json")
    args = parser.parse_args()
    kept = json.loads(args.out.read_text()) if args.out.exists() else {}
    content = {
        "machine": {"processor": platform.machine(), "system": platform.system()},
        "versions": {"python": platform.python_version(), "numpy": version("numpy")},
        **{name: kept[name] for name in SECTIONS if name in kept},
    }
    for name in args.only:
        if name == "trains":
            runs = trains(args.rows, args.seeds)
            content[name] = in_order([*runs, *kept.get(name, [])])
        else:
            content[name] = SECTIONS[name]()
        print(name, json.dumps(content[name]), flush=True)
    write_json(args.out, content)


def in_order(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first run of each row and seed, in the order of `TRAINS`."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    names = list(TRAINS)
    for run in runs:
        if run["name"] in names:
            found.setdefault((names.index(run["name"]), run["seed"]), run)
    return [found[key] for key in sorted(found)]


def spread(values: list[float]) -> dict[str, Any]:
    """Mean, least and largest, and the values themselves."""
    return {
        "mean": round(statistics.mean(values), 4),
        "least": round(min(values), 4),
        "largest": round(max(values), 4),
        "values": [round(value, 4) for value in values],
    }


def trains(rows: list[str], seeds: list[int]) -> list[dict[str, Any]]:
    """Runs of `TRAINS`: trials until each output was matched, None where it was not."""
    runs = []
    for name in rows:
        options, limit = TRAINS[name], LIMITS.get(name, 800)
        for seed in seeds:
            found = learn_trains(train_task(seed, **options), limit)
            runs.append(
                {
                    "name": name,
                    "seed": seed,
                    "rule": options["rule"],
                    "learning_rate": options["learning_rate"],
                    "neuron": repr(options["neuron"]),
                    "limit": limit,
                    "trials": found["trials"],
                    "distance": round(found["distance"], 4),
                    "spikes_before": found["spikes_before"],
                }
            )
            print(name, seed, runs[-1]["trials"], runs[-1]["distance"], flush=True)
    return runs


def in_lava() -> dict[str, Any]:
    """A neuron that learns by two filters, in stock Lava and in the engine, trial for trial."""
    name, trials = "LIF, two filters", 40
    task, outputs, weights = train_task(0, **TRAINS[name]), {}, {}
    for backend in ("numpy", "lava", "lava-fast"):
        with build(task.network, backend) as execution:
            given = np.repeat(task.frames, trials, axis=0), np.repeat(task.targets, trials, axis=0)
            outputs[backend] = execution.learn(*given).outputs
            weights[backend] = execution.snapshot().connections[0].transform.weight
    return {
        "name": name,
        "trials": trials,
        "differing_spikes": {
            backend: int((outputs[backend] != outputs["numpy"]).sum()) for backend in outputs
        },
        "largest_difference_of_weights": {
            backend: float(np.abs(weights[backend] - weights["numpy"]).max()) for backend in weights
        },
        "largest_change_of_weights": float(
            np.abs(weights["numpy"] - task.network.connections[0].transform.weight).max()
        ),
    }


def bandits() -> dict[str, Any]:
    """The share of the better arm, of 50 trials each: before and after the arms change places."""
    runs = [bandit(seed, BACKEND) for seed in SEEDS]
    half = len(runs[0]) // 2
    return {
        "backend": BACKEND,
        "trials": len(runs[0]),
        "better_arm_in_the_first_10_trials": spread([float(run[:10].mean()) for run in runs]),
        "better_arm_before_the_change": spread([float(r[half - 50 : half].mean()) for r in runs]),
        "better_arm_in_10_trials_after_it": spread([float(r[half:][:10].mean()) for r in runs]),
        "better_arm_at_the_end": spread([float(run[-50:].mean()) for run in runs]),
    }


def delayed_rewards() -> dict[str, Any]:
    """The share of right choices before learning and in the last 50 trials."""
    runs = [delayed_reward(seed, BACKEND) for seed in SEEDS]
    return {
        "backend": BACKEND,
        "trials": len(runs[0][1]),
        "right_before": spread([before for before, _ in runs]),
        "right_at_the_end": spread([float(good[-50:].mean()) for _, good in runs]),
    }


def sines() -> dict[str, Any]:
    """The mean squared error before learning and in the last 10 trials."""
    runs = [sine(seed, BACKEND) for seed in SEEDS]
    after = [float(errors[-10:].mean()) for errors in runs]
    return {
        "backend": BACKEND,
        "trials": len(runs[0]) - 1,
        "error_before": spread([float(errors[0]) for errors in runs]),
        "error_at_the_end": spread(after),
        "relative": spread([end / errors[0] for end, errors in zip(after, runs, strict=True)]),
        "relative_to_silence": spread([end / 0.5 for end in after]),
    }


SECTIONS = {
    "trains": trains,
    "in_lava": in_lava,
    "bandit": bandits,
    "delayed_reward": delayed_rewards,
    "sine": sines,
}


if __name__ == "__main__":
    main()
