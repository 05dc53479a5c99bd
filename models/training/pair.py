"""A training run on two processes of one machine that are joined by a pipe: the one was forked.

They need no network and no `torchrun`. Sums of two numbers are the same in either order, so that
both processes hold the same weights to the last bit.
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from onchip.models.training.distributed import LostProcessError, Processes

ROOM = 2**22
"""Bytes of a tensor that fits into shared memory: a million parameters."""


def shared_memory() -> np.ndarray:
    """Return memory for a `Pair` to be made after a fork; pages take room once they are used."""
    return np.frombuffer(mmap.mmap(-1, 4 * ROOM), np.uint8).reshape(2, 2, ROOM)


@dataclass(frozen=True)
class Pair(Processes):
    """As `Processes`, of which there are two; `connection` is this one's end of a pipe.

    Tensors pass through `shared` memory of both [slots, ranks, bytes], so that they wait for each
    other once an exchange; what is larger, and what is no tensor, through the pipe.
    """

    size: int = 2
    connection: Connection | None = None
    shared: Any = None
    exchanges: Iterator[int] = field(default_factory=itertools.count)

    def share_weights(self, model: nn.Module) -> None:
        """As `Processes.share_weights`."""
        for tensor in model.state_dict().values():
            tensor.copy_(torch.from_numpy(self.gather(tensor.numpy())[0]))

    def gather(self, value: Any) -> list[Any]:
        """As `Processes.gather`."""
        other = self._exchanged(value)
        return [other, value] if self.rank else [value, other]

    def _all_reduce(self, tensor: Tensor) -> None:
        with torch.no_grad():
            tensor += torch.from_numpy(self._other(tensor.numpy())).view_as(tensor)

    def _other(self, own: np.ndarray) -> np.ndarray:
        """The other's array for this one, of the same shape.

        Slots are used in turn: who fills one again has heard that the other left it.
        """
        if self.shared is None or own.nbytes > self.shared.shape[2]:
            return self._exchanged(own)  # type: ignore[no-any-return]
        slot = self.shared[next(self.exchanges) % 2, :, : own.nbytes].view(own.dtype)
        slot[self.rank] = own.ravel()
        self._exchanged(None)
        return slot[1 - self.rank].reshape(own.shape).copy()

    def _exchanged(self, value: Any) -> Any:
        """The other's value for this one; rank 0 speaks first, since a pipe holds little."""
        with self._connected():
            assert self.connection is not None
            if self.rank == 0:
                self.connection.send(value)
                return self.connection.recv()
            other = self.connection.recv()
            self.connection.send(value)
            return other

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            raise LostProcessError(
                f"process {self.rank} of a training on two has lost the other; its message says why"
            ) from error
