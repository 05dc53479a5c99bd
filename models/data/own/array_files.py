"""One file that holds all samples: .npy and .npz of NumPy, .h5 of HDF5.

Names are taken in small or capital letters. Frames: `frames` (or x, data) with `labels` (or y,
targets), or both with `train_` and `test_` before them (x_train, y_train too). Events of all
samples in turn: t, x, y, p (see `onchip.models.data.events`) with `offsets` [samples + 1] or
`sample` [events], or the lists `spikes/times` (seconds) and `spikes/units` of SHD and SSC; with
`labels`, and `sensor_size` (width, height, polarities) if it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onchip.models.data.events import NAMES
from onchip.models.data.own.event_files import column_events, list_events
from onchip.models.data.own.samples import (
    FRAMES,
    SHD,
    Samples,
    by_name,
    five_sides,
    frame_type,
    label_numbers,
    numbered,
)

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
FRAME_NAMES = ("frames", "x", "data", "images", "samples")
LABEL_NAMES = ("labels", "label", "y", "targets", "target", "classes")


def find_in_file(
    path: Path, labels: Path | None, sensor_size: tuple[int, int, int] | None
) -> Samples:
    """Return the samples of one file; errors as of `find_samples`."""
    arrays = read_arrays(path)
    given = None if labels is None else _labels_file(labels)
    parts = _parts_of(arrays)
    if parts is not None:
        if labels is not None:
            raise ValueError(
                f"{path}: its training and test part have labels of their own, so those of "
                f"{labels} would not be used; leave --labels out"
            )
        return _frames(path, *parts)
    names = {letter: by_name(arrays, *NAMES[letter]) for letter in "txyp"}
    if names["t"] is not None and (by_name(arrays, "offsets", "sample", "samples") is not None):
        # The column y is a place on the sensor, although frames may have their labels in a `y`.
        others = {name: array for name, array in arrays.items() if name not in names.values()}
        return column_events(path, arrays, names, _labels_of(path, others, given), sensor_size)
    if all(name in arrays for name in SHD):
        return list_events(path, arrays, _labels_of(path, arrays, given), sensor_size)
    key = "" if "" in arrays else by_name(arrays, *FRAME_NAMES)
    if key is None:
        raise ValueError(
            f"{path}: it holds {', '.join(sorted(arrays))[:80] or 'nothing'}; name the arrays "
            "frames and labels, or t, x, y, p, offsets and labels"
        )
    return _frames(path, arrays[key], _labels_of(path, arrays, given))


def read_arrays(path: Path) -> Mapping[str, Any]:
    """Return the arrays of a file by their names, "" for that of a .npy.

    Raises ValueError, naming the file, for one that is damaged or would need pickle.
    """
    try:
        if path.suffix.lower() == ".npy":
            return {"": np.load(path, mmap_mode="r", allow_pickle=False)}
        if path.suffix.lower() == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        return _hdf5(path)
    except Exception as error:  # NumPy, zipfile and HDF5 raise anything of what is damaged
        if isinstance(error, FileNotFoundError):
            raise
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        pickled = "pickle" in reason or "objects" in reason
        hint = "; save it again" + pickled * " without objects"
        raise ValueError(f"{path}: it cannot be read ({reason}){hint}") from None


def _hdf5(path: Path) -> dict[str, Any]:
    import h5py

    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:

        def take(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                text = h5py.check_string_dtype(item.dtype) is not None
                found[name] = item.asstr()[()].astype(str) if text and item.shape else values

        file.visititems(take)
        if "sensor_size" in file.attrs:
            found["sensor_size"] = file.attrs["sensor_size"]
    return found


def _parts_of(arrays: Mapping[str, Any]) -> tuple[Any, Any, int] | None:
    """(frames, labels, number of training samples) of arrays with a training and a test part."""
    found: list[Any] = []
    for part in ("train", "test"):
        for names in (FRAME_NAMES, LABEL_NAMES):
            wanted = [f"{part}{sep}{n}" for n in names for sep in ("_", "/")]
            wanted += [f"{n}_{part}" for n in names]
            found.append(by_name(arrays, *wanted))
    if None in found:
        return None
    x_train, y_train, x_test, y_test = (arrays[name] for name in found)
    frames = np.concatenate([x_train, x_test])
    return frames, np.concatenate([y_train, y_test]), len(y_train)


def _labels_of(path: Path, arrays: Mapping[str, Any], given: Any) -> Any:
    if given is not None:
        return given
    key = by_name(arrays, *LABEL_NAMES)
    if key is not None:
        return arrays[key]
    for name in (f"{path.stem}_labels.npy", f"{path.stem}.labels.npy", "labels.npy"):
        if path.suffix.lower() == ".npy" and (path.parent / name).is_file():
            return _labels_file(path.parent / name)
    raise ValueError(
        f"{path}: it holds no labels; put an array 'labels' into it, or name a file with --labels"
    )


def _labels_file(path: Path) -> Any:
    """Labels in a .npy, in a .npz or .h5 under their name, or one a line in a text file.

    A name may hold blanks; numbers may share a line. Empty lines are left out.
    """
    if not path.is_file():
        raise FileNotFoundError(f"labels {path} does not exist; name a .npy or text file")
    if path.suffix.lower() in SUFFIXES:
        arrays = read_arrays(path)
        key = "" if "" in arrays else by_name(arrays, *LABEL_NAMES)
        if key is None:
            raise ValueError(f"labels {path}: it holds no array 'labels'; name it so")
        return arrays[key]
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"labels {path}: it is no text; give one label a line") from None
    words = text.split()
    if all(word.lstrip("-").isdigit() for word in words):
        return np.array([int(word) for word in words])
    return np.array([line.strip() for line in text.splitlines() if line.strip()])


def _frames(path: Path, frames: Any, labels: Any, train: int | None = None) -> Samples:
    array = np.asarray(frames)
    shape = five_sides(array.shape, str(path))
    numbers, classes = label_numbers(labels, str(path))
    if len(numbers) != shape[0]:
        raise ValueError(
            f"{path}: {shape[0]} samples and {len(numbers)} labels; give one label for each sample"
        )
    typed = frame_type(array.reshape(shape), str(path))
    parts = None if train is None else (np.arange(train), np.arange(train, len(numbers)))
    return Samples(
        path,
        FRAMES,
        f"one {path.suffix} file",
        numbers,
        classes,
        numbered(path, len(numbers)),
        lambda index: typed[index],
        frame_shape=shape[1:],  # type: ignore[arg-type]
        parts=parts,
        files=(path,),
    )
