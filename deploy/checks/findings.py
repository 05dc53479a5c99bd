"""Findings about a network and the report that collects them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from onchip.checks import require_choice
from onchip.deploy.checks.limits import LIMITS, PROJECT, Number

SEVERITIES = ("error", "warning", "unknown", "ok")
"""The worst first; only an error fails the check."""

NETWORK = "network"
"""The object of findings about the network as a whole."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `severity` one of `SEVERITIES`; `object` what it is about ("layer 'fc2'"); `quantity` what was
    measured, its `value` and the `limit` in words; `remedy` what to do and `source` where the limit
    is published. Raises ValueError for an unknown severity.
    """

    severity: str
    object: str
    quantity: str
    value: Number | str
    limit: str
    remedy: str
    source: str = PROJECT

    def __post_init__(self) -> None:
        """Check the severity; NumPy's numbers become Python's."""
        require_choice("finding: severity", self.severity, SEVERITIES)
        value: Any = self.value
        if isinstance(value, np.generic):
            object.__setattr__(self, "value", value.item())

    @property
    def value_text(self) -> str:
        """The value as it is printed: integers with thousands, others in four digits."""
        if isinstance(self.value, str):
            return self.value
        return f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.4g}"

    def cells(self) -> tuple[str, ...]:
        """Severity, object, quantity, value, limit and remedy as text."""
        value = self.value_text
        return (self.severity, self.object, self.quantity, value, self.limit, self.remedy)


def layer_name(layer: Any) -> str:
    """The object of findings about a layer of a float or integer network."""
    return f"layer {layer.name!r}"


def compare(
    name: str, where: str, value: Number, severity: str = "error", remedy: str | None = None
) -> Finding:
    """`value` of the object `where` against the limit `name`.

    The finding is ok, unknown, or has the given `severity` and the limit's remedy, or a better one.
    """
    limit = LIMITS[name]
    holds = limit.holds(value)
    verdict = "unknown" if holds is None else "ok" if holds else severity
    cure = "" if holds else remedy or limit.remedy
    return Finding(verdict, where, name, value, limit.text, cure, limit.source)


def demand(
    met: bool,
    severity: str,
    where: str,
    quantity: str,
    value: Number | str,
    limit: str,
    remedy: str,
    source: str = PROJECT,
) -> Finding:
    """A finding about a condition: ok where it is `met`, else of the given `severity`."""
    verdict, cure = ("ok", "") if met else (severity, remedy)
    return Finding(verdict, where, quantity, value, limit, cure, source)


@dataclass(frozen=True)
class CheckReport:
    """All findings about a network, the worst first."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> CheckReport:
        """The report of findings in any order; those of a severity keep theirs."""
        return cls(tuple(sorted(findings, key=lambda f: SEVERITIES.index(f.severity))))

    @property
    def passed(self) -> bool:
        """Whether there is no error."""
        return not self.of_severity("error")

    def of_severity(self, severity: str) -> tuple[Finding, ...]:
        """The findings of one severity; ValueError for an unknown one."""
        require_choice("severity", severity, SEVERITIES)
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def counts(self) -> dict[str, int]:
        """Severity -> number of findings, also where it is 0."""
        found = Counter(finding.severity for finding in self.findings)
        return {severity: found[severity] for severity in SEVERITIES}

    def as_json(self) -> dict[str, Any]:
        """`passed`, `counts` and the flat list `findings`; values that JSON lacks as text."""
        return {
            "passed": self.passed,
            "counts": self.counts(),
            "findings": [_plain(finding) for finding in self.findings],
        }

    def table(self, include_ok: bool = False) -> str:
        """An aligned table, one line per finding, without those that are ok unless asked for."""
        rows = [f.cells() for f in self.findings if include_ok or f.severity != "ok"]
        if not rows:
            return ""
        rows.insert(0, ("", "object", "quantity", "value", "limit", "remedy"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def summary(self) -> str:
        """One line: the verdict and the counts."""
        counts = self.counts()
        verdict = "passed" if self.passed else "FAILED"
        return (
            f"check: {verdict}: {_plural(counts['error'], 'error')}, "
            f"{_plural(counts['warning'], 'warning')}, {counts['unknown']} unknown, "
            f"{counts['ok']} fine"
        )


def _plain(finding: Finding) -> dict[str, Any]:
    values = asdict(finding)
    if isinstance(finding.value, float) and not math.isfinite(finding.value):
        values["value"] = str(finding.value)
    return values


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
