"""How kernels are compiled: with numba, kept on disk where that is possible, one thread.

This module imports numba; only kernels import this module. Assign arrays in loops (`copy`): numba's
`a[:] = b` brings the text of an error message along, which takes longer to compile than a kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}
"""For every kernel. No parallel loops: their threads do not survive a fork."""

UNCOUNTED: dict[str, Any] = {"_nrt": False}
"""No references are counted, which would take half of a small network's step. So a kernel makes no
array, and returns none."""

INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""For those that only kernels call: without what Python would call they compile faster."""


def jitted(function: Callable[..., Any]) -> Any:
    """The function compiled at its first call; Python may call it.

    What was compiled is kept beside the source, or in the user's cache folder, and again compiled
    in every process where neither can be written to.
    """
    return _compiled(function, {})


def inner(function: Callable[..., Any]) -> Any:
    """As `jitted`, for a function that other kernels alone call."""
    return _compiled(function, INNER)


def summing(function: Callable[..., Any]) -> Any:
    """As `inner`; sums may be taken in another order, so that they are vectorized."""
    return _compiled(function, {**INNER, "fastmath": {"reassoc", "contract"}})


def merged(function: Callable[..., Any]) -> Any:
    """As `inner`, for a long function with one caller: its lines become the caller's.

    LLVM would optimize it by itself, and once more within its caller.
    """
    return numba.njit(inline="always", **OPTIONS, **UNCOUNTED)(function)


def _compiled(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    options = {**OPTIONS, **UNCOUNTED, **options}
    try:
        compiled = numba.njit(cache=True, **options)(function)
        _stamp(compiled)
    except (RuntimeError, OSError, AttributeError):  # there is no folder to keep it in
        compiled = numba.njit(**options)(function)
    return compiled


def _stamp(compiled: Any) -> None:
    """Tie what is kept to all kernels' sources.

    numba looks at the file of the function alone, but a kernel contains those that it calls: after
    a change in another file it would go on with the old ones. Raises AttributeError where numba
    keeps its stamp elsewhere.
    """
    cache = compiled._cache._cache_file
    cache._source_stamp = (cache._source_stamp, *_sources())


def _sources() -> tuple[tuple[str, int, float], ...]:
    """Name, size and time of change of every file of this folder."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((f.name, f.stat().st_size, f.stat().st_mtime) for f in files)
