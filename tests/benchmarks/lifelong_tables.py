"""Tables of what networks learn after deployment: ways, settings, adaptation, a long stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from statistics import mean, pstdev
from typing import Any

from table_text import results, table

from onchip.deploy.lifelong.ways import WAYS

WORDS = {"float": "floats", "fixed": "integers"}


def lifelong_ways() -> str:
    """All ten classes, base lost and new classes, by way, precision and samples of a class."""
    return _by_way([row for row in results("lifelong")["rows"] if row["per_session"] == 4])


def lifelong_fresh() -> str:
    """The same on seeds that nothing was chosen or looked at on."""
    return _by_way(results("lifelong_fresh")["rows"])


def _by_way(rows: list[dict[str, Any]]) -> str:
    lines = []
    there = {(row["way"], row["precision"]) for row in rows}
    for name, precision in itertools.product(WAYS, WORDS):
        if (name, precision) not in there:
            continue
        line = [f"`{name}`", WORDS[precision]]
        for shots in (5, 20):
            found = [
                row
                for row in rows
                if (row["way"], row["precision"], row["shots"]) == (name, precision, shots)
            ]
            line += [_spread(row.get(what) for row in found) for what in MEASURES]
        lines.append(line)
    heading = ["way", "numbers"]
    for shots in (5, 20):
        heading += [f"{shots}: all", f"{shots}: base lost", f"{shots}: new"]
    return table(heading, lines)


MEASURES = ("final", "base_lost", "new")


def lifelong_sessions() -> str:
    """The same with one new class a session: accuracy after each."""
    rows = [row for row in results("lifelong")["rows"] if row["per_session"] == 1]
    lines = []
    for name, shots in dict.fromkeys((row["way"], row["shots"]) for row in rows):
        found = [row for row in rows if (row["way"], row["shots"]) == (name, shots)]
        after = zip(*(row["accuracy"] for row in found), strict=True)
        measures = [_spread(row[what] for row in found) for what in ("area", "forgetting")]
        lines.append([f"`{name}`", str(shots), *map(_spread, after), *measures])
    heading = [
        "way",
        "samples",
        "base",
        "with 6",
        "with 7",
        "with 8",
        "with 9",
        "area",
        "forgetting",
    ]
    return table(heading, lines)


def lifelong_choice() -> str:
    """What was tried of `direct-replay` on held out training samples."""
    rows, lines = _chosen("direct-replay"), []
    for text in dict.fromkeys(str(row["settings"]) for row in rows):
        found = [row for row in rows if str(row["settings"]) == text]
        settings = found[0]["settings"]
        usual = {"replays": 80, "kept": 80} if "replays" not in settings else {"kept": ""}
        settings = {**usual, **settings}
        line = [str(settings["replays"]), str(settings["kept"]), str(_rate(settings))]
        for shots in (5, 20):
            few = [row for row in found if row["shots"] == shots]
            line += [_spread(row[what] for row in few) for what in ("final", "base_lost")]
        lines.append(line)
    heading = ["replays of a sample", "stored of a class", "rate"]
    return table([*heading, "5: all", "5: base lost", "20: all", "20: base lost"], lines)


def lifelong_choice_ways() -> str:
    """What was tried of the other ways."""
    lines = []
    names = [name for name in WAYS if name != "direct-replay"]
    for name in names:
        rows = _chosen(name)
        for settings in {str(row["settings"]): row["settings"] for row in rows}.values():
            few = [row for row in rows if row["settings"] == settings]
            said = ", ".join(f"{SETTINGS[key]} {value:g}" for key, value in settings.items())
            line = [f"`{name}`", said]
            for shots in (5, 20):
                at = [row for row in few if row["shots"] == shots]
                line += [_spread(row[what] for row in at) for what in ("final", "base_lost")]
            lines.append(line)
    return table(["way", "with", "5: all", "5: base lost", "20: all", "20: base lost"], lines)


SETTINGS = {
    "rate": "rate",
    "known_share": "share",
    "importance": "strength",
    "local_scale": "scale",
    "replays": "replays",
    "kept": "stored",
}


def _chosen(way: str) -> list[dict[str, Any]]:
    return [row for row in results("lifelong")["chosen"] if row["way"] == way]


def unlabelled() -> str:
    """Accuracy on the drifted sensor, and the share of the fall that came back."""
    content = results("unlabelled")
    rows = content["rows"]
    names = [name for name in rows[0]["recovery"] if name != "original_after"]
    lines = []
    for name in ("offline", "drifted", *names):
        line = [NAMES.get(name, name)]
        for drift in dict.fromkeys(row["drift"] for row in rows):
            found = [row for row in rows if row["drift"] == drift]
            line.append(_spread(row[name] for row in found))
            shares = (row["recovery"].get(name) for row in found)
            line.append(_spread(shares) if name in names else "")
        lines.append(line)
    heading = [f"test accuracy of {len({row['seed'] for row in rows})} seeds"]
    for drift in dict.fromkeys(row["drift"] for row in rows):
        heading += [f"drift {drift}", "share recovered"]
    return table(heading, lines)


NAMES = {
    "offline": "original sensor",
    "drifted": "drifted sensor, nothing learned",
    "biases": "biases adapted, no label",
    "thresholds": "thresholds adapted, no label",
}


def lifelong_stream() -> str:
    """Accuracy over time, and what the kill changed."""
    content = results("lifelong_stream")
    lines = [
        [f"{entry['sample']:,}", _percent(entry["present"]), _percent(entry["original"])]
        for entry in content["course"]
        if entry["sample"] % 1000 == 0
    ]
    return table(["samples", "present sensor, known classes", "original sensor"], lines)


def _rate(settings: dict[str, Any]) -> float:
    return float(settings.get("rate", 0.01))


def _spread(values: Iterable[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return ""
    return f"{100 * mean(found):.1f} ± {100 * pstdev(found):.1f} %"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def lifelong_nmnist() -> str:
    """N-MNIST, 8 + 2 classes, by way and precision."""
    runs, lines = results("lifelong_nmnist")["runs"], []
    for precision, words in WORDS.items():
        seeds = [run["ways"] for run in runs if run["precision"] == precision]
        for name in seeds[0]:
            measures = ("final", "base_kept", *MEASURES[1:])
            values = [_spread(ways[name][what] for ways in seeds) for what in measures]
            lines.append([f"`{name}`", words, *values])
    return table(["way", "numbers", "all ten", "base", "base lost", "new"], lines)
