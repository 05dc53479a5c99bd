"""The directive `measured`: tables made from the measurements' JSON files."""

from __future__ import annotations

from typing import Any

import pypandoc
import readme_tables
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Measured(SphinxDirective):
    """`.. measured:: NAMES`: the tables of these functions of tests/benchmarks/readme_tables.py."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """The tables, which the page depends on."""
        for path in (readme_tables.FOLDER / "results").glob("*.json"):
            self.env.note_dependency(str(path))
        markdown = "\n\n".join(getattr(readme_tables, n)() for n in self.arguments[0].split())
        text = pypandoc.convert_text(markdown, "rst", format="gfm", extra_args=["--wrap=none"])
        return self.parse_text_to_nodes(StringList(text.splitlines(), "measured"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
