"""The demo's report in Markdown, from its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def demo_report(results: Mapping[str, Any], parity_table: str, figures: Mapping[str, str]) -> str:
    """The report; `figures` are file name -> caption, beside the report."""
    parts = [
        "# Learning online in Lava, after the sensor drifted",
        _warning(results),
        _summary(results),
        _figure(figures, "accuracy.png"),
        "## What was done",
        _story(results["scenario"], results),
        *(_figure(figures, name) for name in ("events.png", "stream.png")),
        "## The same spikes and the same updates",
        _parity_text(results),
        parity_table,
        "## Inside the network",
        *(_figure(figures, name) for name in ("raster.png", "weights.png", "parity.png")),
        "## What to keep in mind",
        _caveats(results),
        "## Time and versions",
        _times(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _warning(results: Mapping[str, Any]) -> str:
    if not results["quick"]:
        return ""
    return "**Quick run: a few samples, one epoch. The accuracies mean nothing.**"


def _summary(results: Mapping[str, Any]) -> str:
    rows = [
        ("trained offline, original sensor", "accuracy_offline"),
        ("the same network, drifted sensor", "accuracy_drifted"),
        ("after learning online in Lava, drifted sensor", "accuracy_recovered"),
        ("after learning online in Lava, original sensor", "accuracy_original_after"),
    ]
    lines = [f"| {text} | {results[key]:.1%} |" for text, key in rows]
    table = "\n".join(["| accuracy on test samples | |", "| --- | --- |", *lines])
    return (
        f"{table}\n\nRecovery: **{results['recovery']:.0%}** of the fall, from "
        f"{results['stream_samples']} labelled samples, one pass, one at a time. "
        "(recovered - drifted) / (offline - drifted)."
    )


def _story(scenario: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    plastic = " and ".join(scenario["plastic"])
    rates = ", ".join(map(str, scenario["learning_rates"]))
    return "\n".join(
        [
            f"1. Offline: a {scenario['model']} trained in PyTorch by {scenario['method']} for "
            f"{scenario['training']['epochs']} epochs on {results['train_samples']} samples of "
            f"{results['dataset']}, split {results['split']!r}, seed {results['seed']}, "
            f"T = {scenario['time_steps']} steps.",
            "2. Exported to `network.h5` and read back; everything below uses what was read.",
            "3. The sensor drifts: the scene turned by 25 degrees, a fifth of the pixels dead, "
            "thresholds mismatched three times as much.",
            f"4. Online: {plastic} learn in the Lava simulator (stock LearningDense, sequenced "
            f"schedule), feedback {scenario['feedback']!r}, an update at every step; the rate "
            f"falls in stages along the stream ({rates}). The convolutions stay as they are, "
            "evaluated on the host. Stream: *training* digits seen by the drifted sensor.",
            f"5. Measured on {results['test_samples']} test digits, never learned from, learning "
            "off. The result is in `learned.h5`.",
        ]
    )


def _parity_text(results: Mapping[str, Any]) -> str:
    verdict = "passed" if results["parity.passed"] else "FAILED"
    return (
        f"Parity {verdict}: {results['parity.steps']} steps of online learning on drifted samples, "
        "each execution against the NumPy engine in float64: every spike of every layer, every "
        "output, and every weight after each sample."
    )


def _caveats(results: Mapping[str, Any]) -> str:
    lines = [
        "- The digits are real handwriting; the event camera is simulated.",
        "- Learning ran in Lava. The four accuracies were measured by the NumPy engine, which is "
        f"faster; of {results['lava_predictions_checked']} test samples run in Lava after "
        f"learning, {results['lava_prediction_mismatches']} were predicted otherwise.",
        "- Accuracy along the stream is measured before a sample is learned from, learning off "
        f"(1 in {results['scenario']['measure']} samples).",
        "- What is gained on the drifted sensor is partly lost on the original one: see the table.",
        "- Floating point, in Lava's CPU simulator: no chip was involved.",
        f"- One seed ({results['seed']}); another seed gives another split, network and stream.",
        "- The learning rates of the stream were chosen by trying a few with seeds 0 to 2.",
    ]
    return "\n".join(lines)


def _times(results: Mapping[str, Any]) -> str:
    stages = {k.removeprefix("seconds_"): v for k, v in results.items() if "seconds_" in k}
    stages = {name: seconds for name, seconds in stages.items() if "." not in name}
    lines = [f"| {name} | {seconds:.0f} s |" for name, seconds in stages.items()]
    table = "\n".join(["| stage | time |", "| --- | --- |", *lines])
    speed = f"Learning in Lava: {results['steps_per_second']:.0f} algorithmic steps per second."
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return f"{table}\n\n{speed}\n\n{versions}."


def _figure(figures: Mapping[str, str], name: str) -> str:
    return f"![{figures[name]}]({name})" if name in figures else ""
