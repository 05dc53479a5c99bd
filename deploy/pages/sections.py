"""Sections that reports share: the network, parity, the check, settings and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onchip.deploy.checks.findings import CheckReport
from onchip.deploy.pages.accuracy_bars import PRECISION_NAMES
from onchip.deploy.pages.document import Block, Section, Table, Text
from onchip.deploy.pages.pictures import Picture
from onchip.deploy.parity.comparison import ParityReport
from onchip.deploy.reports.network_figure import draw_network
from onchip.program.graphs import AnyNetwork, as_graph


def network_blocks(network: AnyNetwork) -> list[Block]:
    """The network as a picture and as a table."""
    graph = as_graph(network)
    sheet = graph.sheet()
    caption = "The network; biases are left out."
    picture = Picture.drawn("network.png", caption, lambda p: draw_network(p, graph), shrinks=True)
    return [Text(f"{sheet.title}."), picture, Table([sheet.header, *sheet.rows])]


def parity_blocks(report: ParityReport, precision: str) -> list[Block]:
    """What was compared, the verdict and the table; `precision` is "float" or "fixed"."""
    agrees = bool(report.untested) and all(row.agrees for row in report.executions)
    verdict = "passed" if report.passed else "not tested" if agrees else "FAILED"
    same = "bit for bit" if precision == "fixed" else "weights and outputs to 1e-9"
    learning = "online learning" if report.learned else "inference"
    weights = ", and every weight after each sample" if report.learned else ""
    text = (
        f"In {PRECISION_NAMES[precision]}: parity **{verdict}**, {same}, over "
        f"{report.samples * report.time_steps} steps of {learning}, each execution against the "
        f"NumPy engine: every spike of every layer, every output{weights}."
    )
    return [Text(text), Table(report.rows()), *map(Text, report.remarks())]


def check_section(report: CheckReport) -> Section:
    """What Loihi 2 cannot hold of the network; what is unknown or fine is folded away."""
    blocks: list[Block] = [Text(f"{report.summary()}. Nothing here ran on a chip.")]
    open_rows = [row for severity in ("error", "warning") for row in _cells(report, severity)]
    blocks += [Table([FINDING, *open_rows])] if open_rows else []
    for severity, text in (("unknown", "of which no limit is public"), ("ok", "that are fine")):
        rows = _cells(report, severity)
        blocks += [Table([FINDING, *rows], folded=f"{len(rows)} {text}")] if rows else []
    return Section("What a chip can hold of it", blocks)


FINDING = ("", "object", "quantity", "value", "limit", "remedy")


def _cells(report: CheckReport, severity: str) -> list[tuple[str, ...]]:
    return [finding.cells() for finding in report.of_severity(severity)]


def settings_section(results: Mapping[str, Any], command: str = "") -> Section:
    """The options, by which `--config` runs it again, and the versions of packages."""
    options, versions = results["options"], results["versions"]
    blocks: list[Block] = [Text(f"`{command}`")] if command else []
    blocks += [
        Table.of(options, ("option", "value")),
        Table.of(versions, ("package", "version")),
    ]
    return Section("Settings and versions", blocks)
