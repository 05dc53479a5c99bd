"""Writers of tiny data sets in the layouts and file formats of the real ones."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from own_data import aedat4_bytes

CIFAR_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def nmnist_bytes(events: np.ndarray) -> bytes:
    """N-MNIST: five bytes an event: x, y, then polarity (1 bit) and microseconds (23 bits)."""
    rows = []
    for event in events:
        last = int(event["p"]) << 23 | int(event["t"])
        rows.append(struct.pack(">BBI", event["x"], event["y"], last << 8)[:5])
    return b"".join(rows)


def make_events(rng: np.random.Generator, count: int, width: int, height: int) -> np.ndarray:
    """Random events of 300 ms, sorted by time."""
    events = np.empty(count, [("t", int), ("x", int), ("y", int), ("p", bool)])
    events["t"] = np.sort(rng.integers(0, 300_000, count))
    events["x"], events["y"] = rng.integers(0, width, count), rng.integers(0, height, count)
    events["p"] = rng.integers(0, 2, count)
    return events


Tree = dict[str, np.ndarray]  # events by path below the data set's folder


@pytest.fixture
def cifar10dvs_tree(tmp_path: Path) -> Callable[..., Tree]:
    """Write a CIFAR10DVS folder with these indices in each class."""

    def write(indices: tuple[int, ...] = (2, 10, 900, 901)) -> Tree:
        rng = np.random.default_rng(1)
        tree: Tree = {}
        for name in CIFAR_CLASSES:
            for index in indices:
                tree[f"{name}/cifar10_{name}_{index}.aedat4"] = make_events(rng, 60, 128, 128)
        for path, events in tree.items():
            _write(tmp_path / "CIFAR10DVS" / path, aedat4_bytes(events))
        return tree

    return write


@pytest.fixture
def nmnist_tree(tmp_path: Path) -> Callable[..., Tree]:
    """Write an NMNIST folder with so many recordings of each digit."""

    def write(train: int = 2, test: int = 1) -> Tree:
        rng = np.random.default_rng(2)
        tree: Tree = {}
        for part, count in (("Train", train), ("Test", test)):
            for digit in range(10):
                for index in range(count):
                    tree[f"{part}/{digit}/{index:05}.bin"] = make_events(rng, 80, 34, 34)
        for path, events in tree.items():
            _write(tmp_path / "NMNIST" / path, nmnist_bytes(events))
        return tree

    return write


@pytest.fixture
def dvsgesture_tree(tmp_path: Path) -> Callable[..., Tree]:
    """Write a DVSGesture folder: one user a part, all gestures; times in whole milliseconds."""

    def write() -> Tree:
        rng = np.random.default_rng(3)
        tree: Tree = {}
        for folder in ("ibmGestureTrain/user01_lab", "ibmGestureTest/user24_led"):
            for gesture in range(11):
                events = make_events(rng, 70, 128, 128)
                events["t"] -= events["t"] % 1000
                tree[f"{folder}/{gesture}.npy"] = events
        for path, events in tree.items():
            rows = np.stack([events["x"], events["y"], events["p"], events["t"] // 1000], axis=1)
            target = tmp_path / "DVSGesture" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, rows.astype(np.int64))
        return tree

    return write


@pytest.fixture
def shd_tree(tmp_path: Path) -> Callable[..., Tree]:
    """Write SHD's HDF5 files: two recordings of each class in train, one in test."""

    def write() -> Tree:
        rng = np.random.default_rng(4)
        tree: Tree = {}
        (tmp_path / "SHD").mkdir()
        for name, count in (("shd_train.h5", 40), ("shd_test.h5", 20)):
            recordings = [make_events(rng, 50 + i, 700, 1) for i in range(count)]
            tree.update({f"{name}[{i}]": events for i, events in enumerate(recordings)})
            with h5py.File(tmp_path / "SHD" / name, "w") as file:
                file["labels"] = (np.arange(count) % 20).astype(np.uint16)
                file["extra/keys"] = np.array([b"zero", b"one"])
                file["extra/speaker"] = np.zeros(count, np.uint16)
                _ragged(file, "spikes/times", [e["t"] / 1e6 for e in recordings], np.float64)
                _ragged(file, "spikes/units", [e["x"] for e in recordings], np.uint16)
        return tree

    return write


def _ragged(file: h5py.File, name: str, rows: list[np.ndarray], dtype: type) -> None:
    data = file.create_dataset(name, (len(rows),), dtype=h5py.vlen_dtype(dtype))
    for i, row in enumerate(rows):
        data[i] = row.astype(dtype)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
