"""Arrays, and what JSON says about them, as the bytes of one .npz file with a digest."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from onchip.files.seal import check_seal, seal

_ABOUT = "about"


def pack(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the file's bytes; `about` is a mapping that JSON can hold."""
    stored: dict[str, Any] = {**arrays, _ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}
    content = io.BytesIO()
    np.savez(content, **stored)
    return seal(content.getvalue())


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `pack` was given; bytes that it did not make may raise any exception."""
    check_seal(data)
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return json.loads(arrays.pop(_ABOUT).tobytes()), arrays
