"""Threads that wait without spinning, for programs that share their machine.

Between two pieces of parallel work OpenMP's threads turn in a loop for a while, ready for the next.
Where other programs want the processors too, that loop takes them from those who would work: on two
busy cores an epoch takes tens of times as long as on idle ones. Sleeping threads cost little.
"""

from __future__ import annotations

import os

SETTINGS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
"""Read by OpenMP when it is loaded, which torch does."""


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait; to be called before torch is imported.

    A setting of the user's own wins: where one of `SETTINGS` is there, none is made.
    """
    if not any(name in os.environ for name in SETTINGS):
        os.environ.update(SETTINGS)
