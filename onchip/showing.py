"""Short tables that stand for large objects, as text and as HTML in a notebook."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Sheet(NamedTuple):
    """A title and a table of text: `rows` have as many entries as `header`."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


class Shown(ABC):
    """A class whose objects are shown by `sheet`: a base of those that would print all arrays."""

    @abstractmethod
    def sheet(self) -> Sheet:
        """Return what is shown."""

    def __repr__(self) -> str:
        return as_text(self.sheet())

    def _repr_html_(self) -> str:
        return as_html(self.sheet())


def as_text(sheet: Sheet) -> str:
    """Return the title, and below it the columns side by side."""
    if not sheet.rows:
        return sheet.title
    rows = [sheet.header, *sheet.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(sheet.header))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join([sheet.title, *(f"  {line}" for line in lines)])


def as_html(sheet: Sheet) -> str:
    """Return the table as HTML, the title as its caption; all text is escaped."""
    head = _row("th", sheet.header) if sheet.header else ""
    body = "".join(_row("td", row) for row in sheet.rows)
    return f"<table><caption>{html.escape(sheet.title)}</caption>{head}{body}</table>"


def shape_text(shape: Iterable[int]) -> str:
    """Return (2, 8, 8) as "2 x 8 x 8"."""
    return " x ".join(map(str, shape))


def _row(tag: str, entries: Sequence[str]) -> str:
    cells = "".join(f"<{tag}>{html.escape(entry)}</{tag}>" for entry in entries)
    return f"<tr>{cells}</tr>"
