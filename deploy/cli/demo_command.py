"""`onchip demo`: the whole chain on a sensor that drifts, with a report."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.deploy.cli.common import add_command, common_results, say, with_provenance

if TYPE_CHECKING:
    from onchip.deploy.cli.demo_settings import Scenario
    from onchip.deploy.cli.scenario import Outcome
    from onchip.deploy.cli.stages import Track


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "demo",
        "train, export, let the sensor drift, learn online in Lava, and report",
        "onchip demo --out demo-results",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--precision", default="both", help="of learning online: float, fixed or both (both)"
    )
    parser.add_argument("--model", default="convnet", help="convnet, or vgg: deeper (convnet)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the training that an interrupted demo left in --out",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few samples; shows that everything runs"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Play the scenario; writes results.json, report.md, PNGs and the networks to `--out`.

    Results `accuracy_offline, accuracy_drifted, accuracy_recovered, accuracy_original_after,
    recovery` with the prefix of each precision ("float.", "fixed."), those of the first one without
    a prefix, and `seconds`. Exit code 1 when a parity check fails or Lava predicts a checked sample
    otherwise than NumPy.
    """
    from onchip.checks import require_choice
    from onchip.deploy.backends.table import require_installed
    from onchip.deploy.cli.demo_settings import choose
    from onchip.deploy.cli.scenario import CHECKPOINT, PRECISIONS, play
    from onchip.deploy.cli.stages import BACKEND
    from onchip.deploy.reports.report import demo_report
    from onchip.files.targets import check_target
    from onchip.files.writing import write_json, write_text
    from onchip.models.training.run_files import KeptEpochs

    started = time.perf_counter()
    require_choice("precision", args.precision, PRECISIONS)
    require_installed(BACKEND)
    scenario = choose(args.model, args.quick)
    folder: Path = args.out
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the results")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CHECKPOINT, *NETWORKS, *FIGURES, *REPORTS):
        check_target(folder / name, stream=False)  # before the work, not after it
    seed = args.seed or 0
    kept = KeptEpochs(folder / CHECKPOINT, scenario.training["epochs"])
    args.left = lambda: kept.advice("the same command and --resume")
    provenance = with_provenance({}, args)
    outcome = play(scenario, folder, seed, args.precision, provenance, args.resume, kept.saved)
    figures = draw_figures(outcome, folder)
    seconds = time.perf_counter() - started
    results = collect(scenario, outcome, seed, seconds, args.quick)
    tables = {name: track.parity.markdown() for name, track in outcome.tracks.items()}
    results |= {"command": "demo", "options": getattr(args, "options", {})}
    write_json(folder / REPORTS[0], results)
    write_text(folder / REPORTS[1], demo_report(results, tables, figures))
    say(f"[{results['seconds']:5.0f} s] done")
    print("\n\n".join(tables.values()))
    _print_accuracies(outcome)
    print(f"report: {folder / REPORTS[1]}")
    return results


def _print_accuracies(outcome: Outcome) -> None:
    print(" " * 26 + "".join(f"{name:>10}" for name in outcome.tracks))
    for name in outcome.first.accuracies:
        values = (track.accuracies[name] for track in outcome.tracks.values())
        print(f"{name:26}" + "".join(f"{value:10.4f}" for value in values))


def collect(
    scenario: Scenario, outcome: Outcome, seed: int, seconds: float, quick: bool
) -> dict[str, Any]:
    """The results, flat."""
    from onchip.deploy.cli import stages

    tracks = {name: collect_track(track) for name, track in outcome.tracks.items()}
    first = next(iter(tracks.values()))
    precision = ",".join(outcome.tracks)
    return {
        **common_results(scenario.dataset, scenario.split, seed, stages.BACKEND, precision),
        **first,
        **{f"{track}.{k}": value for track, found in tracks.items() for k, value in found.items()},
        "seconds": seconds,
        **{f"seconds_{name}": value for name, value in outcome.seconds.items()},
        "passed": all(found["passed"] for found in tracks.values()),
        "precisions": list(tracks),
        "lava_predictions_checked": scenario.lava_checked,
        "train_samples": len(outcome.data.train.labels),
        "test_samples": len(outcome.data.test.labels),
        "simulated_sensor": True,
        "quick": quick,
        "scenario": asdict(scenario),
    }


def collect_track(track: Track) -> dict[str, Any]:
    """What was found in one precision, flat."""
    return {
        **track.accuracies,
        "passed": track.parity.passed and track.learning.mismatches == 0,
        **{f"parity.{name}": value for name, value in track.parity.flat().items()},
        "lava_prediction_mismatches": track.learning.mismatches,
        "stream_samples": track.learning.samples,
        "steps_per_second": track.learning.steps_per_second,
    }


def draw_figures(outcome: Outcome, folder: Path) -> dict[str, str]:
    """Write the figures; returns file name -> caption."""
    drawn = {}
    for name, (caption, draw) in FIGURES.items():
        draw(outcome, folder / name)
        drawn[name] = caption
    return drawn


def _events(outcome: Outcome, path: Path) -> None:
    from onchip.deploy.reports.figures import draw_events

    data = outcome.data
    rows = {"original sensor": data.test.frames[0], "drifted sensor": data.drifted_test.frames[0]}
    draw_events(path, rows)


def _raster(outcome: Outcome, path: Path) -> None:
    from onchip.deploy.backends.table import build
    from onchip.deploy.reports.figures import draw_raster
    from onchip.program.graphs import as_graph

    data = outcome.data
    frames, label = data.drifted_test.frames[:1], int(data.drifted_test.labels[0])
    with build(outcome.first.after, record=True) as network:
        result = network.run(frames)
    spikes = {name: values[0] for name, values in result.spikes.items()}
    events = frames[0].reshape(len(frames[0]), -1)
    title = f"a {label} of the drifted sensor, after learning"
    readout = as_graph(outcome.first.after).populations[-1]
    outputs = result.outputs[0] * getattr(readout, "membrane_unit", 1.0)
    draw_raster(path, {"events": events, **spikes}, outputs, label, title)


def _stream(outcome: Outcome, path: Path) -> None:
    from onchip.deploy.reports.figures import draw_stream

    found = outcome.first.accuracies
    levels = {
        "test, original sensor, before": found["accuracy_offline"],
        "test, drifted sensor, before": found["accuracy_drifted"],
    }
    streams = {f"stream, {name}": t.learning.correct for name, t in outcome.tracks.items()}
    for name, track in outcome.tracks.items():
        levels[f"test, drifted sensor, after, {name}"] = track.accuracies["accuracy_recovered"]
    draw_stream(path, outcome.first.learning.positions, streams, levels, window=40)


def _weights(outcome: Outcome, path: Path) -> None:
    from onchip.deploy.reports.figures import draw_weight_change

    draw_weight_change(path, *outcome.first.worth)


def _parity(outcome: Outcome, path: Path) -> None:
    from onchip.deploy.reports.table_figure import draw_table

    parity = outcome.first.parity
    heading, *_ = parity.rows()
    rows = [row for track in outcome.tracks.values() for row in track.parity.rows()[1:]]
    steps = parity.samples * parity.time_steps
    draw_table(path, [heading, *rows], f"Parity over {steps} steps of online learning")


def _accuracies(outcome: Outcome, path: Path) -> None:
    from onchip.deploy.reports.figures import draw_accuracies

    names = {
        "accuracy_offline": "original sensor, trained offline",
        "accuracy_drifted": "drifted sensor, not adapted",
        "accuracy_recovered": "drifted sensor, learned in Lava",
        "accuracy_original_after": "original sensor, learned in Lava",
    }
    bars = {
        precision: {text: track.accuracies[key] for key, text in names.items()}
        for precision, track in outcome.tracks.items()
    }
    recovered = ", ".join(
        f"{track.accuracies['recovery']:.0%} ({name})" for name, track in outcome.tracks.items()
    )
    samples = outcome.first.learning.samples
    draw_accuracies(path, bars, f"Share of the fall recovered from {samples} samples: {recovered}")


NETWORKS = ("network.h5", "learned.h5", "learned-fixed.h5")
REPORTS = ("results.json", "report.md")

FIGURES = {
    "accuracy.png": ("Accuracy on test samples, before and after learning online.", _accuracies),
    "events.png": ("Events of one test sample, by the original and the drifted sensor.", _events),
    "stream.png": ("Accuracy along the stream, before each sample is learned from.", _stream),
    "raster.png": ("Spikes of one test sample of the drifted sensor, after learning.", _raster),
    "weights.png": ("What online learning changed in the plastic layers.", _weights),
    "parity.png": ("Parity of the executions with the NumPy engine.", _parity),
}
"""File name -> (caption, the function that draws it)."""
