"""Tables of what the demo's network costs."""

from __future__ import annotations

from typing import Any

from table_text import results, table, three_digits

TERMS = {
    "synaptic_effective": "synaptic operations",
    "neuron_updates": "neuron updates",
    "trace_updates": "trace updates",
    "rule_evaluations": "rule evaluations",
    "rules_met": "both sides not 0",
    "weights_changed": "weights that change",
    "feedback_messages": "feedback spikes",
    "feedback_effective": "feedback operations",
}


def cost_operations() -> str:
    """Operations of a sample by what learns."""
    lines = [
        [*named(row), *(thousands(row["per_sample"][name]) for name in TERMS)]
        for row in results("costs")["rows"]
    ]
    return table([*NAMED, *TERMS.values()], lines)


def cost_memory() -> str:
    """Memory by kind, and cores."""
    kinds = ("weights", "neurons", "traces", "tags", "feedback", "total")
    lines = [
        [
            *named(row),
            *(f"{row['memory'][kind] / 1024:,.1f}" for kind in kinds),
            *(str(row["cores"][chip]) if isinstance(row["cores"][chip], int) else "none"
              for chip in ("Loihi 1", "Loihi 2")),
        ]
        for row in results("costs")["rows"]
    ]  # fmt: skip
    heading = [*NAMED, *(f"{kind}, KiB" for kind in kinds)]
    return table([*heading, "cores of Loihi 1", "of Loihi 2"], lines)


def cost_energy() -> str:
    """Energy by term, estimates of Loihi 1's."""
    lines = []
    for row in results("costs")["rows"]:
        joules = row["energy"]
        terms = [micro(joules[name]) for name in ("synapses", "neurons", "feedback")]
        rules = span(joules["rules_least"], joules["rules_most"])
        total = span(joules["least"], joules["most"])
        lines.append([*named(row), str(row["chip_steps"]), *terms, rules, total, row["dominant"]])
    heading = [*NAMED, "chip steps", "synapses, µJ", "neurons, µJ", "feedback, µJ", "rules, µJ"]
    return table([*heading, "all, µJ", "largest"], lines)


NAMED = ("what learns", "rule", "numbers")


def named(row: dict[str, Any]) -> list[str]:
    """What a row is called."""
    return [row["learns"], row["rule"] or "none", row["precision"]]


def thousands(value: float) -> str:
    """A count in full."""
    return f"{value:,.0f}"


def micro(joules: float) -> str:
    """Joules in µJ."""
    return three_digits(1e6 * joules)


def span(least: float, most: float) -> str:
    """Two energies in µJ, one where they are the same."""
    pair = micro(least), micro(most)
    return pair[0] if pair[0] == pair[1] else f"{pair[0]} to {pair[1]}"
