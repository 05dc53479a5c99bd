"""A tree of attributes and arrays: what lies between a network specification and its file.

The tree knows no file format and the schema knows no HDF5. Its digest is the file's checksum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

Value = str | int | float | bool | list[int]
T = TypeVar("T")

FLOATS, INTEGERS = np.dtype("<f8"), np.dtype("<i4")
"""Types of arrays; besides them there are single texts of fixed length (see `text`)."""


@dataclass
class Node:
    """A group: `attributes` by name, `arrays` by name (float64, int32 or a text), `children`.

    `path` is its place, for messages ("/" is the root). The readers below raise ValueError naming
    the path, what is missing or of a wrong type, and what was expected.
    """

    path: str = "/"
    attributes: dict[str, Value] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def add(self, name: str) -> Node:
        """A new child."""
        child = Node(f"{self.path.rstrip('/')}/{name}")
        self.children[name] = child
        return child

    def child(self, name: str) -> Node:
        """The group `name`."""
        if name not in self.children:
            raise ValueError(f"group {name!r} is missing in {self.path!r}")
        return self.children[name]

    def array(self, name: str, kind: np.dtype = FLOATS) -> np.ndarray:
        """The array `name`, of type `kind` exactly."""
        if name not in self.arrays:
            raise ValueError(f"dataset {name!r} is missing in {self.path!r}")
        array = self.arrays[name]
        if array.dtype != kind:
            raise ValueError(
                f"dataset {name!r} in {self.path!r} has type {array.dtype}; it must be {kind}"
            )
        return array

    def optional(self, name: str, kind: np.dtype = FLOATS) -> np.ndarray | None:
        """As `array`, or None where there is none."""
        return self.array(name, kind) if name in self.arrays else None

    def get(self, name: str, kind: type[T]) -> T:
        """The attribute `name`, of type `kind` exactly (an int is no bool, a float no int)."""
        if name not in self.attributes:
            raise ValueError(f"attribute {name!r} is missing in {self.path!r}")
        value: Any = self.attributes[name]
        if type(value) is not kind:
            raise ValueError(
                f"attribute {name!r} in {self.path!r} is {value!r:.60}; expected {kind.__name__}"
            )
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """The attribute `name`, a list of integers."""
        values = self.get(name, list)
        if not all(type(value) is int for value in values):
            raise ValueError(f"attribute {name!r} in {self.path!r} must be integers")
        return tuple(values)

    def beyond(self, known: Node) -> list[str]:
        """Paths of the attributes, arrays and groups that the tree `known` does not have.

        Of a group that it does not have, that of the group alone.
        """
        mine, theirs = ([*node.attributes, *node.arrays, *node.children] for node in (self, known))
        found = [f"{self.path.rstrip('/')}/{name}" for name in mine if name not in theirs]
        for name, child in self.children.items():
            if name in known.children:
                found += child.beyond(known.children[name])
        return found

    def numbered(self) -> list[Node]:
        """The children "000", "001" and so on, in order; no number may be missing."""
        names = [number(index) for index in range(len(self.children))]
        return [self.child(name) for name in names]


def number(index: int) -> str:
    """Name of the child with this index."""
    return f"{index:03d}"


def text(value: str) -> np.ndarray:
    """An ASCII text as an array without dimensions, for readers that want texts as datasets."""
    return np.array(value.encode("ascii"))


def digest(root: Node, leave_out: tuple[str, ...] = ()) -> str:
    """SHA-256 (hexadecimal) of all names, attributes, array types, shapes and bytes.

    `leave_out` names attributes of the root that do not count. The order in which things were added
    does not matter.
    """
    total = hashlib.sha256()
    for part in _parts(root, leave_out):
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.hexdigest()


def _parts(node: Node, leave_out: tuple[str, ...]) -> Iterator[bytes | memoryview]:
    counted = {k: v for k, v in node.attributes.items() if k not in leave_out}
    yield node.path.encode()
    yield json.dumps(counted, sort_keys=True).encode()
    for name in sorted(node.arrays):
        array = node.arrays[name]
        yield json.dumps([name, array.dtype.str, array.shape]).encode()
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b""
    for name in sorted(node.children):
        yield from _parts(node.children[name], ())
