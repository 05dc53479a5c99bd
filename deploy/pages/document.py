"""A report as sections of blocks, which are written as Markdown or as HTML.

Text is marked up as in Markdown: `code`, *emphasis* and **strong**; in HTML all of it is escaped.
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from onchip.deploy.reports.table import aligned

MARKS = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*")

VERDICTS = {
    "passed": "good",
    "FAILED": "bad",
    "error": "bad",
    "not tested": "bad",
    "warning": "warn",
    "unknown": "warn",
}
"""Cells of a table that are a verdict -> the class that colors them."""


class Block(ABC):
    """A part of a report."""

    @abstractmethod
    def markdown(self) -> str:
        """Return it as Markdown; empty where it is for HTML alone."""

    @abstractmethod
    def html(self) -> str:
        """Return it as an HTML element."""

    def files(self) -> dict[str, bytes]:
        """Return the files that its Markdown refers to, by name."""
        return {}


@dataclass(frozen=True)
class Text(Block):
    """A paragraph; `kind` is a class of its own in HTML ("note" is set off)."""

    text: str
    kind: str = ""

    def markdown(self) -> str:
        """Return the text."""
        return self.text

    def html(self) -> str:
        """Return a paragraph."""
        kind = f' class="{self.kind}"' if self.kind else ""
        return f"<p{kind}>{inline(self.text)}</p>"


@dataclass(frozen=True)
class Items(Block):
    """A list, numbered or not."""

    items: Sequence[str]
    numbered: bool = False

    def markdown(self) -> str:
        """Return a line for each."""
        marks = (f"{i}." if self.numbered else "-" for i in range(1, len(self.items) + 1))
        return "\n".join(f"{mark} {item}" for mark, item in zip(marks, self.items, strict=True))

    def html(self) -> str:
        """Return an element <ol> or <ul>."""
        tag = "ol" if self.numbered else "ul"
        items = "".join(f"<li>{inline(item)}</li>" for item in self.items)
        return f"<{tag}>{items}</{tag}>"


@dataclass(frozen=True)
class Table(Block):
    """Rows of text of equal length, the heading first; with `folded` HTML shows it when asked to.

    Cells are not marked up.
    """

    rows: Sequence[Sequence[str]]
    folded: str = ""

    @classmethod
    def of(cls, values: Mapping[str, object], heading: tuple[str, str], folded: str = "") -> Table:
        """Return a table of names and values."""
        rows = [(name, str(value)) for name, value in values.items()]
        return cls([heading, *rows], folded)

    def markdown(self) -> str:
        """Return it aligned, so that it reads as plain text too; nothing of a folded one."""
        if self.folded:
            return ""
        rows = [[cell.replace("|", "\\|") for cell in row] for row in self.rows]
        return "\n".join(aligned(rows))

    def html(self) -> str:
        """Return the table within a frame that scrolls sideways."""
        heading, *rows = self.rows
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in heading)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
        wide = ' class="wide"' if len(heading) > 4 else ""
        table = f"<table{wide}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        framed = f'<div class="scroll" tabindex="0">{table}</div>'
        if not self.folded:
            return framed
        return f"<details><summary>{inline(self.folded)}</summary>{framed}</details>"


@dataclass(frozen=True)
class Section:
    """A heading, marked up, and what stands below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A report: what stands before the first section is its `lead`."""

    title: str
    lead: Sequence[Block]
    sections: Sequence[Section] = field(default_factory=tuple)

    def files(self) -> dict[str, bytes]:
        """Return the files that its Markdown refers to, by name."""
        blocks = [*self.lead, *(block for section in self.sections for block in section.blocks)]
        return {name: content for block in blocks for name, content in block.files().items()}


def as_markdown(document: Document) -> str:
    """Return the report as Markdown."""
    parts = [f"# {document.title}", *(block.markdown() for block in document.lead)]
    for section in document.sections:
        parts += [f"## {section.title}", *(block.markdown() for block in section.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def inline(text: str) -> str:
    """Return marked up text as HTML, everything else in it escaped."""
    return MARKS.sub(_element, html.escape(text, quote=False))


def _element(found: re.Match[str]) -> str:
    tag = found.lastgroup
    return f"<{tag}>{found[tag]}</{tag}>" if tag else found[0]


def _cell(text: str) -> str:
    kind = VERDICTS.get(text)
    verdict = f' class="{kind}"' if kind else ""
    return f"<td{verdict}>{html.escape(text)}</td>"
