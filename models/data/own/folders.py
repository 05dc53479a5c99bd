"""A folder of recordings by class: CLASS/*, or train/CLASS/* and test/CLASS/*.

Names of parts are taken in small or capital letters. Classes are numbered by their names: in the
order of numbers where all are numbers, else of the alphabet. Names that begin with a dot are left
out, links are followed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onchip.models.data.own.recordings import READERS, Recording, read_recording
from onchip.models.data.own.samples import EVENTS, FRAMES, Samples, frame_type

PARTS = {"train": 0, "training": 0, "test": 1, "testing": 1, "val": 1, "validation": 1}
"""Names of folders of parts -> 0 for training, 1 for test."""


def find_in_folder(path: Path, sensor_size: tuple[int, int, int] | None) -> Samples:
    """Return the recordings of a folder; errors as of `find_samples`.

    The first recording says whether they are frames or events, and the size of the sensor.
    """
    places = _places(path)
    classes = _ordered({folder.name for folder, _ in places})
    files, labels, parts, ignored = [], [], [], 0
    for folder, part in sorted(places, key=lambda p: (p[1], classes.index(p[0].name))):
        inside = sorted(e for e in folder.iterdir() if not e.name.startswith(".") and e.is_file())
        known = [file for file in inside if file.suffix.lower() in READERS]
        ignored += len(inside) - len(known)
        files += known
        labels += [classes.index(folder.name)] * len(known)
        parts += [part] * len(known)
    if not files:
        raise ValueError(
            f"{path}: no recordings in its folders {', '.join(classes)[:60]}; known are files "
            f"{', '.join(READERS)}"
        )
    first = read_recording(files[0])

    def read(index: int) -> object:
        return _checked(files[index], read_recording(files[index]), first).values

    in_test = np.array(parts) == 1
    has_parts = any(part == 1 for _, part in places)
    suffixes = ", ".join(sorted({file.suffix.lower() for file in files}))
    return Samples(
        path,
        first.kind,
        f"a folder of {suffixes} files by class",
        np.array(labels, np.int64),
        classes,
        tuple(file.relative_to(path).as_posix() for file in files),
        read,
        frame_shape=first.values.shape if first.kind == FRAMES else None,
        sensor_size=(sensor_size or first.sensor_size) if first.kind == EVENTS else None,
        parts=(np.flatnonzero(~in_test), np.flatnonzero(in_test)) if has_parts else None,
        files=tuple(files),
        ignored=ignored,
    )


def _places(path: Path) -> list[tuple[Path, int]]:
    """(folder of a class, 0 or 1 for its part)."""
    folders = _folders(path)
    if not folders:
        raise ValueError(
            f"{path}: it has no folders of classes; put recordings into {path.name}/CLASS/, or "
            "name a file"
        )
    named = {
        folder: PARTS[folder.name.lower()] for folder in folders if folder.name.lower() in PARTS
    }
    if not named:
        return [(folder, 0) for folder in folders]
    others = [folder.name for folder in folders if folder not in named]
    if others or set(named.values()) != {0, 1}:
        raise ValueError(
            f"{path}: folders {', '.join(f.name for f in folders)[:80]} are not a training and a "
            "test part; have train/ and test/, or one folder for each class"
        )
    return [(inner, part) for folder, part in named.items() for inner in _folders(folder)]


def _folders(path: Path) -> list[Path]:
    return sorted(e for e in path.iterdir() if e.is_dir() and not e.name.startswith("."))


def _ordered(names: set[str]) -> tuple[str, ...]:
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def _checked(path: Path, found: Recording, first: Recording) -> Recording:
    """A recording that is of the same kind and size as the first one."""
    if found.kind != first.kind:
        raise ValueError(f"{path}: it holds {found.kind}, and the first recording {first.kind}")
    if found.sensor_size != first.sensor_size:
        raise ValueError(
            f"{path}: its sensor is {found.sensor_size}, and the first recording's "
            f"{first.sensor_size}; keep recordings of two sensors apart"
        )
    if found.kind == FRAMES:
        if found.values.shape != first.values.shape:
            raise ValueError(
                f"{path}: its frames have shape {found.values.shape}, and the first recording's "
                f"{first.values.shape}; let all have the same steps and size"
            )
        return found._replace(values=frame_type(found.values, str(path)))
    return found
