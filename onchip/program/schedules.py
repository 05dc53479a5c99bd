"""The schedule of any kind of network, by name."""

from __future__ import annotations

from onchip.program.graphs import AnyNetwork, as_graph
from onchip.program.timetable import Schedule, make_timetable


def make_schedule(name: str, network: AnyNetwork) -> Schedule:
    """The named schedule for a network; ValueError with the reason if it does not fit.

    The host's trunk of convolutions counts as its input.
    """
    graph = as_graph(network)
    chosen = getattr(graph, "schedule", None)
    if chosen is not None and chosen != name:
        raise ValueError(
            f"network: its integers were chosen for schedule {chosen!r}, not {name!r}; traces "
            "and rates of another would be wrong: quantize it again for that one"
        )
    return make_timetable(name, graph)
