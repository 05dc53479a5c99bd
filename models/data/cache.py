"""Frames kept between runs, in files named by a hash of everything that went into them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

FORMAT_VERSION = 1
"""Raised whenever the simulation or the framing changes what the same parameters give."""

# What NumPy raises for a damaged .npz; AttributeError: the file holds a bare .npy
_DAMAGE = (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error)


def cache_directory(directory: str | Path | None = None) -> Path:
    """The folder of cached frames: the one given, else ``$ONCHIP_CACHE``, else the user's cache."""
    if directory is not None:
        return Path(directory).expanduser()
    if os.environ.get("ONCHIP_CACHE"):
        return Path(os.environ["ONCHIP_CACHE"]).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "onchip"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "onchip"


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
    except OSError as error:
        warnings.warn(f"cache {path}: not written ({error}); set ONCHIP_CACHE", stacklevel=2)
    return frames


def load_frames(path: Path) -> np.ndarray | None:
    """The frames of a file, None where there is none or it is damaged (said by a warning)."""
    if not path.is_file():
        return None
    try:
        # opened here: NumPy leaves a file open that it cannot read
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if "frames" in stored.files:
                return stored["frames"]
            shape = tuple(stored["shape"])
            return np.unpackbits(stored["bits"], count=math.prod(shape)).reshape(shape)
    except _DAMAGE as error:
        warnings.warn(f"cache {path}: damaged ({error}); building it again", stacklevel=2)
        return None


def save_frames(path: Path, frames: np.ndarray) -> None:
    """Write frames to a file, through a temporary one beside it, so that it is never half-written.

    Frames of 0 and 1 are kept as bits: an eighth of the size, and 20 times faster than compression.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".tmp", prefix=path.stem, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if frames.max(initial=0) <= 1:
                np.savez(file, bits=np.packbits(frames), shape=np.array(frames.shape))
            else:
                np.savez_compressed(file, frames=frames)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
