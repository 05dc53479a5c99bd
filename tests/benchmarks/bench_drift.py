"""The demo's scenario for several seeds, in floating point and in integers, written as JSON.

The constants of the convnet's scenario were chosen on seeds 0 to 5, those of the vgg's on 7 to 9;
where only some of the seeds played are among them, the others have a summary of their own. A seed
decides the split, the recordings, the initial weights and the stream. The sensor of digits-dvs is
simulated; all learning after the drift happens in the Lava simulator. The demos are a study
(`onchip.deploy.studies`), which goes on where it was interrupted.

    python tests/benchmarks/bench_drift.py --models vgg --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean, pstdev

from study_runs import run_all

from onchip.deploy.studies.study import Form, Step, Study
from onchip.files.writing import write_text

RESULTS = Path(__file__).parent / "results"
FILES = {"convnet": "drift.json", "vgg": "drift_deep.json"}
CHOSEN_ON = {"convnet": (0, 1, 2, 3, 4, 5), "vgg": (7, 8, 9)}
"""Model -> seeds that the constants of its scenario were chosen on."""
FRESH = {"convnet": [6, 7, 8], "vgg": [0, 1, 2, 3, 4, 5]}
"""Model -> seeds that its scenario is measured on."""
MEASURED = (
    "accuracy_offline",
    "accuracy_drifted",
    "accuracy_recovered",
    "accuracy_original_after",
    "recovery",
)
PRECISIONS = ("float", "fixed")
FIGURES = (*(f"{p}.{name}" for p in PRECISIONS for name in MEASURED), "seconds")

THREADS = 2
"""Of each demo: those of the machine that the committed results are from."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(FILES), choices=FILES)
    parser.add_argument("--seeds", nargs="+", type=int, help="(6 7 8; of the vgg 0 to 5)")
    parser.add_argument("--jobs", type=int, default=1, help="demos at once; times are of one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON")
    args = parser.parse_args()
    for model in args.models:
        runs = demos(model, args.seeds or FRESH[model], args.jobs)
        write(args.out / FILES[model], summarise(model, runs))
        for name, value in means(runs).items():
            print(f"{model:8} {name:30} mean {value['mean']:.4f} +- {value['spread']:.4f}")


def write(path: Path, content: dict[str, object]) -> None:
    """Write the JSON, all of it or nothing."""
    text = json.dumps(content, indent=1) + "\n"
    write_text(path, text)


def summarise(model: str, runs: list[dict]) -> dict[str, object]:
    """The runs with their means, and those of the seeds that the scenario was not chosen on."""
    chosen_on = CHOSEN_ON[model]
    fresh = [run for run in runs if run["seed"] not in chosen_on]
    content = {"summary": means(runs), "chosen_on_seeds": list(chosen_on), "runs": runs}
    apart = 0 < len(fresh) < len(runs)
    return {**content, "summary_of_fresh_seeds": means(fresh)} if apart else content


def means(runs: list[dict]) -> dict[str, dict[str, float]]:
    """Mean and population standard deviation of each figure."""
    return {
        name: {"mean": mean(r[name] for r in runs), "spread": pstdev(r[name] for r in runs)}
        for name in FIGURES
    }


def demos(model: str, seeds: list[int], jobs: int = 1, **options: object) -> list[dict]:
    """Results of a demo for each seed, each played in a process of its own."""
    step = Step("demo", {"model": model, **options}, Form(output="demo"))
    study = Study((step,), FIGURES, grid={"seed": seeds}, threads=THREADS)
    runs = run_all(f"drift-{model}", study, jobs)
    for run in runs:
        run["options"].pop("out")  # a folder of this machine
    return runs


if __name__ == "__main__":
    main()
