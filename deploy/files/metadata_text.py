"""Metadata as the text that a file holds: JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from onchip.metadata import plain_metadata


def metadata_to_json(metadata: Mapping[str, Any]) -> str:
    """Metadata as text; ValueError for what JSON cannot hold (NaN included)."""
    try:
        return json.dumps(plain_metadata(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"metadata cannot be written as JSON ({error}); use plain values"
        ) from None


def metadata_from_json(text: str) -> dict[str, Any]:
    """Metadata from text; ValueError unless it is a JSON object.

    NaN and infinite numbers, which JSON has not got and other writers put there all the same,
    become None, so that what was loaded can be saved again.
    """
    try:
        values = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"metadata is not JSON ({error})") from None
    if not isinstance(values, dict):
        raise ValueError("metadata is not a JSON object")
    return values


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
