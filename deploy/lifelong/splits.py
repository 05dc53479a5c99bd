"""Which samples a protocol takes, drawn by a seed and stored.

Everything is drawn from the training data; tests take all samples of the test data. With a share
held out, settings can be chosen on it: the samples held out are then the tests, and nothing of the
test data is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.deploy.lifelong.protocol import Protocol
from onchip.files.writing import write_json


@dataclass(frozen=True)
class Split:
    """Indices into the training data: of the base, of each session in order, and those held out.

    `digest` is that of the labels that they were drawn for, `seed` the one that drew them. All are
    plain integers, so that the split is JSON.
    """

    seed: int
    digest: str
    base: tuple[int, ...]
    sessions: tuple[tuple[int, ...], ...]
    held_out: tuple[int, ...] = ()

    def check(self, labels: np.ndarray) -> None:
        """Raise ValueError for other data than it was drawn for."""
        found = digest_of(labels)
        if found != self.digest:
            raise ValueError(
                f"split: it was drawn for labels with digest {self.digest}, these have {found}; "
                "use the data set, split and seed that it was drawn for, or draw it anew"
            )

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(path, asdict(self))


def split_from(content: dict[str, Any]) -> Split:
    """Return the split that JSON holds; ValueError where something is missing or no integer."""
    try:
        return Split(
            int(content["seed"]),
            str(content["digest"]),
            _whole(content["base"]),
            tuple(_whole(part) for part in content["sessions"]),
            _whole(content.get("held_out", ())),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"split: {type(error).__name__} {error}; it must hold seed, digest, base and sessions "
            "as integers, as `Split.save` writes them"
        ) from None


def draw_split(labels: np.ndarray, protocol: Protocol, seed: int, held_out: float = 0.0) -> Split:
    """Draw the samples of each session, without repetition, and leave the base's classes whole.

    `labels` [samples] are the training data's; `held_out` in [0, 1) is the share of each class that
    is kept for choosing settings. Each session's samples come in random order. Raises ValueError
    where a class has too few.
    """
    require_between("split: held_out", held_out, 0, 0.9)
    labels = np.asarray(labels)
    pools = {c: _members(labels, c, seed) for c in protocol.order}
    kept = {c: round(held_out * len(pool)) for c, pool in pools.items()}
    empty = next((c for c in protocol.order if held_out and not kept[c]), None)
    if empty is not None:
        raise ValueError(
            f"split: class {empty} has {len(pools[empty])} samples, of which a share of {held_out} "
            "holds out none to test on; take more samples, or hold nothing out (no --validate)"
        )
    left = {c: pool[kept[c] :] for c, pool in pools.items()}
    base = np.sort(np.concatenate([left[c] for c in protocol.base]))
    sessions = []
    for index, session in enumerate(protocol.sessions):
        classes = session.new or protocol.known(index)
        taken = np.concatenate([_take(left, c, session.shots, bool(session.new)) for c in classes])
        sessions.append(np.random.default_rng([seed, 1, index]).permutation(taken))
    out = np.sort(np.concatenate([pools[c][: kept[c]] for c in protocol.order]))
    return Split(seed, digest_of(labels), _whole(base), tuple(map(_whole, sessions)), _whole(out))


def digest_of(labels: np.ndarray) -> str:
    """Return 16 hexadecimal digits that change with the labels or their order."""
    content = np.ascontiguousarray(np.asarray(labels), dtype="<i8").tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _members(labels: np.ndarray, label: int, seed: int) -> np.ndarray:
    """The samples of a class in an order of its own."""
    return np.random.default_rng([seed, 0, label]).permutation(np.flatnonzero(labels == label))


def _take(left: dict[int, np.ndarray], label: int, shots: int, new: bool) -> np.ndarray:
    """The next samples of a class, which no later session gets; of a drift the pool begins anew
    where it is used up, since the sensor, not the digit, is what is new.
    """
    pool = left[label]
    if len(pool) < shots:
        raise ValueError(
            f"split: class {label} has {len(pool)} samples left, but a session takes {shots}; "
            "lower the shots or hold less out"
        )
    left[label] = pool[shots:] if new else np.roll(pool, -shots)
    return pool[:shots]


def _whole(values: Sequence[int] | np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
