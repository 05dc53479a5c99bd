"""Lava's modules on Python 3.11 and later, which refuse what lava-nc 0.10.0 does with dataclasses.

Since 3.11 `dataclasses.dataclass` takes no default whose class has no `__hash__`, and a dataclass
with `__eq__` has none; one of Lava's is such a default, and nearly every module imports it. So
here `lava` and `lava.*` get another `dataclass` from the line `from dataclasses import dataclass`,
and nobody else does: the compiled code of a Lava module asks for this module where it asked for
`dataclasses`, which itself stays as it is, at every moment and in every thread.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import multiprocessing
import sys
from collections.abc import Sequence
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

__all__ = ["LavaFinder", "LavaLoader", "LavaMissingError", "dataclass", "import_lava", "install"]

REFUSED_SINCE = (3, 11)
"""The first Python that refuses Lava's dataclasses."""

NEEDED = ("asteval", "networkx", "scipy")
"""What Lava's simulator imports beside NumPy; pip does not look where Lava comes without it."""

COMMANDS = {
    "asteval": "pip install 'asteval<0.10'",
    "lava": "pip install --no-deps --ignore-requires-python lava-nc==0.10.0",
}
"""Package -> what installs it where its name alone does not: the pins of lava-nc itself, its last
release, leave Python 3.10 and NumPy 1 only, but it runs on all that this project runs on."""


class LavaMissingError(ModuleNotFoundError, ValueError):
    """Lava, or what it needs, is not installed; the message says how to get it.

    An ImportError to whoever tries whether Lava is there, a ValueError to whoever asked for it.
    """

    def __init__(self, reason: str, name: str) -> None:
        command = COMMANDS.get(name, f"pip install {name}")
        super().__init__(f"Lava's simulator is not installed ({reason}); get it by: {command}")
        self.name = name


def import_lava() -> None:
    """Import the first of Lava's modules.

    Raises LavaMissingError where Lava, or something that it needs, is not installed.
    """
    install()
    # At its first import lava sets the start method, and fails if a library (joblib, tqdm) did.
    chosen = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(None, force=True)
    try:
        importlib.import_module("lava.magma.runtime.message_infrastructure.multiprocessing")
    except ModuleNotFoundError as error:
        raise LavaMissingError(str(error), (error.name or "lava").partition(".")[0]) from None
    finally:
        multiprocessing.set_start_method(chosen, force=True)  # what the program wants is its own
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise LavaMissingError(f"it needs {name}", name)


def dataclass(cls: Any = None, /, **options: Any) -> Any:
    """`dataclasses.dataclass`, whose classes may be the default of another's field.

    Their instances have no hash still, as in Lava on Python 3.10: asking for it is a TypeError.
    """
    if cls is None:
        return partial(dataclass, **options)
    made = dataclasses.dataclass(cls, **options)
    if made.__hash__ is None:
        made.__hash__ = _no_hash
    return made


def _no_hash(self: object) -> int:
    raise TypeError(f"unhashable type: {type(self).__name__!r}")


def __getattr__(name: str) -> Any:
    """What else Lava's modules take from `dataclasses`."""
    return getattr(dataclasses, name)


class LavaLoader(SourceFileLoader):
    """Loads a module of Lava's from its source or its cached bytecode."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, importing from this module what it would from `dataclasses`.

        `from dataclasses import ...` only, which is all that Lava has: after `import dataclasses`
        the name would stand for the package `onchip`.
        """
        code = super().get_code(fullname)
        if code is None or "dataclasses" not in code.co_names:
            return code
        names = (__name__ if name == "dataclasses" else name for name in code.co_names)
        return code.replace(co_names=tuple(names))


class LavaFinder:
    """Finds `lava` and `lava.*` where they would be found without it, and gives them its loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a Lava module, None for every other module."""
        if fullname.partition(".")[0] != "lava":
            return None
        spec = self._found_by_others(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = LavaLoader(fullname, spec.loader.path)
        return spec

    def _found_by_others(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        # Python passes over a finder without find_spec as well.
        others = (f for f in sys.meta_path if f is not self and hasattr(f, "find_spec"))
        found = (finder.find_spec(fullname, path, target) for finder in others)
        return next((spec for spec in found if spec is not None), None)


def install() -> None:
    """Put the finder first on `sys.meta_path`, once, where the Python refuses Lava without it."""
    there = any(isinstance(finder, LavaFinder) for finder in sys.meta_path)
    if sys.version_info >= REFUSED_SINCE and not there:
        sys.meta_path.insert(0, LavaFinder())
