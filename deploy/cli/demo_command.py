"""`onchip demo`: the whole chain on a sensor that drifts, with a report."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.cli.common import add_command, common_results, say

if TYPE_CHECKING:
    from deploy.cli.scenario import Outcome, Scenario


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "demo",
        "train, export, let the sensor drift, learn online in Lava, and report",
        "onchip demo --out demo-results",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a few samples; shows that it runs")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Play the scenario; writes results.json, report.md, PNGs and the networks to `--out`.

    Results `accuracy_offline, accuracy_drifted, accuracy_recovered, accuracy_original_after,
    recovery, seconds`, and the same with the prefix `float.` (the precision). Exit code 1 when the
    parity check fails or Lava predicts a checked sample otherwise than NumPy.
    """
    from deploy.atomic import write_json, write_text
    from deploy.cli.scenario import FULL, QUICK, play
    from deploy.report import demo_report

    started = time.perf_counter()
    folder: Path = args.out
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the results")
    folder.mkdir(parents=True, exist_ok=True)
    scenario = QUICK if args.quick else FULL
    seed = args.seed or 0
    outcome = play(scenario, folder, seed)
    figures = draw_figures(outcome, folder)
    seconds = time.perf_counter() - started
    results = collect(scenario, outcome, seed, seconds, args.quick)
    write_json(folder / "results.json", results)
    write_text(folder / "report.md", demo_report(results, outcome.parity.markdown(), figures))
    say(f"[{results['seconds']:5.0f} s] done")
    print(outcome.parity.markdown())
    for name, value in outcome.accuracies.items():
        print(f"{name:26}{value:.4f}")
    print(f"report: {folder / 'report.md'}")
    return results


def collect(
    scenario: Scenario, outcome: Outcome, seed: int, seconds: float, quick: bool
) -> dict[str, Any]:
    """The results, flat."""
    found = {**outcome.accuracies, "seconds": seconds}
    return {
        **common_results(scenario.dataset, scenario.split, seed, "lava", "float64"),
        **found,
        **{f"float.{name}": value for name, value in found.items()},
        **{f"seconds_{name}": value for name, value in outcome.seconds.items()},
        "passed": outcome.parity.passed and outcome.learning.mismatches == 0,
        **{f"parity.{name}": value for name, value in outcome.parity.flat().items()},
        "lava_prediction_mismatches": outcome.learning.mismatches,
        "lava_predictions_checked": scenario.lava_checked,
        "stream_samples": outcome.learning.samples,
        "steps_per_second": outcome.learning.steps_per_second,
        "train_samples": len(outcome.data.train.labels),
        "test_samples": len(outcome.data.test.labels),
        "simulated_sensor": True,
        "quick": quick,
        "scenario": asdict(scenario),
    }


def draw_figures(outcome: Outcome, folder: Path) -> dict[str, str]:
    """Write the figures; returns file name -> caption."""
    drawn = {}
    for name, (caption, draw) in FIGURES.items():
        draw(outcome, folder / name)
        drawn[name] = caption
    return drawn


def _events(outcome: Outcome, path: Path) -> None:
    from deploy.figures import draw_events

    data = outcome.data
    rows = {"original sensor": data.test.frames[0], "drifted sensor": data.drifted_test.frames[0]}
    draw_events(path, rows)


def _raster(outcome: Outcome, path: Path) -> None:
    from deploy.backends import build
    from deploy.figures import draw_raster

    data = outcome.data
    frames, label = data.drifted_test.frames[:1], int(data.drifted_test.labels[0])
    with build(outcome.after, record=True) as network:
        result = network.run(frames)
    spikes = {name: values[0] for name, values in result.spikes.items()}
    events = frames[0].reshape(len(frames[0]), -1)
    title = f"a {label} of the drifted sensor, after learning"
    draw_raster(path, {"events": events, **spikes}, result.outputs[0], label, title)


def _stream(outcome: Outcome, path: Path) -> None:
    from deploy.figures import draw_stream

    found, learning = outcome.accuracies, outcome.learning
    levels = {
        "test, original sensor, before": found["accuracy_offline"],
        "test, drifted sensor, before": found["accuracy_drifted"],
        "test, drifted sensor, after": found["accuracy_recovered"],
    }
    draw_stream(path, learning.positions, learning.correct, levels, window=40)


def _weights(outcome: Outcome, path: Path) -> None:
    from deploy.figures import draw_weight_change

    draw_weight_change(path, outcome.before, outcome.after)


def _parity(outcome: Outcome, path: Path) -> None:
    from deploy.figures import draw_table

    parity = outcome.parity
    steps = parity.samples * parity.time_steps
    draw_table(path, parity.rows(), f"Parity over {steps} steps of online learning")


def _accuracies(outcome: Outcome, path: Path) -> None:
    from deploy.figures import draw_accuracies

    found = outcome.accuracies
    bars = {
        "original sensor, trained offline": found["accuracy_offline"],
        "drifted sensor, not adapted": found["accuracy_drifted"],
        "drifted sensor, learned in Lava": found["accuracy_recovered"],
        "original sensor, learned in Lava": found["accuracy_original_after"],
    }
    title = f"{found['recovery']:.0%} of the fall recovered from {outcome.learning.samples} samples"
    draw_accuracies(path, bars, title)


FIGURES = {
    "accuracy.png": ("Accuracy on test samples, before and after learning online.", _accuracies),
    "events.png": ("Events of one test sample, by the original and the drifted sensor.", _events),
    "stream.png": ("Accuracy along the stream, before each sample is learned from.", _stream),
    "raster.png": ("Spikes of one test sample of the drifted sensor, after learning.", _raster),
    "weights.png": ("What online learning changed in the plastic layers.", _weights),
    "parity.png": ("Parity of the executions with the NumPy engine.", _parity),
}
"""File name -> (caption, the function that draws it)."""
