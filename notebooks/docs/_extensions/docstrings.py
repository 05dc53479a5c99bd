"""Docstrings, which are plain text with `names` and indented equations, as reStructuredText.

Outside of backticks `*`, `|` and a trailing `_` mean themselves; tables in Markdown become tables;
of the indented blocks those whose every line is an equation are set as mathematics, the others as
they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sphinx.application import Sphinx

GREEK = ("lambda", "eta", "sigma", "alpha", "gamma")
FUNCTIONS = ("exp", "max", "ln", "sum")
SYMBOLS = {
    ">=": r"\ge ",
    "<=": r"\le ",
    "->": r"\to ",
    "<<": r"\ll ",
    ">>": r"\gg ",
    "+-": r"\pm ",
    "...": r"\ldots ",
    "*": r"\,",
    "|": r"\vert ",
    "%": r"\%",
}
TOKEN = re.compile(
    "|".join(
        (
            r" {2,}",
            r"'s ",
            r"sum(?= (?:of|over)\b)",  # a word, not the sign
            r"\^T\b",
            r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*(?:'(?!s ))?",
            r"\^-?\([^)]*\)",
            r"\^-?\w+",
            *map(re.escape, SYMBOLS),
            r".",
        )
    ),
    re.DOTALL,
)
NOT_AN_EQUATION = re.compile(r"""["`\\]|::|==|^(with|for|import|from|python) |\w\(\w+=""")


def setup(app: Sphinx) -> dict[str, Any]:
    """Watch autodoc."""
    app.connect("autodoc-process-docstring", keep_colons, priority=100)  # before napoleon, 500
    app.connect("autodoc-process-docstring", process, priority=900)
    app.connect("autodoc-process-signature", plain_signature)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def skip(app: Sphinx, what: str, name: str, member: Any, skipped: bool, options: Any) -> Any:
    """Leave out what has no text of its own: a named tuple's fields."""
    text = getattr(member, "__doc__", None) or ""
    return True if text.startswith("Alias for field number") else None


def plain_signature(
    app: Sphinx,
    what: str,
    name: str,
    member: Any,
    options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """A dataclass's default factory as "..."; Sphinx cannot read the signature else."""
    return signature and signature.replace("<factory>", "..."), returned


COLON = "\ue000"
"""Stands for a colon while napoleon, which would take what is before it for a type, reads."""


def keep_colons(
    app: Sphinx, what: str, name: str, member: Any, options: Any, lines: list[str]
) -> None:
    """Hide the colons of attributes and properties: their types are in the annotations."""
    if what in ("attribute", "property", "data"):
        lines[:] = [line.replace(":", COLON) for line in lines]


def process(app: Sphinx, what: str, name: str, member: Any, options: Any, lines: list[str]) -> None:
    """Rewrite the lines of one docstring in place."""
    lines[:] = [line.replace(COLON, ":") for line in lines]
    if any(line.lstrip().startswith((":", "..")) for line in lines):
        google = [i for i, line in enumerate(lines) if line.lstrip().startswith((":", ".."))]
        head, rest = lines[: google[0]], lines[google[0] :]  # napoleon has made fields of these
        lines[:] = [*rewritten(head), *rest]
        return
    lines[:] = rewritten(lines)


def rewritten(lines: list[str]) -> list[str]:
    """A docstring's lines as reStructuredText."""
    new: list[str] = []
    for kind, block in blocks(lines):
        new += BLOCKS[kind](block)
    return new


def blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(kind, lines) of each run of lines of one kind."""
    kind, block, blank = "text", [], True
    for line in lines:
        if not line.strip():
            found = kind if kind == "indented" else "text"
        elif line.startswith("|"):
            found = "table"
        elif line.startswith("    ") and (blank or kind == "indented"):
            found = "indented"
        else:
            found = "text"
        blank = not line.strip()
        if found != kind and block:
            yield kind, block
            block = []
        kind = found
        block.append(line)
    if block:
        yield kind, block


def text(block: list[str]) -> list[str]:
    """Plain text: what reStructuredText would take for markup is escaped."""
    joined = "\n".join(block)
    parts = re.split(r"(``[^`]*``|:[a-z:]+:`[^`]*`|`[^`]*`)", joined)
    parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    return "".join(parts).split("\n")


def table(block: list[str]) -> list[str]:
    """A Markdown table as a list-table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block]
    rows = [row for row in rows if not set("".join(row)) <= {"-", " "}]
    merged: list[list[str]] = []
    for row in rows:
        if row[0] or not merged:
            merged.append(row)
        else:  # a cell that goes on in the next line
            merged[-1] = [
                " ".join(filter(None, pair)) for pair in zip(merged[-1], row, strict=True)
            ]
    lines = ["", ".. list-table::", "   :header-rows: 1", ""]
    for row in merged:
        cells = [" ".join(text([cell])) for cell in row]
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(cells)]
    return [*lines, ""]


def indented(block: list[str]) -> list[str]:
    """An indented block: equations or something to be shown as it is."""
    filled = [line.strip() for line in block if line.strip()]
    if all(is_equation(line) for line in filled):
        return [part for line in filled for part in ("", ".. math::", "", f"   {latex(line)}", "")]
    return ["", "::", "", *block, ""]


def is_equation(line: str) -> bool:
    """Whether a line of an indented block is mathematics."""
    return " = " in line and not NOT_AN_EQUATION.search(line)


def latex(line: str) -> str:
    """An equation as LaTeX: names of Greek letters, subscripts, powers, words."""
    return "".join(map(token, TOKEN.findall(line)))


def token(part: str) -> str:
    """One token of an equation as LaTeX."""
    if part in SYMBOLS:
        return SYMBOLS[part]
    if part == "^T":
        return r"^{\top}"
    if part.startswith("^"):
        return "^{" + latex(part[1:]) + "}"
    if part == "'s ":
        return r"\mathrm{'s}\, "
    if part == "sum":
        return r"\mathrm{sum}"
    if part.isspace():
        return r"\qquad " if len(part) > 1 else r"\, "
    return word(part) if part[0].isalpha() else part


def word(part: str) -> str:
    """A name: a Greek letter, a function, a symbol with a subscript, or a word."""
    prime = "'" if part.endswith("'") else ""
    name, *below = part.rstrip("'").split("_")
    if name in GREEK or name in FUNCTIONS:
        shown = f"\\{name}"
    elif name == "Vth":
        shown = r"V_{\mathrm{th}}"
    elif re.fullmatch(r"[a-zA-Z]\d+", name):
        shown = f"{name[0]}_{{{name[1:]}}}"
    elif len(name) == 1 or re.fullmatch(r"d[a-zA-Z]", name):
        shown = name
    else:
        shown = rf"\mathrm{{{name}}}"
    subscript = "_{" + ",".join(below) + "}" if below else ""
    return shown + subscript + prime + (" " if shown[0] == "\\" and shown[-1] != "}" else "")


BLOCKS: dict[str, Callable[[list[str]], list[str]]] = {
    "text": text,
    "table": table,
    "indented": indented,
}
