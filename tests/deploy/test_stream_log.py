"""The log of a stream: CSV, TensorBoard's file, running accuracy, early stopping."""

from __future__ import annotations

import csv
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onchip.deploy import EarlyStopping, SampleEvent, StreamLog, build
from onchip.files.scalars import NAME, Scalar, crc32c, scalar_bytes


def event(index: int, label: int | None, prediction: int, **more: Any) -> SampleEvent:
    outputs = np.eye(3)[[prediction]]
    return SampleEvent(index, label, outputs, more.pop("spikes", {}), 0.25, **more)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_sample_with_the_accuracy_of_the_last_ones(tmp_path: Path) -> None:
    with StreamLog(tmp_path / "x.csv", window=2) as log:
        for sample in (event(0, 1, 1), event(1, None, 2), event(2, 2, 1), event(3, 0, 1)):
            log(sample)
        log(event(4, 1, 1, spikes={"a": np.eye(4)}, changes={"w": np.array([0.1, -0.5])}))
    found = rows(tmp_path / "x.csv")
    assert [row["sample"] for row in found] == list("01234")
    assert [row["label"] for row in found] == ["1", "", "2", "0", "1"]
    assert [row["correct"] for row in found] == ["1", "", "0", "0", "1"]
    assert [row["accuracy"] for row in found] == ["1.0", "1.0", "0.5", "0.0", "0.5"]
    assert found[4]["spikes"] == "0.25" and found[4]["change"] == "0.5"
    assert found[0]["spikes"] == found[0]["change"] == "" and found[0]["seconds"] == "0.25"


def test_a_log_that_goes_on_has_the_rows_of_one_that_never_stopped(tmp_path: Path) -> None:
    events = [event(i, i % 3, (i * i) % 3) for i in range(9)]
    with StreamLog(tmp_path / "whole.csv", window=4) as log:
        for each in events:
            log(each)
    with StreamLog(tmp_path / "parts.csv", window=4) as log:
        for each in events[:6]:  # one more than the state that is gone on from
            log(each)
    with StreamLog(tmp_path / "parts.csv", window=4, going_on=5) as log:
        for each in events[5:]:
            log(each)
    assert (tmp_path / "parts.csv").read_text() == (tmp_path / "whole.csv").read_text()
    with pytest.raises(ValueError, match=r"parts\.csv: it has 9 rows of a stream, but 20 samples"):
        StreamLog(tmp_path / "parts.csv", going_on=20)
    with pytest.raises(FileNotFoundError):
        StreamLog(tmp_path / "nowhere" / "x.csv")


def fields(data: bytes) -> list[tuple[int, Any]]:
    """(field, value) of a protocol buffer: an independent reader of the wire format."""
    found, at = [], 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(key & 7)
            if size is None:
                size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        found.append((key >> 3, value))
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            return value, at


def records(data: bytes) -> list[bytes]:
    """The records of a file, each held to its checksums by a bitwise CRC."""
    found, at = [], 0

    def checked(part: bytes, stored: bytes) -> None:
        crc = 0xFFFFFFFF
        for byte in part:
            crc ^= byte
            for _ in range(8):
                crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
        crc ^= 0xFFFFFFFF
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
        assert struct.unpack("<I", stored)[0] == masked

    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        checked(data[at : at + 8], data[at + 8 : at + 12])
        body = data[at + 12 : at + 12 + length]
        checked(body, data[at + 12 + length : at + 16 + length])
        found.append(body)
        at += 16 + length
    return found


def test_the_checksum_is_that_of_the_standard() -> None:
    """The check value of CRC-32C for the digits 1 to 9."""
    assert crc32c(b"123456789") == 0xE3069283


def test_tensorboards_file_holds_the_figures(tmp_path: Path) -> None:
    with StreamLog(tensorboard=tmp_path / "run", window=2) as log:
        log(event(0, 1, 1))
        log(event(1, 1, 2))
    first, *others = records((tmp_path / "run" / NAME).read_bytes())
    assert dict(fields(first))[3] == b"brain.Event:2"
    told = []
    for record in others:
        event_fields = dict(fields(record))
        (_, value) = fields(event_fields[5])[0]
        inside = dict(fields(value))
        assert struct.unpack("<d", event_fields[1])[0] > 1.7e9
        told.append((event_fields[2], inside[1], struct.unpack("<f", inside[2])[0]))
    assert told == [(0, b"stream/accuracy", 1.0), (1, b"stream/accuracy", 0.5)]


def test_more_figures_are_appended_to_fewer() -> None:
    scalars = [Scalar(step, "x", step / 2, 1e9) for step in (0, 1, 300, 70000)]
    whole = scalar_bytes(scalars)
    assert whole.startswith(scalar_bytes(scalars[:3])) and len(records(whole)) == 5
    assert dict(fields(records(whole)[-1]))[2] == 70000


def test_a_stream_ends_when_its_accuracy_no_longer_rises(dense, samples, rng, tmp_path) -> None:
    stop = EarlyStopping(patience=3, window=2)
    right = [1, 0, 1, 1, None, 1, 0, 1]
    ended = [stop(event(i, None if r is None else 1, int(bool(r)))) for i, r in enumerate(right)]
    assert ended == [False] * 7 + [True]  # the best, 1.0, at the fourth; three samples since
    frames, labels = samples(dense, 30, rng)
    with build(dense) as network, StreamLog(tmp_path / "x.csv") as log:
        stream = zip(frames, labels, strict=True)
        result = network.stream(stream, [log, EarlyStopping(patience=1, window=1)])
    assert result.stopped and result.samples < 30
    assert len(rows(tmp_path / "x.csv")) == result.samples
