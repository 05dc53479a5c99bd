"""How networks are laid out in a file: by the fields of their dataclasses.

Each dataclass is a group. Its numbers, texts, tuples of integers and metadata (JSON) are attributes
by the names of the fields; arrays are datasets; a dataclass in it is a group of the field's name, a
tuple of them a group with 000, 001 and so on, a mapping from names one whose numbered groups have
the attribute `key` and a field `value`. What is None is absent. Where a field may hold several
types, the attribute `type` has the name that one of `onchip.deploy.files.tables` gives it, so that
a neuron, transform or objective of one's own is written and read by its row there.

The root is a float network; the group /fixed is the same in integers. This is the layout of version
3. A change of it needs a new `VERSION` and a reader for the old one in
`onchip.deploy.files.versions`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from onchip.deploy.files.plain_fields import Kind, plain_kind, stored_type
from onchip.deploy.files.tables import (
    INTEGER_ARRAYS,
    FloatNetwork,
    IntegerNetwork,
    name_of,
    table_of,
)
from onchip.deploy.files.tree import Node, number
from onchip.program.graphs import INTEGERS, AnyNetwork, numbers_of

SCHEMA = "onchip.network"
VERSION = 3

_TYPE, _KEY, _VALUE = "type", "key", "value"


def network_to_tree(network: AnyNetwork, root: Node | None = None) -> Node:
    """Fill an empty group, or a new one, with a network, and return it.

    Raises ValueError for names and values that a file cannot hold.
    """
    root = Node() if root is None else root
    integers = numbers_of(network) == INTEGERS
    write_part(root, IntegerNetwork if integers else FloatNetwork, network)
    return root


def tree_to_spec(root: Node) -> FloatNetwork:
    """The float network in a tree; ValueError for anything missing, misshapen or out of range."""
    network: FloatNetwork = read_part(root, FloatNetwork)
    return network


def tree_to_fixed(root: Node) -> IntegerNetwork:
    """The integer network in a group; as `tree_to_spec`."""
    network: IntegerNetwork = read_part(root, IntegerNetwork)
    return network


def write_part(node: Node, hint: Any, value: Any) -> None:
    """Write a dataclass, of the type `hint` or one that a table names for it, into an empty group.

    Raises ValueError, naming the type, for one that has no place in a file.
    """
    table = table_of(hint)
    if table is not None:
        node.attributes[_TYPE] = name_of(table, value)
    elif type(value) is not hint:
        raise ValueError(
            f"{type(value).__name__} has no place in a network file; known: {hint.__name__}"
        )
    cls: Any = type(value)
    for name, (kind, optional) in _layout(cls).items():
        if table is not None and name == _TYPE:
            raise ValueError(f"{cls.__name__}: files keep 'type' for themselves; rename it")
        field = getattr(value, name)
        if field is not None or not optional:
            kind.write(node, name, field)


def read_part(node: Node, hint: Any) -> Any:
    """Return the dataclass in a group; ValueError for anything missing, unknown or out of range."""
    table = table_of(hint)
    cls = hint if table is None else table[node.choice(_TYPE, table)]
    found = {
        name: None if optional and name not in node else kind.read(node, name)
        for name, (kind, optional) in _layout(cls).items()
    }
    value = _made(node, cls, found)
    for name in found.keys() & node.arrays.keys():
        wanted = stored_type(getattr(value, name))
        if node.arrays[name].dtype != wanted:  # it would be written otherwise
            raise node.wrong_type(name, wanted)
    return value


def _made(node: Node, cls: type, found: Mapping[str, Any]) -> Any:
    try:
        return cls(**found)
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"{cls.__name__} in {node.path!r} cannot be made: {error}") from None


@functools.cache
def _layout(cls: type) -> dict[str, tuple[Kind, bool]]:
    """(how it is held, whether it may be None) of each field of a dataclass, by its name."""
    if not is_dataclass(cls):
        raise ValueError(
            f"{cls.__name__} is not a dataclass, so a file cannot hold it; make it one"
        )
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise ValueError(f"{cls.__name__}: the type of a field is not known ({error})") from None
    return {f.name: _field(cls, f.name, hints[f.name]) for f in fields(cls) if f.init}


def _field(cls: type, name: str, hint: Any) -> tuple[Kind, bool]:
    optional = False
    if get_origin(hint) in (Union, UnionType):
        kinds = tuple(kind for kind in get_args(hint) if kind is not NoneType)
        optional, hint = len(kinds) < len(get_args(hint)), Union[kinds]  # noqa: UP007
    kind = plain_kind(hint, cls in INTEGER_ARRAYS) or _part_kind(cls, hint)
    if kind is None:
        raise ValueError(
            f"{cls.__name__}: a file cannot hold its field {name!r} of type {hint}; use numbers, "
            "text, arrays, tuples of numbers or dataclasses"
        )
    return kind, optional


def _part_kind(cls: type, hint: Any) -> Kind | None:
    """How a field holds dataclasses: one, several in a tuple, or some by name."""
    origin, parts = get_origin(hint), get_args(hint)
    if table_of(hint) is not None or (is_dataclass(hint) and isinstance(hint, type)):
        return Kind(
            lambda node, name, value: write_part(node.add(name), hint, value),
            lambda node, name: read_part(node.child(name), hint),
        )
    if origin is tuple and len(parts) == 2 and parts[1] is Ellipsis:
        return _several(parts[0])
    if isinstance(origin, type) and issubclass(origin, Mapping) and parts[0] is str:
        return _named(*_field(cls, _VALUE, parts[1]))
    return None


def _several(hint: Any) -> Kind:
    def write(node: Node, name: str, values: Any) -> None:
        group = node.add(name)
        for index, value in enumerate(values):
            write_part(group.add(number(index)), hint, value)

    def read(node: Node, name: str) -> Any:
        return tuple(read_part(child, hint) for child in node.child(name).numbered())

    return Kind(write, read)


def _named(kind: Kind, optional: bool) -> Kind:
    def write(node: Node, name: str, values: Any) -> None:
        group = node.add(name)
        for index, (key, value) in enumerate(values.items()):
            child = group.add(number(index))
            child.attributes[_KEY] = str(key)
            if value is not None or not optional:
                kind.write(child, _VALUE, value)

    def read(node: Node, name: str) -> Any:
        return {
            key: None if optional and _VALUE not in child else kind.read(child, _VALUE)
            for key, child in node.child(name).keyed(_KEY).items()
        }

    return Kind(write, read)
