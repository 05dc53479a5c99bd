"""What ways to learn made of a protocol: a table, and a figure of accuracy against sessions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from onchip.deploy.lifelong.play import Run
from onchip.deploy.lifelong.protocol import DRIFTED, Protocol
from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, save_figure
from onchip.deploy.reports.table import aligned

COLORS = (ACCENT, FIXED, "#2e7d32", "#d63d29", "#7b3fa0", "#8f5600", "#17806f", "#c2185b")

HEADING = ["way", "all", "base", "base lost", "new", "forgetting", "area", "learned from"]


def sessions_table(runs: Mapping[str, Run], bound: Mapping[str, float] | None = None) -> str:
    """A row for each way, all after the last session; `bound` is the offline upper bound's."""
    rows = [HEADING, *(_row(name, run.as_json()) for name, run in runs.items())]
    if bound is not None:
        three = [_percent(bound["final"]), _percent(bound["base_kept"]), "", _percent(bound["new"])]
        rows.append(["offline", *three, "", "", "all samples"])
    return "\n".join(aligned(rows))


def draw_sessions(
    path: Path,
    protocol: Protocol,
    runs: Mapping[str, Run],
    bound: Mapping[str, float] | None,
    title: str,
) -> None:
    """Accuracy on all tasks so far, and on the base alone, after each session, by way."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    sessions = list(range(len(protocol.sessions) + 1))
    for index, (name, run) in enumerate(runs.items()):
        style: Any = {"color": COLORS[index % len(COLORS)], "label": name}
        style |= {"marker": "o", "markersize": 4, "linewidth": 1.6}
        left.plot(sessions, 100 * run.course.accuracy, **style)
        right.plot(sessions, 100 * run.course.matrix[:, 0], **style)
    if bound is not None:
        for axis, value in ((left, bound["final"]), (right, bound["base_kept"])):
            axis.axhline(100 * value, color=GRAY, linestyle=":", label="offline (upper bound)")
    for axis, what in ((left, "all tasks so far"), (right, "the base classes")):
        axis.set_title(what, fontsize=10, loc="left")
        axis.set_xticks(sessions, _names(protocol), fontsize=8)
        axis.grid(axis="y", color="#e4e4e4")
    left.set_ylabel("test accuracy (%)")
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _names(protocol: Protocol) -> list[str]:
    """What each session brought, in words for an axis."""
    found = [f"base\n{_classes(protocol.base)}"]
    for session in protocol.sessions:
        words = f"+ {_classes(session.new)}" if session.new else "drift"
        more = "\n(drifted)" if session.new and session.sensor == DRIFTED else ""
        found.append(f"{words}{more}")
    return found


def _classes(classes: tuple[int, ...]) -> str:
    if len(classes) > 2 and classes == tuple(range(classes[0], classes[-1] + 1)):
        return f"{classes[0]} to {classes[-1]}"
    return ", ".join(map(str, classes))


def _row(name: str, found: Mapping[str, Any]) -> list[str]:
    measures = ("final", "base_kept", "base_lost", "new", "forgetting", "area")
    replayed = found["presented"] - found["samples_learned"]
    learned = f"{found['samples_learned']} samples" + (f" + {replayed} replays" if replayed else "")
    return [name, *(_percent(found[measure]) for measure in measures), learned]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
