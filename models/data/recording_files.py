"""Which files of a folder are recordings: what is counted here is what is read, nothing else.

Links are followed. Names that begin with a dot are left out (macOS leaves `._NAME` beside NAME, and
.DS_Store); a name with a recording's suffix must be a file that can be read.
"""

from __future__ import annotations

import re
from pathlib import Path


def recording_files(place: Path, suffix: str, child_pattern: str) -> list[Path]:
    """Files `place/<child>/<name><suffix>` in the order of their paths.

    Raises:
        ValueError: such a file elsewhere below `place`, in a folder that is read already under
            another name, or one that is a link to nothing, a folder or a device.
    """
    found: list[Path] = []
    read: dict[Path, Path] = {}
    for folder in _folders(place):
        files = _files(folder, suffix)
        if not files:
            continue
        if folder.parent != place or not re.fullmatch(child_pattern, folder.name):
            raise StrayRecordings(folder)
        real = folder.resolve()
        if real in read:
            raise ValueError(
                f"{folder} is the same folder as {read[real]}: its recordings would be read "
                "twice; remove the link"
            )
        read[real] = folder
        found += files
    return sorted(found, key=str)


class StrayRecordings(ValueError):
    """Recordings in a folder where none belong; `folder` says which."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} holds recordings but is none of the data set's folders")
        self.folder = folder


def _folders(place: Path) -> list[Path]:
    """`place` and all folders below it; a link that leads back to one of its parents ends there."""
    found, waiting = [], [(place, frozenset[Path]())]
    while waiting:
        folder, above = waiting.pop()
        found.append(folder)
        above = above | {folder.resolve()}
        inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        waiting += [(f, above) for f in inside if f.is_dir() and f.resolve() not in above]
    return sorted(found)


def _files(folder: Path, suffix: str) -> list[Path]:
    names = sorted(entry.name for entry in folder.iterdir())
    files = [folder / n for n in names if n.endswith(suffix) and not n.startswith(".")]
    for file in files:
        if not file.is_file():
            what = "is no file" if file.exists() else "is a link to nothing"
            raise ValueError(f"{file} {what}, though it is named like a recording; move it away")
    return files
