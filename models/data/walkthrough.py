"""The event data of the notebooks: a user's CIFAR10-DVS, or a small set made in its layout.

The made set has CIFAR10-DVS's class folders, file names and file format (AEDAT 4.0), so that both
are read by the same tonic class through :func:`onchip.models.data.load.load_dataset`. Its
recordings show scikit-learn's handwritten digits (digit k in the folder of class k) to the
simulated camera of :class:`onchip.models.data.event_camera.EventCamera`, with the 128x128 pixels of
CIFAR10-DVS's sensor and one of the six loops of its protocol. It is no CIFAR10-DVS: every figure on
it has to say so, for which there is :attr:`Walkthrough.caption`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from onchip.models.data.cache import cache_directory
from onchip.models.data.dataset import FrameDataset
from onchip.models.data.digits_dvs import load_digits
from onchip.models.data.event_camera import EventCamera
from onchip.models.data.load import load_dataset
from onchip.models.data.sensor import SensorConfig
from onchip.models.data.tonic_layout import LAYOUTS

DATA, QUICK = "ONCHIP_DATA", "ONCHIP_QUICK"
"""Environment variables: the folder of a CIFAR10-DVS, and whether to take little time."""

SENSOR = SensorConfig(
    pixels=128, monitor_per_scene_pixel=48.0, loops=1, threshold=0.15, noise_rate=0.2
)
"""Sees 512x512 monitor pixels, as the one of CIFAR10-DVS; a digit covers 96x96 of its pixels."""

TIME_STEPS, SIZE = 10, 48
"""Frames of a sample and their side, as in Xiao et al. 2022."""

_LAYOUT = LAYOUTS["cifar10dvs"]
_FIRST_TEST = 900  # of a class's indices, see onchip.models.data.tonic_datasets
_FORMAT_VERSION = 1  # raised whenever the same parameters give other recordings
_AEDAT_EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?"), ("pad", "V3")])


@dataclass(frozen=True)
class Walkthrough:
    """What a notebook works on.

    Attributes:
        train, test: frames by number of events, 0/1, uint8 [samples, 10, 2, 48, 48].
        caption: which data that is, in one sentence for the figures.
        made: True for the set that is made here, False for a user's CIFAR10-DVS.
        quick: whether little time is to be taken.
        results: a folder of this data's own, for what one notebook leaves to the next.
    """

    train: FrameDataset
    test: FrameDataset
    caption: str
    made: bool
    quick: bool
    results: Path


def open_cifar10dvs(
    root: str | Path | None = None,
    *,
    quick: bool | None = None,
    limit: int | None = None,
    seed: int = 0,
    cache_dir: str | Path | None = None,
) -> Walkthrough:
    """The user's CIFAR10-DVS, or the made set where there is none, as frames.

    Ten frames a sample of equally many events each, binary, pooled to 48x48: the paper's.

    Args:
        root: a folder CIFAR10DVS with the ten class folders, or the folder that holds it; None
            takes ``$ONCHIP_DATA``, and makes a set where that is not set either.
        quick: a small part of the user's data, or a smaller made set; None takes ``$ONCHIP_QUICK``.
        limit: at most so many samples in each part, balanced over the classes; None takes 120 of
            the user's with `quick`, otherwise all.
        seed: draws the made set's digits, jitter and noise.
        cache_dir: where the made set, frames and results are kept; None takes ``$ONCHIP_CACHE`` or
            the user's cache.

    Raises:
        ValueError: a value out of range, a damaged recording.
        FileNotFoundError: no CIFAR10-DVS in the folder given; the message says what to do.
    """
    quick = quick_run() if quick is None else quick
    if given := root or os.environ.get(DATA):
        folder, made = _data_root(Path(given).expanduser()), False
        limit = 120 if quick and limit is None else limit
    else:
        train, test = (12, 4) if quick else (30, 10)
        folder, made = made_cifar10dvs(train, test, seed=seed, cache_dir=cache_dir), True
    parts = load_dataset(
        "cifar10dvs",
        data_root=folder,
        time_steps=TIME_STEPS,
        framing="count",
        size=SIZE,
        limit=limit,
        cache_dir=cache_dir,
    )
    return Walkthrough(
        *parts,
        caption=_caption(*parts, made),
        made=made,
        quick=quick,
        results=_results(folder, quick, cache_dir),
    )


def quick_run() -> bool:
    """Whether ``$ONCHIP_QUICK`` asks to take little time.

    Raises:
        ValueError: it is neither 0 nor 1 nor empty.
    """
    value = os.environ.get(QUICK, "")
    if value not in ("", "0", "1"):
        raise ValueError(f"{QUICK} is {value!r}; set it to 1 for quick runs, to 0 for full ones")
    return value == "1"


def made_cifar10dvs(
    train: int,
    test: int,
    *,
    seed: int = 0,
    sensor: SensorConfig = SENSOR,
    cache_dir: str | Path | None = None,
) -> Path:
    """A folder with a made CIFAR10DVS of so many recordings per class, made where it is missing.

    The same numbers, seed and sensor give the same files. Digits are drawn without repetition, so
    that no digit is in both parts.

    Raises:
        ValueError: too few or too many recordings.
    """
    pictures, labels = load_digits()
    most = int(np.bincount(labels).min())
    if min(train, test) < 1 or train + test > most:
        raise ValueError(
            f"made set: {train} + {test} recordings per class; take at least 1 + 1 and at most "
            f"{most} in all, the digits there are"
        )
    key = {"train": train, "test": test, "seed": seed, "sensor": asdict(sensor)}
    folder = cache_directory(cache_dir) / f"walkthrough-{_digest(key)}"
    if not folder.is_dir():
        _make(folder, EventCamera(sensor), pictures, _draw(labels, train, test, seed), seed)
    return folder


def write_aedat4(path: str | Path, events: np.ndarray) -> None:
    """Write an uncompressed AEDAT 4.0 file with one packet of events of a 128x128 sensor.

    Args:
        path: the file; what it held before is lost.
        events: structured array [events] with fields t (microseconds), x, y and p.

    The format's tables are FlatBuffers (AEDAT 4.0 specification, inivation).
    """
    side = SENSOR.pixels
    text = (
        '<dv version="2.0"><node name="outInfo" path="/"><node name="0" path="/0/">'
        '<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/0/info/">'
        f'<attr key="sizeX" type="int">{side}</attr><attr key="sizeY" type="int">{side}</attr>'
        "</node></node></node></dv>"
    ).encode()
    packed = np.zeros(len(events), _AEDAT_EVENT)
    for name in ("t", "x", "y", "p"):
        packed[name] = events[name]
    # IOHeader: root table at 20, its vtable of 10 bytes at 8, the third field a string at 28
    header = struct.pack("<I4s5HxxiI", 20, b"IOHE", 10, 8, 0, 0, 4, 12, 4)
    header += struct.pack("<I", len(text)) + text + b"\0"
    # EventPacket: root table at 16, its vtable of 6 bytes at 8, the vector of events at 24
    packet = struct.pack("<I4s3HxxiI", 16, b"EVTS", 6, 8, 4, 8, 4)
    packet += struct.pack("<I", len(packed)) + packed.tobytes()
    sized = struct.pack("<I", len(packet)) + packet
    start = b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header
    Path(path).write_bytes(start + struct.pack("<II", 0, len(sized)) + sized)


def _draw(labels: np.ndarray, train: int, test: int, seed: int) -> dict[str, int]:
    """Path below the data set's folder -> index of the digit that the recording shows."""
    drawn = {}
    indices = [*range(train), *range(_FIRST_TEST, _FIRST_TEST + test)]
    for label, name in enumerate(_LAYOUT.children):
        rng = np.random.default_rng([seed, label])
        digits = rng.permutation(np.flatnonzero(labels == label))
        for index, digit in zip(indices, digits, strict=False):
            drawn[f"{name}/cifar10_{name}_{index}{_LAYOUT.suffix}"] = int(digit)
    return drawn


def _make(
    folder: Path, camera: EventCamera, pictures: np.ndarray, drawn: dict[str, int], seed: int
) -> None:
    """Record the digits into a folder beside, then move it into its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for path, digit in drawn.items():
            file = scratch / _LAYOUT.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([seed, digit])
            write_aedat4(file, camera.record(pictures[digit], rng))
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another process made the same set meanwhile
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _data_root(given: Path) -> Path:
    """What tonic takes: the folder that holds the folder CIFAR10DVS."""
    inside = given.name == _LAYOUT.folder and not (given / _LAYOUT.folder).is_dir()
    return given.parent if inside else given


def _results(folder: Path, quick: bool, cache_dir: str | Path | None) -> Path:
    kind = "quick" if quick else "full"
    name = f"walkthrough-results-{_digest({'data': str(folder.resolve())})}-{kind}"
    results = cache_directory(cache_dir) / name
    results.mkdir(parents=True, exist_ok=True)
    return results


def _caption(train: FrameDataset, test: FrameDataset, made: bool) -> str:
    count = f"{len(train)} training and {len(test)} test recordings"
    if made:
        return (
            f"Data: made set, handwritten digits before a simulated event camera in CIFAR10-DVS's "
            f"layout ({count}); not CIFAR10-DVS itself"
        )
    return f"Data: CIFAR10-DVS as given by the user ({count})"


def _digest(key: dict[str, object]) -> str:
    text = json.dumps({"version": _FORMAT_VERSION, **key}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
