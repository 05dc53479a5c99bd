"""One recording from one file, by its suffix.

.npy          events as a structured array, or frames [T, channels, height, width]
.npz, .h5     t, x, y, p (in HDF5 also in a group "events"), "events", or "frames"
.aedat4       AEDAT 4, with the size of its sensor
.bin          N-MNIST's five bytes an event, of 34 x 34 pixels
.raw, .dat    Prophesee's, by the package expelliarmus
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from onchip.models.data.events import NAMES
from onchip.models.data.own.array_files import read_arrays
from onchip.models.data.own.samples import EVENTS, FRAMES, by_name

Size = tuple[int, int, int] | None


class Recording(NamedTuple):
    """What a file holds: `FRAMES` or `EVENTS`, the values, the size of the sensor if it says so."""

    kind: str
    values: Any
    sensor_size: Size


def read_recording(path: Path) -> Recording:
    """Return the recording in a file; ValueError, naming it, for one that cannot be read."""
    reader = READERS[path.suffix.lower()]
    try:
        return reader(path)
    except Exception as error:  # the readers of others raise anything, a bare Exception included
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise ValueError(f"{path}: it cannot be read ({reason}); record or copy it again") from None


def _array(path: Path) -> Recording:
    array = read_arrays(path)[""]
    if array.dtype.names is not None:
        return Recording(EVENTS, np.array(array), None)
    return _frames(path, array)


def _named(path: Path) -> Recording:
    arrays = read_arrays(path)
    inner = {n.split("/", 1)[1]: a for n, a in arrays.items() if n.lower().startswith("events/")}
    columns = {**arrays, **inner}
    key = by_name(arrays, "sensor_size", "sensor")
    size = None if key is None else _size(arrays[key])
    found = {letter: by_name(columns, *NAMES[letter]) for letter in "txyp"}
    if found["t"] is not None:
        return Recording(EVENTS, {k: columns[n] for k, n in found.items() if n is not None}, size)
    events = by_name(arrays, "events")
    if events is not None and np.asarray(arrays[events]).dtype.names is not None:
        return Recording(EVENTS, arrays[events], size)
    frames = by_name(arrays, "frames", "x", "data")
    if frames is None:
        raise ValueError(
            f"{path}: it holds {', '.join(sorted(arrays))[:60] or 'nothing'}; name its arrays t, "
            "x, y and p, or frames"
        )
    return _frames(path, arrays[frames])


def _frames(path: Path, array: np.ndarray) -> Recording:
    if array.ndim != 4:
        raise ValueError(
            f"{path}: a plain array of shape {array.shape} is neither frames [T, channels, height, "
            "width] nor named events; save events as a structured array with t, x, y and p"
        )
    return Recording(FRAMES, np.asarray(array), None)


def _aedat4(path: Path) -> Recording:
    import aedat

    decoder = aedat.Decoder(str(path))
    streams = {i: s for i, s in decoder.id_to_stream().items() if s["type"] == "events"}
    if not streams:
        raise ValueError(f"{path}: it holds no stream of events; record events")
    first = min(streams)
    packets = [packet["events"] for packet in decoder if packet["stream_id"] == first]
    if not packets:
        raise ValueError(f"{path}: no events; remove the recording")
    events = np.concatenate(packets)
    stream = streams[first]
    columns = {"t": events["t"], "x": events["x"], "y": events["y"], "p": events["on"]}
    return Recording(EVENTS, columns, (int(stream["width"]), int(stream["height"]), 2))


def _nmnist(path: Path) -> Recording:
    """Bytes x, y, then one bit of polarity and 23 of microseconds; y = 240 adds 2^13 of them."""
    content = np.fromfile(path, np.uint8)
    if content.size == 0 or content.size % 5:
        raise ValueError(
            f"{path}: {content.size} bytes are no whole number of events of 5 bytes; copy it again"
        )
    x, y, high, middle, low = content.reshape(-1, 5).astype(np.int64).T
    turns = np.cumsum(y == 240) * 2**13
    t = ((high & 127) << 16 | middle << 8 | low) + turns
    real = y != 240
    columns = {"t": t[real], "x": x[real], "y": y[real], "p": high[real] >> 7}
    return Recording(EVENTS, columns, (34, 34, 2))


def _prophesee(path: Path) -> Recording:
    try:
        package = importlib.import_module("expelliarmus")
    except ImportError:
        raise ValueError(
            f"{path}: {path.suffix} files are read by the package expelliarmus, which is not "
            "installed; install it (pip install expelliarmus, Python below 3.12), or convert the "
            "recording to .npy"
        ) from None
    header = _header(path)
    events = package.Wizard(encoding=_encoding(path, header)).read(str(path))
    return Recording(EVENTS, events, _geometry(header))


def _header(path: Path) -> str:
    """The lines that begin with %, at most 4 KiB."""
    with path.open("rb") as file:
        lines = file.read(4096).split(b"\n")
    found = []
    for line in lines:
        if not line.startswith(b"%"):
            break
        found.append(line.decode("ascii", "replace"))
    return "\n".join(found)


def _encoding(path: Path, header: str) -> str:
    if path.suffix.lower() == ".dat":
        return "dat"
    found = re.search(r"evt\s*([23])", header, re.IGNORECASE)
    if found is None:
        raise ValueError(
            f"{path}: its header names neither EVT 2.0 nor EVT 3.0; convert it with Metavision's "
            "tools"
        )
    return f"evt{found[1]}"


def _geometry(header: str) -> Size:
    """The size of the sensor, where the header says it in one of Prophesee's ways."""
    both = re.search(r"geometry[ :=]+(\d+)x(\d+)", header, re.IGNORECASE)
    if both is not None:
        return int(both[1]), int(both[2]), 2
    sides = [re.search(rf"\b{n}[ =]+(\d+)", header, re.IGNORECASE) for n in ("width", "height")]
    if None in sides:
        return None
    return int(sides[0][1]), int(sides[1][1]), 2  # type: ignore[index]


def _size(values: Any) -> Size:
    sides = [int(side) for side in np.ravel(values)]
    return (sides[0], sides[1], sides[2] if len(sides) > 2 else 2) if len(sides) > 1 else None


READERS: Mapping[str, Callable[[Path], Recording]] = {
    ".npy": _array,
    ".npz": _named,
    ".h5": _named,
    ".hdf5": _named,
    ".aedat4": _aedat4,
    ".bin": _nmnist,
    ".raw": _prophesee,
    ".dat": _prophesee,
}
"""Suffix, in small or capital letters -> what reads it."""
