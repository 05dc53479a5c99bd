"""A warning, which is an error in `make docs`, for markup that a page shows as it was typed."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

AS_TYPED = (nodes.literal, nodes.literal_block, nodes.raw, nodes.comment, nodes.math)
"""What shows backticks because they are meant."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at every page that was read."""
    app.connect("doctree-resolved", look)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def look(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Tell of each text with a backtick in it."""
    for text in doctree.findall(nodes.Text):
        if "`" in text and not within(text, AS_TYPED):
            logger.warning("a backtick is shown: %.60r", str(text), location=text.parent)


def within(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    """Whether a node stands in one of these kinds."""
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False
