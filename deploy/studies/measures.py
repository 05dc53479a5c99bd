"""Measures: numbers in the results of a step, by their names or by dotted paths to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def find_number(results: Mapping[str, Any], name: str) -> float | None:
    """Return the number of this name, `ways.direct.final` inside of tables; None without one.

    A name that holds dots itself comes before a path.
    """
    if name in results:
        value = results[name]
        return float(value) if _is_number(value) else None
    for key, value in results.items():
        if isinstance(value, Mapping) and name.startswith(f"{key}."):
            found = find_number(value, name.removeprefix(f"{key}."))
            if found is not None:
                return found
    return None


def number_names(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of all numbers that `find_number` knows."""
    for name, value in results.items():
        if _is_number(value):
            yield name
        elif isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in number_names(value))


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float))
