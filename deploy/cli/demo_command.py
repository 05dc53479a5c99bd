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
    """Play the scenario; writes results.json, report.html (and .md), PNGs, networks to `--out`.

    Results `accuracy_offline, accuracy_drifted, accuracy_recovered, accuracy_original_after,
    recovery` with the prefix of each precision ("float.", "fixed."), those of the first one without
    a prefix, and `seconds`. Exit code 1 when a parity check fails or Lava predicts a checked sample
    otherwise than NumPy.
    """
    from onchip.checks import require_choice
    from onchip.deploy.backends.table import require_installed
    from onchip.deploy.cli.demo_figures import FIGURES
    from onchip.deploy.cli.demo_settings import choose
    from onchip.deploy.cli.scenario import CHECKPOINT, PRECISIONS, play
    from onchip.deploy.cli.stages import BACKEND
    from onchip.files.targets import check_target
    from onchip.files.writing import write_json
    from onchip.models.training.run_files import KeptEpochs

    started = time.perf_counter()
    require_choice("precision", args.precision, PRECISIONS)
    require_installed(BACKEND)
    scenario = choose(args.model, args.quick)
    folder: Path = args.out
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the results")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [f"{name}.png" for name in FIGURES]
    for name in (CHECKPOINT, *NETWORKS, *pictures, *REPORTS):
        check_target(folder / name, stream=False)  # before the work, not after it
    seed = args.seed or 0
    kept = KeptEpochs(folder / CHECKPOINT, scenario.training["epochs"])
    args.left = lambda: kept.advice("the same command and --resume")
    provenance = with_provenance({}, args)
    outcome = play(scenario, folder, seed, args.precision, provenance, args.resume, kept.saved)
    seconds = time.perf_counter() - started
    results = collect(scenario, outcome, seed, seconds, args.quick)
    results |= {"command": "demo", "options": getattr(args, "options", {})}
    write_json(folder / REPORTS[0], results)
    write_reports(folder, results, outcome, args.command_line)
    say(f"[{results['seconds']:5.0f} s] done")
    print("\n\n".join(track.parity.markdown() for track in outcome.tracks.values()))
    _print_accuracies(outcome)
    print(f"report: {folder / REPORTS[2]}")
    return results


def write_reports(folder: Path, results: dict[str, Any], outcome: Outcome, command: str) -> None:
    """Write the report in both forms, and the figures."""
    from onchip.deploy.checks.network import check
    from onchip.deploy.cli.demo_figures import demo_figures
    from onchip.deploy.files.hdf5 import load_bundle
    from onchip.deploy.pages.demo_report import demo_report
    from onchip.deploy.pages.document import as_markdown
    from onchip.deploy.pages.page import as_html
    from onchip.deploy.pages.sections import network_blocks
    from onchip.files.writing import write_bytes, write_text

    bundle = load_bundle(folder / NETWORKS[0])
    parity = {name: track.parity for name, track in outcome.tracks.items()}
    checked, shown = check(bundle.spec, bundle.fixed), network_blocks(bundle.spec)
    report = demo_report(results, command, parity, checked, shown, demo_figures(outcome))
    for name, content in report.files().items():
        write_bytes(folder / name, content)
    write_text(folder / REPORTS[1], as_markdown(report))
    write_text(folder / REPORTS[2], as_html(report))


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


NETWORKS = ("network.h5", "learned.h5", "learned-fixed.h5")
REPORTS = ("results.json", "report.md", "report.html")
