"""Tables of networks with tdBN on digits-dvs."""

from __future__ import annotations

from typing import Any

from table_text import results, share, table


def tdbn_accuracy() -> str:
    """Trained, deployed, and after six epochs with the controls."""
    content = results("tdbn")
    lines = []
    for row in content["summary"]:
        name = f"`{row['network']}`"
        recommended = f"{name}, recommended (20 epochs, shifts of 1 pixel)"
        lines.append([recommended, *of_seeds(row["accuracy"])])
        if "float" in row:
            lines.append([f"{name}, fused, in Lava in floating point", *of_seeds(row["float"])])
            lines.append([f"{name}, fused, in Lava in integers", *of_seeds(row["integers"])])
    for row in content["six_epochs"]:
        name = f"`--normalization {row['normalization']}`, rate {row['learning_rate']:g}"
        lines.append([f"`resnet`, 6 epochs without shifts, {name}", "1", percent(row["accuracy"])])
    return table(["network, training", "seeds", "test accuracy"], lines)


def tdbn_drift() -> str:
    """Before and after learning online from the drifted sensor."""
    content = results("tdbn")
    lines = []
    for row in content["summary"]:
        for precision in ("float", "integers"):
            if f"{precision}.drifted_before" in row:
                prefix = f"{precision}."
                lines.append(drift_line(f"`{row['network']}`, {precision}", "dense", row, prefix))
    if "plastic" in content:
        summary = content["plastic"]["summary"]
        lines.append(drift_line("`resnet`, float", "dense and last block", summary, ""))
    heading = ["network", "learns", "original, before", "after", "drifted, before", "after"]
    return table(heading, lines)


def drift_line(name: str, learns: str, row: dict[str, Any], prefix: str) -> list[str]:
    """One network: both sensors, before and after."""
    keys = ("original_before", "original_after", "drifted_before", "drifted_after")
    return [name, learns, *(share(row[prefix + key]) for key in keys)]


def of_seeds(entry: dict[str, Any]) -> list[str]:
    """How many seeds, and their mean, spread and values."""
    values = ", ".join(f"{100 * value:.1f}" for value in entry["values"])
    return [str(len(entry["values"])), f"{share(entry)} ({values})"]


def percent(value: float) -> str:
    """A fraction in per cent."""
    return f"{100 * value:.1f} %"
