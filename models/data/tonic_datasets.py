"""CIFAR10DVS, NMNIST, DVSGesture and SHD, read by tonic from a folder that is there already.

Nothing is downloaded and nothing is written into the data set's folder, which may be read-only.
tonic's constructors download unless their own check finds the original archive and (nearly) all
files; here that check is replaced by one that accepts a user's local subset and names what is
missing. Reading is tonic's own: see :func:`without_download`. Which files are read is decided in
:mod:`onchip.models.data.recording_files`: tonic's listing leaves out folders that are links and
takes names that merely end in a suffix's letters. Recordings are in the order of their file names.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from onchip.models.data.bars import tqdm
from onchip.models.data.cache import cache_file, cached_frames
from onchip.models.data.dataset import stratified_split
from onchip.models.data.frames import Framing, to_frames
from onchip.models.data.tonic_layout import LAYOUTS, Layout, find_files
from onchip.objectives.given import check_labels

_CIFAR_TEST_INDEX = (
    900  # of a class's recordings 0..999 the first 900 are the paper's training part
)
_CIFAR_NAME = re.compile(r"_(\d+)\.aedat4$")


class Recording(NamedTuple):
    """One recording on disk: name for messages, file, label, part ("train" or "test"), reader."""

    name: str
    file: Path
    label: int
    part: str
    events: Callable[[], np.ndarray]


def find_recordings(name: str, data_root: str | Path | None) -> list[Recording]:
    """Every recording of a data set under ``data_root``, in a fixed order, train before test.

    Raises:
        ValueError: no data_root, a folder that is not the data set's, an unreadable file.
        FileNotFoundError: a folder or file is missing; says which, what belongs there, how to get
            it.
    """
    layout = LAYOUTS[name]
    if data_root is None:
        raise ValueError(f"{name}: needs data_root, the folder that holds {layout.folder}/")
    root = Path(data_root).expanduser()
    files = find_files(layout, root)
    recordings = list(_FINDERS[name](layout, root, files))
    return sorted(recordings, key=lambda r: r.part == "test")


def split_recordings(
    recordings: list[Recording], split: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(train, test) indices: "standard" by the recordings' parts, "random" stratified 90 to 10."""
    if split == "random":
        return stratified_split(np.array([r.label for r in recordings]), 0.9, seed)
    in_test = np.array([r.part == "test" for r in recordings])
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def recording_frames(
    recordings: list[Recording],
    framing: Framing,
    *,
    dataset: str,
    cache_dir: str | Path | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Frames of these recordings, uint8 [samples, time_steps, channels, height, width], cached.

    A recording counts as the same while its name, file size and time of change are.

    Raises:
        ValueError: a recording that cannot be read, is empty or has events outside of the sensor.
    """

    def build() -> np.ndarray:
        frames = np.empty((len(recordings), *framing.shape), np.uint8)
        shown = tqdm(recordings, dataset, disable=not progress, unit="sample")
        for place, recording in enumerate(shown):
            frames[place] = to_frames(recording.events(), framing, recording.name)
        return frames

    stats = [recording.file.stat() for recording in recordings]
    files = [
        [recording.name, stat.st_size, stat.st_mtime_ns]
        for recording, stat in zip(recordings, stats, strict=True)
    ]
    key = {"framing": asdict(framing), "files": files}
    return cached_frames(cache_file(dataset, key, cache_dir), build)


def without_download(dataset_class: type) -> type:
    """A tonic data set class that takes the files that are there and never downloads.

    It keeps the class's name, from which tonic derives the folder it looks in.
    """

    def refuse(self: object) -> None:
        raise FileNotFoundError(f"{dataset_class.__name__}: refusing to download")

    members = {"_check_exists": lambda self: True, "download": refuse}
    return type(dataset_class.__name__, (dataset_class,), members)


def _nmnist(layout: Layout, root: Path, files: Mapping[str, list[Path]]) -> Iterable[Recording]:
    """The digit is the name of the folder."""
    for part, name in zip(("train", "test"), layout.parts, strict=True):
        labels = [int(file.parent.name) for file in files[name]]
        yield from _recordings(layout, root, files[name], labels, part)


def _dvsgesture(layout: Layout, root: Path, files: Mapping[str, list[Path]]) -> Iterable[Recording]:
    """The gesture is the name of the file, 0 to 10."""
    valid = {str(label): label for label in range(layout.info.classes)}
    for part, name in zip(("train", "test"), layout.parts, strict=True):
        for file in files[name]:
            if file.stem not in valid:
                raise ValueError(
                    f"{file}: no gesture in the file name; expected 0 to {len(valid) - 1} and "
                    f"{layout.suffix}"
                )
        labels = [valid[file.stem] for file in files[name]]
        yield from _recordings(layout, root, files[name], labels, part)


def _cifar10dvs(layout: Layout, root: Path, files: Mapping[str, list[Path]]) -> Iterable[Recording]:
    """CIFAR10DVS has no parts: a recording's index in its file name decides, as in the paper."""
    dtype = _tonic().CIFAR10DVS.dtype
    numbered = [(layout.children.index(f.parent.name), _cifar_index(f), f) for f in files[""]]
    for part in ("train", "test"):
        chosen = [
            row for row in sorted(numbered) if (row[1] < _CIFAR_TEST_INDEX) == (part == "train")
        ]
        labels, _, paths = ([row[k] for row in chosen] for k in range(3))
        # aedat's dtype gives the polarity a second name, which NumPy's structured arrays stumble on
        yield from _recordings(layout, root, paths, labels, part, lambda e: e.astype(dtype))


def _cifar_index(file: Path) -> int:
    found = _CIFAR_NAME.search(file.name)
    if found is None:
        raise ValueError(
            f"{file}: no index in the file name; expected cifar10_<class>_<index>.aedat4"
        )
    return int(found.group(1))


def _shd(layout: Layout, root: Path, files: Mapping[str, list[Path]]) -> Iterable[Recording]:
    """SHD keeps all recordings of a part in one HDF5 file."""
    for part in ("train", "test"):
        dataset = _open(layout, root, train=part == "train")
        path = Path(dataset.location_on_system, dataset.data_filename)
        for index, label in enumerate(_shd_labels(path, layout.info.classes)):
            name = f"{layout.folder}/{path.name}[{index}]"
            yield Recording(name, path, int(label), part, partial(_read, dataset, index, name))


def _shd_labels(path: Path, classes: int) -> np.ndarray:
    """The labels of a file, one for each recording in it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            labels = file["labels"][()]
            count = len(file["spikes/times"]), len(file["spikes/units"])
        if count != labels.shape * 2:
            raise ValueError(f"{labels.shape} labels for {count} times and units")
        return check_labels(labels, len(labels), classes)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {_line(error)}; fetch the file again") from None


def _open(layout: Layout, root: Path, **arguments: object) -> Any:
    """The tonic data set in this folder, with the reasons why it does not open as a ValueError."""
    dataset_class = without_download(getattr(_tonic(), layout.folder))
    try:
        return dataset_class(str(root), **arguments)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{root / layout.folder}: tonic cannot open it ({_line(error)})"
        ) from error


def _tonic() -> Any:
    """tonic's data sets; imported when they are needed, for it takes seconds."""
    import numpy.lib.recfunctions  # noqa: F401 - tonic's DVSGesture uses it without importing it

    with warnings.catch_warnings():
        # in a notebook tonic's progress bars ask for widgets, and nothing here shows them
        warnings.filterwarnings("ignore", "IProgress not found")
        from tonic import datasets
    return datasets


def _recordings(
    layout: Layout,
    root: Path,
    files: list[Path],
    labels: list[int],
    part: str,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterable[Recording]:
    """Recordings in files of their own, read by a tonic data set that is told which they are."""
    with tempfile.TemporaryDirectory() as empty:
        dataset = _open(layout, Path(empty), transform=transform)
    dataset.data, dataset.targets = [str(file) for file in files], labels
    for index, (file, label) in enumerate(zip(files, labels, strict=True)):
        name = f"{layout.folder}/{file.relative_to(root / layout.folder).as_posix()}"
        yield Recording(name, file, label, part, partial(_read, dataset, index, name))


def _read(dataset: Any, index: int, name: str) -> np.ndarray:
    """Events of one recording by tonic's reader, whatever goes wrong in it as a ValueError."""
    try:
        events, _ = dataset[index]
    except Exception as error:  # the readers raise anything, a bare Exception included
        raise ValueError(f"{name}: cannot be read ({_line(error)}); fetch it again") from error
    return events


def _line(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split()) or type(error).__name__


_FINDERS: dict[str, Callable[..., Iterable[Recording]]] = {
    "cifar10dvs": _cifar10dvs,
    "nmnist": _nmnist,
    "dvsgesture": _dvsgesture,
    "shd": _shd,
}
