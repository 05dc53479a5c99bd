"""The manager of shared memory of Lava's own runtime, which leaves nothing behind.

Python's managers listen on a socket in a folder of their own under TMPDIR, which a process that is
killed leaves behind. A socket in Linux's abstract namespace has no file, and ends with its process.
Whoever connects must know the manager's key, as before.

Python tells its resource tracker of a block of shared memory once it is made; a process that is
killed between the two leaves the block for ever. Here the tracker knows the name first.
"""

from __future__ import annotations

import os
import secrets
from multiprocessing import managers, resource_tracker, shared_memory

from lava.magma.runtime.message_infrastructure import multiprocessing as infrastructure
from lava.magma.runtime.message_infrastructure.shared_memory_manager import SharedMemoryManager


class AnnouncingManager(managers.SharedMemoryManager):
    """Python's manager of shared memory; a block is announced before it is made."""

    def SharedMemory(self, size: int) -> shared_memory.SharedMemory:
        """A new block of `size` bytes, freed with the manager or with the last process."""
        name = f"psm_{secrets.token_hex(8)}"
        with self._Client(self._address, authkey=self._authkey) as connection:  # type: ignore[attr-defined]
            resource_tracker.register(f"/{name}", "shared_memory")
            block = shared_memory.SharedMemory(name, create=True, size=size)
            try:
                managers.dispatch(connection, None, "track_segment", (block.name,))  # type: ignore[attr-defined]
            except BaseException:
                block.unlink()
                raise
        return block


class FilelessManager(SharedMemoryManager):
    """Lava's, on an abstract socket: `start` it, `shutdown` it."""

    def __init__(self) -> None:
        super().__init__()
        address = f"\0onchip-{os.getpid()}-{secrets.token_hex(8)}"
        self._manager = AnnouncingManager(address=address)


def use_fileless_manager() -> None:
    """Let Lava's runtime make this kind, here and in what is forked from here."""
    infrastructure.SharedMemoryManager = FilelessManager
