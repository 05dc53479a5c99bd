"""What `torchrun` tells a process, by its environment; read without torch."""

from __future__ import annotations

import os


def process_count() -> int:
    """How many processes `torchrun` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1))
