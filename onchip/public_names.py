"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def lazy_names(
    package: str,
    names: Iterable[str],
    homes: Mapping[str, str],
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package with the public `names`.

    `homes`: the module of each name, which is imported when the name is first used.
    """

    def __getattr__(name: str) -> Any:
        """Import a public name from its module."""
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    def __dir__() -> list[str]:
        """The public names."""
        return sorted(names)

    return __getattr__, __dir__
