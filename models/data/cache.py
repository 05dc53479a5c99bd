"""Frames kept between runs, in files named by a hash of everything that went into them.

A file ends with a digest of its name and content (`onchip.files.seal`): what is damaged, comes from
another program or lies in another one's place is built again.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from onchip.files.seal import check_seal, seal
from onchip.files.targets import error_text, naming
from onchip.files.writing import write_bytes

FORMAT_VERSION = 2
"""Raised whenever the simulation or the framing changes what the same parameters give."""


def cache_directory(directory: str | Path | None = None) -> Path:
    """The folder of cached frames: the one given, else ``$ONCHIP_CACHE``, else the user's cache."""
    if directory is not None:
        return _expanded(directory)
    if os.environ.get("ONCHIP_CACHE"):
        return _expanded(os.environ["ONCHIP_CACHE"])
    if sys.platform == "darwin":
        return _expanded("~/Library/Caches/onchip")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _expanded(base) / "onchip"


def cache_file(name: str, key: Mapping[str, object], directory: str | Path | None = None) -> Path:
    """Where frames of this key are kept: ``<directory>/<name>-<hash of key and version>.npz``."""
    text = json.dumps({"version": FORMAT_VERSION, **key}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    return cache_directory(directory) / f"{name}-{digest}.npz"


def cached_frames(path: Path, build: Callable[[], np.ndarray]) -> np.ndarray:
    """The frames kept in a file, or built and kept there: uint8 [samples, ...].

    A file that cannot be read is built again, with a warning. A folder that cannot be written costs
    the next run its time, with a warning, and nothing else.
    """
    found = load_frames(path)
    if found is not None:
        return found
    frames = build()
    try:
        save_frames(path, frames)
    except (OSError, ValueError) as error:
        reason = error_text(error)
        warnings.warn(f"cache {path}: not written ({reason}); set ONCHIP_CACHE", stacklevel=2)
    return frames


def load_frames(path: Path) -> np.ndarray | None:
    """The frames of a file, None where there is none or it is damaged (said by a warning)."""
    try:
        if not path.is_file():
            return None
        data = path.read_bytes()
        check_seal(data, path.name)
        frames = _unpacked(data)
        if frames.dtype != np.uint8:
            raise ValueError(f"its frames have type {frames.dtype}")
        return frames
    except Exception as error:  # what damage makes of an archive raises anything
        reason = error_text(error)
        warnings.warn(f"cache {path}: damaged ({reason}); building it again", stacklevel=2)
        return None


def save_frames(path: Path, frames: np.ndarray) -> None:
    """Write frames to a file, all of it or nothing.

    Frames of 0 and 1 are kept as bits: an eighth of the size, and 20 times faster than compression.

    Raises:
        OSError: the folder cannot be written.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    if frames.max(initial=0) <= 1:
        np.savez(content, bits=np.packbits(frames), shape=np.array(frames.shape))
    else:
        np.savez_compressed(content, frames=frames)
    write_bytes(path, seal(content.getvalue(), path.name))


def _unpacked(data: bytes) -> np.ndarray:
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        if "frames" in stored.files:
            return np.asarray(stored["frames"])
        shape = tuple(stored["shape"])
        if min(shape, default=0) < 0:
            raise ValueError(f"its shape is {shape}")
        return np.unpackbits(stored["bits"], count=math.prod(shape)).reshape(shape)


def _expanded(path: str | Path) -> Path:
    """The path with ~ replaced; ValueError for a user that is unknown or has no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"cache folder {path}: {error}; set ONCHIP_CACHE") from None
