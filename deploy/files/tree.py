"""A tree of attributes and arrays: what lies between a network specification and its file.

The tree knows no file format and the schema knows no HDF5. Its digest is the file's checksum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

Value = str | int | float | bool | list[int]
T = TypeVar("T")

FLOATS, INTEGERS = np.dtype("<f8"), np.dtype("<i4")
"""Types of arrays; besides them there are single texts of fixed length (see `text`)."""

ATTRIBUTE, DATASET, GROUP = "attribute", "dataset", "group"
"""What a name in a group can stand for."""


@dataclass
class Node:
    """A group: `attributes` by name, `arrays` by name (float64, int32 or a text), `children`.

    `path` is its place, for messages ("/" is the root). The readers below raise ValueError naming
    the path, what is missing or of a wrong type, and what was expected. They remember what they
    were asked for: `unread` tells what nobody has asked for.
    """

    path: str = "/"
    attributes: dict[str, Value] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    _asked: set[tuple[str, str]] = field(default_factory=set, compare=False, repr=False)

    def __contains__(self, name: str) -> bool:
        return name in self.attributes or name in self.arrays or name in self.children

    def add(self, name: str) -> Node:
        """A new child."""
        child = Node(f"{self.path.rstrip('/')}/{name}")
        self.children[name] = child
        return child

    def child(self, name: str) -> Node:
        """The group `name`."""
        if name not in self.children:
            raise ValueError(f"group {name!r} is missing in {self.path!r}")
        self._asked.add((GROUP, name))
        return self.children[name]

    def optional_child(self, name: str) -> Node | None:
        """As `child`, or None where there is none."""
        return self.child(name) if name in self.children else None

    def array(self, name: str, kind: np.dtype | None = FLOATS) -> np.ndarray:
        """The array `name`, of type `kind` exactly; with None of any type."""
        if name not in self.arrays:
            raise ValueError(f"dataset {name!r} is missing in {self.path!r}")
        self._asked.add((DATASET, name))
        array = self.arrays[name]
        if kind is not None and array.dtype != kind:
            raise self.wrong_type(name, kind)
        return array

    def wrong_type(self, name: str, kind: np.dtype) -> ValueError:
        """What is raised for an array that is not of type `kind`."""
        found = self.arrays[name].dtype
        return ValueError(f"dataset {name!r} in {self.path!r} has type {found}; it must be {kind}")

    def optional(self, name: str, kind: np.dtype = FLOATS) -> np.ndarray | None:
        """As `array`, or None where there is none."""
        return self.array(name, kind) if name in self.arrays else None

    def get(self, name: str, kind: type[T]) -> T:
        """The attribute `name`, of type `kind` exactly (an int is no bool, a float no int)."""
        value = self._attribute(name)
        if type(value) is not kind:
            raise self._unexpected(name, kind.__name__)
        return value

    def real(self, name: str) -> float:
        """The attribute `name`, a float or an int."""
        value = self._attribute(name)
        if type(value) not in (float, int):
            raise self._unexpected(name, "float")
        return cast(float, value)

    def choice(self, name: str, known: Iterable[str]) -> str:
        """The attribute `name`, one of the texts `known`."""
        value, names = self.get(name, str), list(known)
        if value not in names:
            raise ValueError(
                f"{self.path!r} has the unknown {name} {value!r:.60}; known: {', '.join(names)}"
            )
        return value

    def integers(self, name: str, count: int | None = None) -> tuple[Any, ...]:
        """The attribute `name`, a list of integers, `count` of them."""
        values = tuple(self.get(name, list))
        if not all(type(value) is int for value in values):
            raise ValueError(f"attribute {name!r} in {self.path!r} must be integers")
        if count is not None and len(values) != count:
            raise ValueError(
                f"attribute {name!r} in {self.path!r} is {values}; expected {count} values"
            )
        return values

    def numbered(self) -> list[Node]:
        """The children "000", "001" and so on, in order; no number may be missing."""
        names = [number(index) for index in range(len(self.children))]
        return [self.child(name) for name in names]

    def keyed(self, name: str) -> dict[str, Node]:
        """The numbered children by their attribute `name`, a text that no two may share."""
        found: dict[str, Node] = {}
        for child in self.numbered():
            key = child.get(name, str)
            if key in found:
                raise ValueError(f"attribute {name!r} in {child.path!r} is {key!r:.60} again")
            found[key] = child
        return found

    def unread(self) -> list[str]:
        """Paths of the attributes, arrays and groups that no reader above was asked for.

        Of a group that nobody asked for, that of the group alone.
        """
        parts = ((ATTRIBUTE, self.attributes), (DATASET, self.arrays), (GROUP, self.children))
        found = [
            f"{self.path.rstrip('/')}/{name}"
            for kind, names in parts
            for name in names
            if (kind, name) not in self._asked
        ]
        for name, child in self.children.items():
            if (GROUP, name) in self._asked:
                found += child.unread()
        return found

    def _attribute(self, name: str) -> Any:
        if name not in self.attributes:
            raise ValueError(f"attribute {name!r} is missing in {self.path!r}")
        self._asked.add((ATTRIBUTE, name))
        return self.attributes[name]

    def _unexpected(self, name: str, kind: str) -> ValueError:
        value = self.attributes[name]
        return ValueError(f"attribute {name!r} in {self.path!r} is {value!r:.60}; expected {kind}")


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
