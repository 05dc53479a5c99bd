"""The directive `systems`: the table of learning systems, made from `onchip.models.systems`."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from onchip.models.learning_system import LearningSystem
from onchip.models.systems import SYSTEMS

HEADING = (
    "system",
    "learns",
    "memory grows with T",
    "local",
    "trained network deploys",
    "learns on the chip",
)


class Systems(SphinxDirective):
    """`.. systems::`: a row for each of `SYSTEMS`."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        text = systems_table(SYSTEMS)
        return self.parse_text_to_nodes(StringList(text.splitlines(), "systems"))


def systems_table(systems: tuple[LearningSystem, ...]) -> str:
    """A list-table in reStructuredText."""
    rows = [HEADING, *map(system_row, systems)]
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        first, *others = row
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return "\n".join(lines)


def system_row(system: LearningSystem) -> tuple[str, ...]:
    """The cells of one system."""
    return (
        f":doc:`{system.name} </docs/{system.page}>`",
        "offline, online" if system.learns_online else "offline",
        f"{word(system.memory_grows)}: {system.memory}",
        f"{word(system.local)}: {system.locality}",
        word(system.deploys),
        f"{word(system.learns_on_chip)}: {system.chip}",
    )


def word(fact: bool) -> str:
    """Yes or no."""
    return "yes" if fact else "no"


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("systems", Systems)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
