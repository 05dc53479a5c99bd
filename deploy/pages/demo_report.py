"""The demo's report, from its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onchip.deploy.checks.findings import CheckReport
from onchip.deploy.pages.accuracy_bars import PRECISION_NAMES
from onchip.deploy.pages.document import Block, Document, Items, Section, Table, Text
from onchip.deploy.pages.sections import check_section, parity_blocks, settings_section
from onchip.deploy.parity.comparison import ParityReport

WARNING = (
    "**Quick run: few samples and epochs. It shows that everything runs; the accuracies mean "
    "little.**"
)


def demo_report(
    results: Mapping[str, Any],
    command: str,
    parity: Mapping[str, ParityReport],
    check: CheckReport,
    network: Sequence[Block],
    figures: Mapping[str, Sequence[Block]],
) -> Document:
    """The report; `parity` by precision, `network` and `figures` what shows them.

    `figures`: "accuracy", "events", "stream", "raster" and "weights".
    """
    first = PRECISION_NAMES[results["precisions"][0]]
    return Document(
        "Learning online in Lava, after the sensor drifted",
        [*_warning(results), *figures["accuracy"], _samples(results)],
        [
            Section("What was done", [_story(results["scenario"], results), *figures["events"]]),
            Section("Accuracy along the stream", figures["stream"]),
            Section("The same spikes and the same updates", _parity(parity)),
            Section(f"Inside the network ({first})", [*figures["raster"], *figures["weights"]]),
            Section("The network", network),
            check_section(check),
            Section("What to keep in mind", [_caveats(results)]),
            Section("Time", _times(results)),
            settings_section(results, command),
        ],
    )


def _warning(results: Mapping[str, Any]) -> list[Block]:
    return [Text(WARNING, "note")] if results["quick"] else []


def _samples(results: Mapping[str, Any]) -> Block:
    return Text(
        f"Learned in Lava from {results['stream_samples']} labelled samples, one pass, one at a "
        "time. The share recovered is what the accuracy on the drifted sensor gained, divided by "
        "what the drift had cost."
    )


def _story(scenario: Mapping[str, Any], results: Mapping[str, Any]) -> Block:
    *others, last = scenario["plastic"]
    plastic = f"{', '.join(others)} and {last}" if others else last
    verb = "learns" if len(scenario["plastic"]) == 1 else "learn"
    rates = ", ".join(map(str, scenario["learning_rates"]))
    return Items(
        [
            f"Offline: the {scenario['model']}, trained in PyTorch by {scenario['method']} for "
            f"{scenario['training']['epochs']} epochs on {results['train_samples']} samples of "
            f"{results['dataset']}, split {results['split']!r}, seed {results['seed']}, "
            f"T = {scenario['time_steps']} steps.",
            "Exported to `network.h5` and read back; everything below uses what was read.",
            "The sensor drifts: the scene turned by 25 degrees, a fifth of the pixels dead, "
            "thresholds mismatched three times as much.",
            f"Online: {plastic} {verb} in the Lava simulator, fused into one Lava process (the "
            "tables below hold it to stock LearningDense layers), feedback "
            f"{scenario['feedback']!r}, an update at every step; the rate falls in stages along "
            f"the stream ({rates}){_shares(scenario)}. All other layers stay as they are; frozen "
            "convolutions are evaluated on the host. Stream: *training* digits seen by the drifted "
            "sensor.",
            f"Measured on {results['test_samples']} test digits, never learned from, learning "
            "off. What was learned is in `learned.h5` (floating point) and `learned-fixed.h5` "
            "(integers).",
        ],
        numbered=True,
    )


def _shares(scenario: Mapping[str, Any]) -> str:
    """Which layers learn at a part of the rate."""
    shares = {name: s for name, s in scenario["rate_shares"].items() if name in scenario["plastic"]}
    if not shares:
        return ""
    return "; " + ", ".join(f"{name} learns at {share:g} of it" for name, share in shares.items())


def _parity(reports: Mapping[str, ParityReport]) -> list[Block]:
    return [block for name, report in reports.items() for block in parity_blocks(report, name)]


def _caveats(results: Mapping[str, Any]) -> Block:
    return Items(
        [
            "The digits are real handwriting; the event camera is simulated.",
            "Learning ran in Lava. The four accuracies were measured by the NumPy engine, which is "
            f"faster; of {results['lava_predictions_checked']} test samples run in stock Lava "
            f"layers after learning, {results['lava_prediction_mismatches']} were predicted "
            "otherwise.",
            *_integer_caveats(results),
            "Accuracy along the stream is measured before a sample is learned from, learning off "
            f"(1 in {results['scenario']['measure']} samples).",
            "What is gained on the drifted sensor is partly lost on the original one: see the "
            "table.",
            "All of it ran in Lava's CPU simulator: no chip was involved.",
            f"One seed ({results['seed']}); another seed gives another split, network and stream.",
            "The learning rates of the stream were chosen by trying a few with "
            f"{results['scenario']['chosen_on']}.",
        ]
    )


def _integer_caveats(results: Mapping[str, Any]) -> list[str]:
    if "fixed" not in results["precisions"]:
        return []
    return [
        "Integers: those of Loihi 2, as Lava's fixed_pt LearningDense has them (8-bit weights, "
        "7-bit traces); the learned weights lose their lowest bit when the network is built again "
        "for each stage, as synapses of mixed sign do.",
    ]


def _times(results: Mapping[str, Any]) -> list[Block]:
    stages = {k.removeprefix("seconds_"): v for k, v in results.items() if "seconds_" in k}
    times = {name: f"{seconds:.0f} s" for name, seconds in stages.items() if "." not in name}
    speeds = (
        f"{results[f'{p}.steps_per_second']:.0f} ({PRECISION_NAMES[p]})"
        for p in results["precisions"]
    )
    speed = f"Learning in Lava: {', '.join(speeds)} algorithmic steps per second."
    return [Table.of(times, ("stage", "time")), Text(speed)]
