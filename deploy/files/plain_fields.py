"""How numbers, texts, arrays and tuples of numbers are written below a group, and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, NamedTuple, get_args, get_origin

import numpy as np

from onchip.deploy.files.metadata_text import metadata_from_json, metadata_to_json
from onchip.deploy.files.tree import FLOATS, INTEGERS, Node


class Kind(NamedTuple):
    """How the values of a field are held: `write(node, name, value)`, `read(node, name)`.

    Both raise ValueError, naming the field, for what does not fit.
    """

    write: Callable[[Node, str, Any], None]
    read: Callable[[Node, str], Any]


def plain_kind(hint: Any, whole: bool) -> Kind | None:
    """Return how a field of the type `hint` is held; None for what is not plain.

    With `whole` its arrays are integers, else of either type.
    """
    if hint in _NUMBERS:
        return _NUMBERS[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if hint is np.ndarray or origin is np.ndarray:
        return Kind(_write_array, _read_whole if whole else _read_array)
    if origin is tuple and parts and parts[0] in (int, float):
        return _tuple_kind(parts)
    if isinstance(origin, type) and issubclass(origin, Mapping) and parts == (str, Any):
        return Kind(_write_metadata, lambda node, name: metadata_from_json(node.get(name, str)))
    return None


def stored_type(array: Any) -> np.dtype:
    """Return the type that a file keeps an array in: float64, or int32 for integers."""
    return FLOATS if np.asarray(array).dtype.kind == "f" else INTEGERS


def _tuple_kind(parts: tuple[Any, ...]) -> Kind | None:
    count = None if parts[-1] is Ellipsis else len(parts)
    if any(part not in (parts[0], Ellipsis) for part in parts):
        return None
    if parts[0] is int:
        return Kind(_write_integers, lambda node, name: node.integers(name, count))
    return Kind(_write_reals, lambda node, name: _read_reals(node, name, count))


def _write_text(node: Node, name: str, value: Any) -> None:
    node.attributes[name] = str(value)


def _write_bool(node: Node, name: str, value: Any) -> None:
    node.attributes[name] = bool(value)


def _write_integer(node: Node, name: str, value: Any) -> None:
    node.attributes[name] = _integer(node, name, value)


def _integer(node: Node, name: str, value: Any) -> int:
    if int(value) != value or not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} of {node.path!r} is {value!r:.60}; it must be an integer")
    return int(value)


def _write_real(node: Node, name: str, value: Any) -> None:
    """An integer stays one: neurons of a chip have integers where others have fractions."""
    whole = isinstance(value, Integral)
    node.attributes[name] = _integer(node, name, value) if whole else float(value)


def _write_integers(node: Node, name: str, values: Any) -> None:
    node.attributes[name] = [_integer(node, name, value) for value in values]


def _write_metadata(node: Node, name: str, values: Mapping[str, Any]) -> None:
    node.attributes[name] = metadata_to_json(values)


def _write_array(node: Node, name: str, values: Any) -> None:
    array = np.asarray(values)
    if array.dtype.kind not in "fbiu":
        raise ValueError(f"{name} of {node.path!r} has type {array.dtype}; a file holds numbers")
    limits = np.iinfo(INTEGERS)
    if (
        array.dtype.kind != "f"
        and array.size
        and not (limits.min <= array.min() and array.max() <= limits.max)
    ):
        raise ValueError(f"{name} of {node.path!r} has integers of more than 32 bits; use fewer")
    node.arrays[name] = array.astype(stored_type(array), copy=False)


def _read_array(node: Node, name: str) -> np.ndarray:
    """A float64 or int64 array; `onchip.deploy.files.codec` checks the type afterwards."""
    array = node.array(name, None)
    if array.dtype not in (FLOATS, INTEGERS):
        raise node.wrong_type(name, FLOATS)
    return _frozen(array if array.dtype == FLOATS else array.astype(np.int64))


def _read_whole(node: Node, name: str) -> np.ndarray:
    return _frozen(node.array(name, INTEGERS).astype(np.int64))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _write_reals(node: Node, name: str, values: Any) -> None:
    node.arrays[name] = np.asarray(values, FLOATS)


def _read_reals(node: Node, name: str, count: int | None) -> tuple[float, ...]:
    array = node.array(name)
    if array.ndim != 1 or (count is not None and len(array) != count):
        raise ValueError(
            f"dataset {name!r} in {node.path!r} has shape {array.shape}; expected {count or 'some'}"
        )
    return tuple(array.tolist())


_NUMBERS: dict[Any, Kind] = {
    str: Kind(_write_text, lambda node, name: node.get(name, str)),
    bool: Kind(_write_bool, lambda node, name: node.get(name, bool)),
    int: Kind(_write_integer, lambda node, name: node.get(name, int)),
    float: Kind(_write_real, lambda node, name: node.real(name)),
}
