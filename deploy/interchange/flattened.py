"""A NIR graph without graphs in it: one dictionary of nodes, one list of edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Flat(NamedTuple):
    """Nodes by name ("OUTER.INNER" for those of inner graphs), edges, the outer input and output.

    `passing` are nodes that pass on what they get: the inputs and outputs of inner graphs.
    """

    nodes: dict[str, Any]
    edges: list[tuple[str, str]]
    input: str
    output: str
    passing: frozenset[str]

    def before(self, name: str) -> list[str]:
        """Return the nodes that a node reads, in the order of the edges."""
        return [source for source, target in self.edges if target == name]


def flattened(graph: Any) -> Flat:
    """Return the nodes and edges of a graph and of all graphs in it.

    Raises ValueError, naming the nodes, for edges between unknown nodes and for a graph with more
    than one input or output.
    """
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    passing: set[str] = set()
    ends = _add(graph, "", nodes, edges, passing)
    passing.discard(ends[0])
    return Flat(nodes, list(dict.fromkeys(edges)), *ends, frozenset(passing))


def _add(
    graph: Any, prefix: str, nodes: dict[str, Any], edges: list[Any], passing: set[str]
) -> tuple[str, str]:
    """Add the nodes of a graph; return the names of its input and output."""
    where = f"NIR: graph {prefix.rstrip('.')!r}" if prefix else "NIR: the graph"
    members = dict(getattr(graph, "nodes", {}))
    inner: dict[str, tuple[str, str]] = {}
    for name, node in members.items():
        full = prefix + name
        if type(node).__name__ == "NIRGraph":
            inner[name] = _add(node, f"{full}.", nodes, edges, passing)
            continue
        nodes[full] = node
        if type(node).__name__ in ("Input", "Output", "Identity"):
            passing.add(full)
    for source, target in graph.edges:
        for end in (source, target):
            if end not in members:
                raise ValueError(f"{where}: an edge names the node {end!r}, which is not there")
        start = inner[source][1] if source in inner else prefix + source
        end = inner[target][0] if target in inner else prefix + target
        edges.append((start, end))
    return (
        prefix + _only(members, "Input", where),
        prefix + _only(members, "Output", where),
    )


def _only(members: dict[str, Any], kind: str, where: str) -> str:
    found: Iterable[str] = [name for name, n in members.items() if type(n).__name__ == kind]
    names = list(found)
    if len(names) != 1:
        what = f"{len(names)} ({', '.join(names)})" if names else "none"
        raise ValueError(
            f"{where} needs one {kind} node and has {what}; write it with one, or join them"
        )
    return names[0]
