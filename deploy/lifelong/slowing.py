"""What learns slower than new classes do: outputs of known classes, weights that matter to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.deploy.lifelong.importance import Importance
from onchip.network.shares import with_shares

Array = np.ndarray


@dataclass(frozen=True)
class Slowing:
    """Shares of the rate for a session: `known_share` in 0..1 of the outputs of known classes.

    They hold for sessions that bring new classes, whose outputs learn at the whole rate; in others
    all do. With `importance` each weight has a share as well. Raises ValueError outside of the
    range.
    """

    known_share: float = 1.0
    importance: Importance | None = None

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("way: known_share", self.known_share, 0, 1)

    def before(self, head: Any, new: int) -> Any:
        """Return a head, with its `new` outputs, that learns a session's samples so."""
        shares: dict[str, Array] = {}
        if self.known_share < 1:
            known = head.classes - new if new else 0
            shares[head.populations[-1].name] = np.where(
                np.arange(head.classes) < known, self.known_share, 1.0
            )
        if self.importance is not None:
            shares |= self.importance.shares_of(head)
        return with_shares(head, shares) if shares else head

    def after(self, head: Any, spikes: Array, outputs: Array) -> None:
        """Note what matters after a session's samples, with the weights that it ended with."""
        if self.importance is not None:
            self.importance.add(head, spikes, outputs)


NOTHING_SLOWED = Slowing()
