"""What a data set by name consists of before it is framed, and how its parts are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onchip.models.data.dataset import DatasetInfo, FrameDataset, first_balanced
from onchip.models.data.sensor import SensorConfig


@dataclass(frozen=True)
class Request:
    """What was asked for, see :func:`onchip.models.data.load.load_dataset`."""

    info: DatasetInfo
    split: str
    data_root: str | Path | None
    time_steps: int
    framing: str
    binary: bool
    size: int | None
    seed: int
    sensor: SensorConfig | None
    limit: int | None
    cache_dir: str | Path | None
    progress: bool

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed} must not be negative")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit = {self.limit} must be at least 1")
        if self.sensor is not None and not self.info.simulated:
            raise ValueError(f"{self.info.name}: recorded by a real sensor; leave sensor out")


@dataclass(frozen=True)
class Source:
    """Samples to be framed: labels, (train, test) indices, how to frame some of them, facts.

    `shuffled`: the files are sorted by class, and the seed draws the training part's order.
    """

    labels: np.ndarray
    parts: tuple[np.ndarray, np.ndarray]
    framing: dict[str, object]
    frames: Callable[[np.ndarray], np.ndarray]
    facts: dict[str, object]
    shuffled: bool = False


def known_name(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is meant, however it is spelled; None where there is none.

    Capitals, hyphens and underscores make no difference.
    """
    wanted = _plain(str(name))
    return next((known for known in names if _plain(known) == wanted), None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def assemble(request: Request, source: Source) -> tuple[FrameDataset, FrameDataset]:
    """Frame what is wanted of a source, both parts in one go, and describe each."""
    info, labels = request.info, source.labels
    train, test = (part[first_balanced(labels[part], request.limit)] for part in source.parts)
    for name, part in (("train", train), ("test", test)):
        if len(part) == 0:
            raise ValueError(
                f"{info.name}: no recordings for {name} in split {request.split!r} "
                f"({info.splits[request.split]}); add some or choose another split"
            )
    frames = source.frames(np.concatenate([train, test]))  # in the files' order, as they are cached
    first = _part(request, source, "train", frames[: len(train)], labels[train])
    second = _part(request, source, "test", frames[len(train) :], labels[test])
    return first.in_random_order(request.seed) if source.shuffled else first, second


def _part(
    request: Request, source: Source, part: str, frames: np.ndarray, labels: np.ndarray
) -> FrameDataset:
    """One part with its description."""
    info, split = request.info, request.split
    metadata: dict[str, object] = {
        "dataset": info.name,
        "description": info.description,
        "simulated": info.simulated,
        "split": split,
        "split_description": info.splits[split],
        "part": part,
        "samples": len(labels),
        "limit": request.limit,
        "framing": source.framing,
        "seed": request.seed,
        **source.facts,
    }
    return FrameDataset(info.name, f"{split}:{part}", frames, labels, info.classes, metadata)
