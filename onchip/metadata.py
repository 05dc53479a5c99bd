"""Metadata as files keep it: what JSON holds, and nothing that it would change on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain_metadata(metadata: Any, where: str = "metadata") -> dict[str, Any]:
    """A copy of `metadata` in JSON's own types: saved and loaded it is equal to itself.

    Tuples and arrays become lists, NumPy's numbers Python's, and keys that are integers text.
    Raises ValueError, naming the entry, for NaN, infinite numbers, other types and clashing keys.
    """
    if not isinstance(metadata, Mapping):
        raise ValueError(f"{where} is a {type(metadata).__name__}; it must map names to values")
    try:
        return _plain_mapping(metadata, where)
    except RecursionError:
        raise ValueError(
            f"{where} is nested too deeply, or holds itself; use plain values"
        ) from None


def _plain_mapping(values: Mapping[Any, Any], where: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(key, bool) or not isinstance(key, (str, int, np.integer)):
            raise ValueError(f"{where} has the key {key!r}; use text")
        name = str(key)
        if name in plain:
            raise ValueError(
                f"{where} has the key {name!r} twice, as text and as a number; use text"
            )
        plain[name] = _plain(value, f"{where} {name!r}")
    return plain


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which JSON cannot hold; use None or text")
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(entry, where) for entry in value]
    if isinstance(value, Mapping):
        return _plain_mapping(value, where)
    raise ValueError(
        f"{where} is a {type(value).__name__}, which JSON cannot hold; use plain values"
    )
