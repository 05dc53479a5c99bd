"""The manager of shared memory of Lava's own runtime, without a file.

Python's managers listen on a socket in a folder of their own under TMPDIR, which a process that is
killed leaves behind. A socket in Linux's abstract namespace has no file, and ends with its process.
Whoever connects must know the manager's key, as before.
"""

from __future__ import annotations

import os
import secrets
from multiprocessing import managers

from lava.magma.runtime.message_infrastructure import multiprocessing as infrastructure
from lava.magma.runtime.message_infrastructure.shared_memory_manager import SharedMemoryManager


class FilelessManager(SharedMemoryManager):
    """Lava's, on an abstract socket: `start` it, `shutdown` it."""

    def __init__(self) -> None:
        super().__init__()
        address = f"\0onchip-{os.getpid()}-{secrets.token_hex(8)}"
        self._manager = managers.SharedMemoryManager(address=address)


def use_fileless_manager() -> None:
    """Let Lava's runtime make this kind, here and in what is forked from here."""
    infrastructure.SharedMemoryManager = FilelessManager
