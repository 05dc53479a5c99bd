"""The demo's report in Markdown, from its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def demo_report(
    results: Mapping[str, Any], parity_tables: Mapping[str, str], figures: Mapping[str, str]
) -> str:
    """The report; `parity_tables` by precision, `figures` file name -> caption, beside it."""
    parts = [
        "# Learning online in Lava, after the sensor drifted",
        _warning(results),
        _summary(results),
        _figure(figures, "accuracy.png"),
        "## What was done",
        _story(results["scenario"], results),
        *(_figure(figures, name) for name in ("events.png", "stream.png")),
        "## The same spikes and the same updates",
        *_parity_sections(results, parity_tables),
        f"## Inside the network ({PRECISION_NAMES[results['precisions'][0]]})",
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
    return (
        "**Quick run: few samples and epochs. It shows that everything runs; the accuracies mean "
        "little.**"
    )


def _summary(results: Mapping[str, Any]) -> str:
    rows = [
        ("trained offline, original sensor", "accuracy_offline"),
        ("the same network, drifted sensor", "accuracy_drifted"),
        ("after learning online in Lava, drifted sensor", "accuracy_recovered"),
        ("after learning online in Lava, original sensor", "accuracy_original_after"),
        ("share of the fall recovered", "recovery"),
    ]
    precisions = results["precisions"]
    lines = [
        f"| {text} | " + " | ".join(f"{results[f'{p}.{key}']:.1%}" for p in precisions) + " |"
        for text, key in rows
    ]
    heading = f"| accuracy on test samples | {' | '.join(PRECISION_NAMES[p] for p in precisions)} |"
    table = "\n".join([heading, "| --- |" + " --- |" * len(precisions), *lines])
    return (
        f"{table}\n\nFrom {results['stream_samples']} labelled samples, one pass, one at a time. "
        "The share recovered is (recovered - drifted) / (offline - drifted)."
    )


PRECISION_NAMES = {"float": "floating point", "fixed": "integers of Loihi 2"}


def _story(scenario: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    *others, last = scenario["plastic"]
    plastic = f"{', '.join(others)} and {last}" if others else last
    verb = "learns" if len(scenario["plastic"]) == 1 else "learn"
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
            f"4. Online: {plastic} {verb} in the Lava simulator, fused into one Lava process (the "
            "tables below hold it to stock LearningDense layers), feedback "
            f"{scenario['feedback']!r}, an update at every step; the rate falls in stages along "
            f"the stream ({rates}){_shares(scenario)}. All other layers stay as they are; frozen "
            "convolutions are evaluated on the host. Stream: *training* digits seen by the drifted "
            "sensor.",
            f"5. Measured on {results['test_samples']} test digits, never learned from, learning "
            "off. What was learned is in `learned.h5` (floating point) and `learned-fixed.h5` "
            "(integers).",
        ]
    )


def _shares(scenario: Mapping[str, Any]) -> str:
    """Which layers learn at a part of the rate."""
    shares = {name: s for name, s in scenario["rate_shares"].items() if name in scenario["plastic"]}
    if not shares:
        return ""
    return "; " + ", ".join(f"{name} learns at {share:g} of it" for name, share in shares.items())


def _parity_sections(results: Mapping[str, Any], tables: Mapping[str, str]) -> list[str]:
    parts = []
    for name, table in tables.items():
        verdict = "passed" if results[f"{name}.parity.passed"] else "FAILED"
        same = "bit for bit" if name == "fixed" else "weights and outputs to 1e-9"
        parts += [
            f"In {PRECISION_NAMES[name]}: parity {verdict}, {same}, over "
            f"{results[f'{name}.parity.steps']} steps of online learning on drifted samples, each "
            "execution against the NumPy engine: every spike of every layer, every output, and "
            "every weight after each sample.",
            table,
        ]
    return parts


def _caveats(results: Mapping[str, Any]) -> str:
    lines = [
        "- The digits are real handwriting; the event camera is simulated.",
        "- Learning ran in Lava. The four accuracies were measured by the NumPy engine, which is "
        f"faster; of {results['lava_predictions_checked']} test samples run in stock Lava layers "
        f"after learning, {results['lava_prediction_mismatches']} were predicted otherwise.",
        *_integer_caveats(results),
        "- Accuracy along the stream is measured before a sample is learned from, learning off "
        f"(1 in {results['scenario']['measure']} samples).",
        "- What is gained on the drifted sensor is partly lost on the original one: see the table.",
        "- All of it ran in Lava's CPU simulator: no chip was involved.",
        f"- One seed ({results['seed']}); another seed gives another split, network and stream.",
        "- The learning rates of the stream were chosen by trying a few with "
        f"{results['scenario']['chosen_on']}.",
    ]
    return "\n".join(lines)


def _integer_caveats(results: Mapping[str, Any]) -> list[str]:
    if "fixed" not in results["precisions"]:
        return []
    return [
        "- Integers: those of Lava's fixed_pt LearningDense (8-bit weights, 7-bit traces); the "
        "learned weights lose their lowest bit when the network is built again for each stage, as "
        "synapses of mixed sign do.",
    ]


def _times(results: Mapping[str, Any]) -> str:
    stages = {k.removeprefix("seconds_"): v for k, v in results.items() if "seconds_" in k}
    stages = {name: seconds for name, seconds in stages.items() if "." not in name}
    lines = [f"| {name} | {seconds:.0f} s |" for name, seconds in stages.items()]
    table = "\n".join(["| stage | time |", "| --- | --- |", *lines])
    speeds = (f"{results[f'{p}.steps_per_second']:.0f} ({p})" for p in results["precisions"])
    speed = f"Learning in Lava: {', '.join(speeds)} algorithmic steps per second."
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return f"{table}\n\n{speed}\n\n{versions}."


def _figure(figures: Mapping[str, str], name: str) -> str:
    return f"![{figures[name]}]({name})" if name in figures else ""
