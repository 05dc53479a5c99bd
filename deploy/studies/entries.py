"""Values of a study's settings: what a file of results can hold, so that a run is known by them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


def require_plain(where: str, value: Any) -> None:
    """Raise ValueError, naming `where`, for what is no text, finite number, switch, list or table.

    TOML has dates and times as well, and numbers that are not finite.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            require_plain(f"{where}.{name}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            require_plain(where, inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"study: {where} holds {value}; a number must be finite")
    elif not isinstance(value, (str, bool, int, float)):
        raise ValueError(
            f"study: {where} holds {value} ({type(value).__name__}); a value must be a text, a "
            "number, true or false, or a list of them: put a date in quotes"
        )


def require_values(name: str, values: Sequence[Any]) -> None:
    """Raise ValueError unless the grid's setting of this name has a list of distinct values."""
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError(f"study: grid {name} is {values!r}; it must be a list of values")
    require_plain(f"grid {name}", values)
    texts = [json.dumps(value, sort_keys=True) for value in values]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice is not None:
        raise ValueError(f"study: grid {name} holds {twice} twice; leave one out")
