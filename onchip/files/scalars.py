"""Figures over time in the file that TensorBoard reads, without TensorBoard.

The file is a sequence of records, each

    length (uint64) | masked CRC-32C of the length | data | masked CRC-32C of the data

all little-endian, mask(c) = ((c >> 15 | c << 17) + 0xa282ead8) mod 2^32. The data of each are a
protocol buffer `Event`: wall_time (1, double), step (2, int64), file_version (3, text), summary
(5), which holds values (1): tag (1, text) and simple_value (2, float). The first one has the
version alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from onchip.files.writing import write_bytes

NAME = "events.out.tfevents.0000000000.onchip"
"""The file's name in the folder of a run: TensorBoard looks for the first part."""


class Scalar(NamedTuple):
    """A figure `value` of this `tag` at a `step` (64 bits), known at `time` (seconds, Unix)."""

    step: int
    tag: str
    value: float
    time: float


def write_scalars(folder: str | Path, scalars: Iterable[Scalar]) -> None:
    """Write a run's file into its folder, which is made; the file is whole at any time."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    write_bytes(place / NAME, scalar_bytes(scalars))


def scalar_bytes(scalars: Iterable[Scalar]) -> bytes:
    """Return the file's bytes; those of more figures begin with those of fewer."""
    version = _double(1, 0.0) + _text(3, b"brain.Event:2")
    return b"".join([_record(version), *(_record(_event(scalar)) for scalar in scalars)])


def _event(scalar: Scalar) -> bytes:
    value = _text(1, scalar.tag.encode()) + _key(2, 5) + struct.pack("<f", scalar.value)
    step = _key(2, 0) + _varint(scalar.step)
    return _double(1, scalar.time) + step + _text(5, _text(1, value))


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _table() -> list[int]:
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = (entry >> 1) ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    return table


_TABLE = _table()


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _double(field: int, value: float) -> bytes:
    return _key(field, 1) + struct.pack("<d", value)


def _text(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
