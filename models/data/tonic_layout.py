"""Where tonic's data sets lie on disk, what must be there, and what to tell who has not got it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onchip.models.data.dataset import DatasetInfo
from onchip.models.data.recording_files import StrayRecordings, recording_files

_STANDARD = {"standard": "the data set's own train and test parts"}
_CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
)  # fmt: skip
_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Layout:
    """The files of one tonic data set.

    Attributes:
        info: its line in the table of data sets.
        folder: the name of tonic's class, and of its folder under ``data_root``.
        parts: folders of the parts, or files for one-file parts ("": the data set's folder itself).
        children: folders that each part must have; empty where they are not fixed.
        child_pattern: what the name of a folder with recordings must match.
        suffix: of the recordings.
        archives: names of the archives they come in.
        full_size: recordings in the complete (train, test) parts.
    """

    info: DatasetInfo
    folder: str
    parts: tuple[str, ...]
    children: tuple[str, ...]
    child_pattern: str
    suffix: str
    archives: tuple[str, ...]
    full_size: tuple[int, int]


LAYOUTS: dict[str, Layout] = {
    "cifar10dvs": Layout(
        info=DatasetInfo(
            name="cifar10dvs",
            description="CIFAR-10 pictures moved before a DVS128 (Li et al., 2017)",
            sensor_size=(128, 128, 2),
            classes=10,
            default_split="standard",
            splits={
                "standard": "by the index in the file name: 0-899 of each class in train, "
                "900-999 in test",
                "random": "90 % of each class in train, 10 % in test, drawn by the seed",
            },
            simulated=False,
            obtain="download CIFAR10DVS.zip (figshare file 38023437, with a browser: scripts get "
            "an empty file), unpack it and the ten archives in it into "
            "DATA_ROOT/CIFAR10DVS/<class>/",
        ),
        folder="CIFAR10DVS",
        parts=("",),
        children=_CIFAR_CLASSES,
        child_pattern="|".join(_CIFAR_CLASSES),
        suffix=".aedat4",
        archives=("CIFAR10DVS.zip", *(f"{name}.zip" for name in _CIFAR_CLASSES)),
        full_size=(9000, 1000),
    ),
    "nmnist": Layout(
        info=DatasetInfo(
            name="nmnist",
            description="MNIST digits before a moving ATIS camera (Orchard et al., 2015)",
            sensor_size=(34, 34, 2),
            classes=10,
            default_split="standard",
            splits=_STANDARD,
            simulated=False,
            obtain="unpack train.zip and test.zip (garrickorchard.com/datasets/n-mnist) into "
            "DATA_ROOT/NMNIST/Train/<digit>/ and DATA_ROOT/NMNIST/Test/<digit>/",
        ),
        folder="NMNIST",
        parts=("Train", "Test"),
        children=_DIGITS,
        child_pattern="[0-9]",
        suffix=".bin",
        archives=("train.zip", "test.zip"),
        full_size=(60000, 10000),
    ),
    "dvsgesture": Layout(
        info=DatasetInfo(
            name="dvsgesture",
            description="11 hand gestures before a DVS128 (Amir et al., 2017)",
            sensor_size=(128, 128, 2),
            classes=11,
            default_split="standard",
            splits=_STANDARD,
            simulated=False,
            obtain="unpack ibmGestureTrain.tar.gz and ibmGestureTest.tar.gz (tonic's edition, "
            "figshare files 38022171 and 38020584) into DATA_ROOT/DVSGesture/",
        ),
        folder="DVSGesture",
        parts=("ibmGestureTrain", "ibmGestureTest"),
        children=(),
        child_pattern=r"user\d+_.+",
        suffix=".npy",
        archives=("ibmGestureTrain.tar.gz", "ibmGestureTest.tar.gz"),
        full_size=(1077, 264),
    ),
    "shd": Layout(
        info=DatasetInfo(
            name="shd",
            description="spoken digits through a model of the cochlea (Cramer et al., 2020)",
            sensor_size=(700, 1, 1),
            classes=20,
            default_split="standard",
            splits=_STANDARD,
            simulated=False,
            obtain="unpack shd_train.h5.zip and shd_test.h5.zip (zenkelab.org/datasets) into "
            "DATA_ROOT/SHD/",
        ),
        folder="SHD",
        parts=("shd_train.h5", "shd_test.h5"),
        children=(),
        child_pattern="",
        suffix=".h5",
        archives=("shd_train.h5.zip", "shd_test.h5.zip"),
        full_size=(8156, 2264),
    ),
}


def find_files(layout: Layout, root: Path) -> dict[str, list[Path]]:
    """The recordings' files of each part, where a data set has one file for each.

    Fewer recordings than published will do. A part that is one file itself has none.

    Raises:
        FileNotFoundError: a folder or file is missing, or holds no recordings.
        ValueError: recordings lie in folders that are not the data set's, or are no files.
    """
    base = root / layout.folder
    if not base.is_dir():
        raise _missing(layout, root, f"no folder {base}", _expected_parts(layout))
    files: dict[str, list[Path]] = {}
    for part in layout.parts:
        place = base / part
        if not place.exists():
            raise _missing(layout, root, f"{place} is missing", _expected_parts(layout))
        files[part] = _part_files(layout, root, place) if place.is_dir() else []
    return files


def _part_files(layout: Layout, root: Path, place: Path) -> list[Path]:
    """The recordings of one part: its class folders are there and recordings lie nowhere else."""
    try:
        files = recording_files(place, layout.suffix, layout.child_pattern)
    except StrayRecordings as error:
        raise ValueError(
            f"{layout.info.name}: {error.folder} holds {layout.suffix} files but is not one of "
            f"{_folders(layout)} in {place}; move it away"
        ) from None
    found = {file.parent.name for file in files}
    lacking = [name for name in layout.children if name not in found]
    if lacking or not files:
        expected = f"{layout.suffix} files in {_folders(layout)}"
        count = f"{place} has {len(files)} {layout.suffix} files"
        without = f", none in {'/, '.join(lacking)}/" if lacking and files else ""
        raise _missing(layout, root, count + without, expected)
    return files


def _folders(layout: Layout) -> str:
    """The folders a part consists of, in words."""
    return "class folders " + ", ".join(layout.children) if layout.children else "user<NN>_<light>/"


def _expected_parts(layout: Layout) -> str:
    """What belongs into the data set's folder, in words."""
    if layout.parts == ("",):
        return _folders(layout)
    return " and ".join(layout.parts)


def _missing(layout: Layout, root: Path, found: str, expected: str) -> FileNotFoundError:
    """The message: what was found, what was expected, and what to do about it."""
    base = root / layout.folder
    advice = _archive_advice(layout, base)
    if advice is None and root.name == layout.folder and not base.exists():
        advice = f"data_root should be the folder above, {root.parent}"
    advice = advice or layout.info.obtain.replace("DATA_ROOT", str(root))
    return FileNotFoundError(
        f"{layout.info.name}: {found}; expected {expected} in {base}. To get it: {advice}"
    )


def _archive_advice(layout: Layout, base: Path) -> str | None:
    """What to do about archives that lie in the folder, None where none does."""
    archives = [base / name for name in layout.archives if (base / name).is_file()]
    for archive in archives:
        if archive.stat().st_size == 0:
            return (
                f"{archive.name} is an empty file, a failed download; "
                + layout.info.obtain.replace("DATA_ROOT", str(base.parent))
            )
    return f"unpack {', '.join(a.name for a in archives)} there" if archives else None
