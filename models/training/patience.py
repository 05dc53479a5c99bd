"""When a training ends early: its loss no longer falls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def has_stalled(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Return whether no loss of the last `patience` epochs is below the lowest before them.

    False for a patience of 0. The loss is that of the training data, so that nothing is selected on
    the test set; it follows from the history alone, so that a resumed run ends where it would have.
    """
    losses = [entry["loss"] for entry in history]
    if not patience or len(losses) <= patience:
        return False
    return bool(min(losses[-patience:]) >= min(losses[:-patience]))
