"""Tables of text in Markdown."""

from __future__ import annotations


def aligned(rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table whose columns line up; `rows` of equal length, heading first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * width for width in widths]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (rows[0], rule, *rows[1:])
    ]
