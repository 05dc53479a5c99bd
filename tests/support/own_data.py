"""Writers of data of one's own, one for each form that is read."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

STEPS, SIZE, CLASSES, SAMPLES = 6, (12, 10, 2), 3, 30
"""Steps of frames, sensor (width, height, polarities), classes, samples."""

LABELS = np.arange(SAMPLES) % CLASSES
FIELDS = [("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.int8)]


def events_of(index: int, count: int = 120) -> np.ndarray:
    """A recording of 60 ms in a band of columns that its class is known by."""
    rng = np.random.default_rng(index)
    width, height, polarities = SIZE
    band = width // CLASSES
    events = np.zeros(count, FIELDS)
    events["t"] = np.sort(rng.integers(0, 60_000, count))
    events["x"] = band * LABELS[index] + rng.integers(0, band, count)
    events["y"] = rng.integers(0, height, count)
    events["p"] = rng.integers(0, polarities, count)
    return events


def frames_of(index: int) -> np.ndarray:
    """The events as frames [T, 2, height, width], by a loop."""
    events = events_of(index)
    frames = np.zeros((STEPS, SIZE[2], SIZE[1], SIZE[0]), np.uint8)
    first, last = events["t"].min(), events["t"].max() + 1
    for event in events:
        step = (int(event["t"]) - int(first)) * STEPS // int(last - first)
        frames[step, event["p"], event["y"], event["x"]] = 1
    return frames


ALL_FRAMES = np.stack([frames_of(i) for i in range(SAMPLES)])


def npz_frames(folder: Path) -> Path:
    np.savez(folder / "frames.npz", Frames=ALL_FRAMES, Labels=LABELS)
    return folder / "frames.npz"


def npz_parts(folder: Path) -> Path:
    path = folder / "parts.npz"
    parts = {"x_train": ALL_FRAMES[:24], "y_train": LABELS[:24]}
    np.savez(path, **parts, x_test=ALL_FRAMES[24:], y_test=LABELS[24:])
    return path


def npy_frames(folder: Path) -> Path:
    np.save(folder / "spikes.npy", ALL_FRAMES.astype(np.float64))
    np.save(folder / "spikes_labels.npy", LABELS)
    return folder / "spikes.npy"


def h5_frames(folder: Path) -> Path:
    with h5py.File(folder / "frames.h5", "w") as file:
        file["data"] = ALL_FRAMES.astype(np.float32)
        file["labels"] = [f"class {label}".encode() for label in LABELS]
    return folder / "frames.h5"


def _columns() -> dict[str, np.ndarray]:
    recordings = [events_of(i) for i in range(SAMPLES)]
    together = np.concatenate(recordings)
    offsets = np.cumsum([0, *(len(r) for r in recordings)])
    return {**{name: together[name] for name in "txyp"}, "offsets": offsets}


def npz_events(folder: Path) -> Path:
    np.savez(folder / "events.npz", **_columns(), labels=LABELS, sensor_size=SIZE)
    return folder / "events.npz"


def h5_events(folder: Path) -> Path:
    columns = _columns()
    columns["sample"] = np.repeat(np.arange(SAMPLES), np.diff(columns.pop("offsets")))
    with h5py.File(folder / "events.h5", "w") as file:
        for name, values in {**columns, "labels": LABELS}.items():
            file[name] = values
        file.attrs["sensor_size"] = SIZE
    return folder / "events.h5"


def by_class(suffix: str, write: Callable[[Path, int], None], parts: bool = False):
    """A writer of a folder of recordings by class, with a training and a test part or without."""

    def make(folder: Path) -> Path:
        root = folder / f"recordings{suffix}"
        for index in range(SAMPLES):
            part = ("Train" if index < 24 else "TEST") if parts else ""
            place = root / part / f"c{LABELS[index]}"
            place.mkdir(parents=True, exist_ok=True)
            write(place / f"{index:03}{suffix}", index)
        (root / ".DS_Store").write_text("no recording")
        return root

    return make


def write_npy(path: Path, index: int) -> None:
    np.save(path, events_of(index))


def write_npz(path: Path, index: int) -> None:
    events = events_of(index)
    np.savez(path, **{name: events[name] for name in "txyp"}, sensor_size=SIZE)


def write_h5(path: Path, index: int) -> None:
    events = events_of(index)
    with h5py.File(path, "w") as file:
        for name in "txyp":
            file[f"events/{name}"] = events[name]
        file["sensor_size"] = SIZE


def write_frames(path: Path, index: int) -> None:
    np.save(path, frames_of(index))


def write_nmnist(path: Path, index: int) -> None:
    """Five bytes an event: x, y, polarity (1 bit) and microseconds (23 bits)."""
    content = b""
    for event in events_of(index):
        last = int(event["p"]) << 23 | int(event["t"])
        content += struct.pack(">BBI", event["x"], event["y"], last << 8)[:5]
    path.write_bytes(content)


def write_dat(path: Path, index: int) -> None:
    """Prophesee's .dat: a header of lines, two bytes, then 32 bits of time and of x, y, p each."""
    content = b"% Data file\n% Version 2\n% Height 10\n% Width 12\n\x00\x08"
    for event in events_of(index):
        place = int(event["x"]) | int(event["y"]) << 14 | int(event["p"]) << 28
        content += struct.pack("<II", int(event["t"]), place)
    path.write_bytes(content)


def write_aedat4(path: Path, index: int) -> None:
    path.write_bytes(aedat4_bytes(events_of(index)))


def read_dat(path: str) -> np.ndarray:
    """What expelliarmus returns of a .dat file: a structured array."""
    content = Path(path).read_bytes()
    start = content.index(b"Width 12\n") + 11
    raw = np.frombuffer(content[start:], "<u4").reshape(-1, 2)
    events = np.zeros(len(raw), FIELDS)
    events["t"], place = raw[:, 0], raw[:, 1]
    events["x"], events["y"] = place & 0x3FFF, place >> 14 & 0x3FFF
    events["p"] = place >> 28 & 1
    return events


def aedat4_bytes(events: np.ndarray) -> bytes:
    """An uncompressed AEDAT 4.0 file with one packet of events (fields t, x, y, p)."""
    text = (
        b'<dv version="2.0"><node name="outInfo" path="/"><node name="0" path="/0/">'
        b'<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/0/info/">'
        b'<attr key="sizeX" type="int">128</attr><attr key="sizeY" type="int">128</attr>'
        b"</node></node></node></dv>"
    )
    # IOHeader: root table at 20, vtable (10 bytes) at 8, only the third field, the text, at 28
    header = struct.pack("<I4s5HxxiI", 20, b"IOHE", 10, 8, 0, 0, 4, 12, 4)
    header += struct.pack("<I", len(text)) + text + b"\0"
    # EventPacket: root table at 16, vtable (6 bytes) at 8, the vector of events at 24
    packet = struct.pack("<I4s3HxxiI", 16, b"EVTS", 6, 8, 4, 8, 4) + struct.pack("<I", len(events))
    for event in events:
        packet += struct.pack("<qhh?xxx", *(event[name] for name in ("t", "x", "y", "p")))
    sized = struct.pack("<I", len(packet)) + packet
    start = b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header
    return start + struct.pack("<II", 0, len(sized)) + sized
