"""Tables of a learning step by this toolkit and by others."""

from __future__ import annotations

from typing import Any

from table_text import results, table, three_digits

ACTIVITIES = ("5%", "20%")


def peers() -> str:
    """Every row, and who is left out."""
    content = results("peers")
    lines = [
        [
            row["case"],
            row["name"],
            three_digits(row["ratio"]),
            *(three_digits(1e6 * row[key]) for key in ("seconds", "baseline_seconds")),
            three_digits(1e6 * row["wall_seconds"]),
            three_digits(row["times_the_bound"]),
            _apart(row["weights_apart"]),
            row["differs"],
        ]
        for row in content["rows"]
    ]
    title = (
        f"One step of online learning next to {content['baseline']}, on one thread of "
        f"{content['cpu']}: CPU time, in turn in one run (below 1: faster than it); wall time, "
        "with what else the machine did; the CPU time as a multiple of what moving the weights "
        "takes at the least, in the row's precision, and how far the weights "
        "are from the engine's after two samples where the same updates are claimed:"
    )
    heading = ["network, spikes", "by", "times as long", "CPU µs", "µs, compiled", "wall µs"]
    heading += ["times the bound", "weights apart", "what it does"]
    return f"{title}\n\n{table(heading, lines)}\n\n{_left_out(content)}"


def _apart(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}" if value else "0"


def _left_out(content: dict[str, Any]) -> str:
    found = [f"{entry['name']} ({entry['reason']})" for entry in content["left_out"]]
    versions = ", ".join(f"{name} {number}" for name, number in content["packages"].items())
    return f"Versions: {versions}. Left out: {'; '.join(found) or 'none of them'}."


def peers_in_short() -> str:
    """The ratios of one network at two activities."""
    content = results("peers")
    ratios: dict[str, dict[str, float]] = {}
    for row in content["rows"]:
        for activity in ACTIVITIES:
            if row["case"] == f"784-256-10, {activity}, T = 10":
                ratios.setdefault(row["name"], {})[activity] = row["ratio"]
    lines = [
        [name, *(three_digits(row[a]) if a in row else "" for a in ACTIVITIES)]
        for name, row in ratios.items()
    ]
    title = (
        "A step of online learning of 784-256-10, T = 10, by others: CPU time as a multiple of "
        f"{content['baseline']}, one thread, where 5 and 20 % of inputs and hidden neurons spike "
        "(`make bench-peers`; more networks, and what each does otherwise, on the page *Speeds and "
        "measurements*):"
    )
    heading = ["by", *(f"at {a}" for a in ACTIVITIES)]
    return f"{title}\n\n{table(heading, lines)}\n\n{_faster(content)}"


def _faster(content: dict[str, Any]) -> str:
    """Who else is faster than the baseline, and on what."""
    rows = [row for row in content["rows"] if not row["name"].startswith("compiled")]
    found = [
        f"{row['name']} on {row['case']} ({three_digits(row['ratio'])})"
        for row in rows
        if row["ratio"] < 1
    ]
    return f"Faster than {content['baseline']}, of others: {'; '.join(found) or 'nobody'}."
