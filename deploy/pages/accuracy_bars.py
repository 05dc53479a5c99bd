"""The accuracies of a report: one wording for them everywhere, and bars beside the numbers."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from onchip.deploy.pages.document import Block, Table

ACCURACY_NAMES = {
    "accuracy_offline": "original sensor, before learning online",
    "accuracy_drifted": "drifted sensor, before learning online",
    "accuracy_recovered": "drifted sensor, after learning online",
    "accuracy_original_after": "original sensor, after learning online",
}
"""What the four accuracies of a drift are called in figures, reports and tables."""

RECOVERY = "share of the fall recovered"

PRECISION_NAMES = {"float": "floating point", "fixed": "integers"}
"""What the two precisions are called there."""


@dataclass(frozen=True)
class AccuracyBars(Block):
    """Shares in [0, 1] as a table, in HTML with a bar for each: name -> series -> share.

    All names have the same series; `heading` stands over the names. Markdown shows the picture
    `png` of this `name` below the table, where there is one.
    """

    rows: Mapping[str, Mapping[str, float]]
    name: str = ""
    png: bytes = b""
    heading: str = "accuracy on test samples"

    def markdown(self) -> str:
        """Return the table."""
        series = next(iter(self.rows.values()))
        lines = [[n, *(f"{v:.1%}" for v in values.values())] for n, values in self.rows.items()]
        table = Table([[self.heading, *series], *lines]).markdown()
        return f"{table}\n\n![{self.heading}]({self.name})" if self.name else table

    def files(self) -> dict[str, bytes]:
        """Return the picture."""
        return {self.name: self.png} if self.name else {}

    def html(self) -> str:
        """Return the table; the bars are drawn by the style alone."""
        series = next(iter(self.rows.values()))
        head = "".join(f'<th scope="col">{html.escape(n)}</th>' for n in (self.heading, *series))
        body = "".join(_bar_row(name, values) for name, values in self.rows.items())
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        name = self.name.partition(".")[0] or "bars"
        frame = f'<div class="scroll bars" tabindex="0">{table}</div>'
        return f'<figure id="{html.escape(name)}">{frame}</figure>'


def _bar_row(name: str, values: Mapping[str, float]) -> str:
    cells = (
        f'<td><span class="value">{value:.1%}</span><span class="bar series{i}" '
        f'style="width:{100 * min(max(value, 0.0), 1.0):.1f}%"></span></td>'
        for i, value in enumerate(values.values())
    )
    return f'<tr><th scope="row">{html.escape(name)}</th>{"".join(cells)}</tr>'
