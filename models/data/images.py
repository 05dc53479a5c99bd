"""CIFAR-10 and CIFAR-100: pictures that are shown to a network as a constant input current.

    x[n] = (pixel / 255 - mean) / deviation        the same at every step n = 1..T, per channel

`mean` and `deviation` are those of the training set's pixels. A picture is kept once: the frames
are a view [samples, T, 3, 32, 32] whose steps are the same memory
(`onchip.models.data.dataset.hold`).

What is read is the official *binary* version, records of one label byte (CIFAR-100: two, coarse and
fine, of which the fine one counts) and 3072 bytes, the planes of red, green and blue row by row.
The python version holds pickles, which can run code when they are opened, and is refused. Nothing
is cached: these files are read as fast as a cache would be.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and the
description of the formats at www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onchip.models.data.dataset import DatasetInfo

CHANNELS, SIDE = 3, 32
_PIXELS = CHANNELS * SIDE * SIDE


@dataclass(frozen=True)
class ImageFiles:
    """The files of one data set of pictures.

    Attributes:
        info: its line in the table of data sets.
        folder: the folder under ``data_root``.
        train, test: names of the files of the parts.
        label_bytes: in front of each picture; the last one is the label.
        mean, deviation: of the channels in the training set, in units of the brightest value.
        archive: the name of the archive that holds the folder.
        pickled: folder and archive of the version that is refused.
        full_size: pictures in the complete (train, test) parts.
    """

    info: DatasetInfo
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    archive: str
    pickled: tuple[str, str]
    full_size: tuple[int, int] = (50_000, 10_000)

    @property
    def record(self) -> int:
        """Bytes of one picture with its label."""
        return self.label_bytes + _PIXELS


def _info(name: str, classes: int, archive: str) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        description=f"color pictures of {classes} classes, shown as a constant current",
        sensor_size=(SIDE, SIDE, CHANNELS),
        classes=classes,
        default_split="standard",
        splits={"standard": "the data set's own train and test parts"},
        simulated=False,
        obtain=f"unpack the binary version, {archive} (www.cs.toronto.edu/~kriz/cifar.html), "
        "in DATA_ROOT; the python version is pickled and is not read",
        images=True,
    )


IMAGES: dict[str, ImageFiles] = {
    "cifar10": ImageFiles(
        info=_info("cifar10", 10, "cifar-10-binary.tar.gz"),
        folder="cifar-10-batches-bin",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test=("test_batch.bin",),
        label_bytes=1,
        mean=(0.4914, 0.4822, 0.4465),
        deviation=(0.2470, 0.2435, 0.2616),
        archive="cifar-10-binary.tar.gz",
        pickled=("cifar-10-batches-py", "cifar-10-python.tar.gz"),
    ),
    "cifar100": ImageFiles(
        info=_info("cifar100", 100, "cifar-100-binary.tar.gz"),
        folder="cifar-100-binary",
        train=("train.bin",),
        test=("test.bin",),
        label_bytes=2,
        mean=(0.5071, 0.4865, 0.4409),
        deviation=(0.2673, 0.2564, 0.2762),
        archive="cifar-100-binary.tar.gz",
        pickled=("cifar-100-python", "cifar-100-python.tar.gz"),
    ),
}


def read_images(
    files: ImageFiles, data_root: str | Path | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """All pictures, train before test: uint8 [samples, 3, 32, 32], int64 labels, size of train.

    Raises:
        ValueError: no data_root, a file that holds no whole records or labels that do not exist.
        FileNotFoundError: the folder or a file is missing; says which, and what to do.
    """
    name = files.info.name
    if data_root is None:
        raise ValueError(f"{name}: needs data_root, the folder that holds {files.folder}/")
    root = Path(data_root).expanduser()
    _check_files(files, root)
    names = (*files.train, *files.test)
    parts = [_records(files, root / files.folder / name) for name in names]
    train = sum(len(part) for part in parts[: len(files.train)])
    records = np.concatenate(parts)
    pictures = records[:, files.label_bytes :].reshape(-1, CHANNELS, SIDE, SIDE)
    return pictures, records[:, files.label_bytes - 1].astype(np.int64), train


def normalised(pictures: np.ndarray, files: ImageFiles) -> np.ndarray:
    """Pixels uint8 [samples, 3, 32, 32] as currents, float32 of the same shape."""
    currents = np.empty(pictures.shape, np.float32)
    levels = np.arange(256) / 255
    for channel, (mean, deviation) in enumerate(zip(files.mean, files.deviation, strict=True)):
        table = ((levels - mean) / deviation).astype(np.float32)
        currents[:, channel] = table[pictures[:, channel]]
    return currents


def check_request(
    files: ImageFiles, time_steps: int, framing: str, binary: bool, size: int | None
) -> None:
    """Refuse settings of :func:`onchip.models.data.load_dataset` that are for events.

    Raises:
        ValueError: fewer than one step, a framing, counts, or another size than the pictures' own.
    """
    name = files.info.name
    if time_steps < 1:
        raise ValueError(f"time_steps = {time_steps} must be at least 1")
    if framing != "time" or not binary:
        what = f"framing {framing!r} cuts" if framing != "time" else "binary=False counts"
        raise ValueError(f"{name}: {what} events and pictures have none; leave it out")
    if size not in (None, SIDE):
        raise ValueError(f"{name}: size = {size}, but pictures stay {SIDE}x{SIDE}; leave it out")


def _records(files: ImageFiles, path: Path) -> np.ndarray:
    """The records of a file, uint8 [pictures, bytes of a record]."""
    content = np.fromfile(path, np.uint8)
    if content.size == 0 or content.size % files.record:
        raise ValueError(
            f"{path}: {content.size} bytes are no whole number of records of {files.record} bytes; "
            f"unpack {files.archive} again"
        )
    records = content.reshape(-1, files.record)
    largest = int(records[:, files.label_bytes - 1].max())
    if largest >= files.info.classes:
        raise ValueError(
            f"{path}: label {largest} is outside of 0..{files.info.classes - 1}; is it a file of "
            f"{files.info.name}'s binary version?"
        )
    return records


def _check_files(files: ImageFiles, root: Path) -> None:
    """Raise FileNotFoundError unless all files are there, with what to do about it."""
    base = root / files.folder
    lacking = [name for name in (*files.train, *files.test) if not (base / name).is_file()]
    if not lacking:
        return
    found = f"{', '.join(lacking)} missing in {base}" if base.is_dir() else f"no folder {base}"
    raise FileNotFoundError(f"{files.info.name}: {found}. To get it: {_advice(files, root)}")


def _advice(files: ImageFiles, root: Path) -> str:
    """What to do where files are missing: depends on what is there in their place."""
    if root.name == files.folder:
        return f"data_root should be the folder above, {root.parent}"
    if (root / files.archive).is_file():
        return f"unpack {files.archive} there"
    pickled = [name for name in files.pickled if (root / name).exists()]
    if pickled:
        return (
            f"{pickled[0]} is the python version, which is pickled: opening a pickle can run code, "
            f"so it is not read; unpack the binary version, {files.archive}, in {root} instead"
        )
    return files.info.obtain.replace("DATA_ROOT", str(root))
