"""Channels between process models of one OS process: a queue of copies in memory.

They do to data what Lava's shared memory does: refuse another shape, take the values of a sparse
matrix, copy, cast to the channel's type. A receiver without data and a sender whose channel holds
`size` messages wait, so that other models go on (`scheduler`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.magma.core.process.process import AbstractProcess
from lava.utils.sparse import find
from scipy.sparse import csr_matrix

from onchip.lava.runtime.errors import LavaExecutionError

Wake = Callable[["Channel"], None]
"""wake(channel): called when what the channel's waiter waits for has happened."""

Wait = Callable[["Channel", bool], None]
"""wait(channel, sending): returns when the channel has data, or has room if `sending`."""


class Channel:
    """Messages from a port of one process to a port of another, the oldest first.

    A process None is the host. `source` and `target` are the names to tell; `shape` and `dtype` of
    a message; at most `size` wait. `waiter` is the greenlet that waits for data or room, if any.
    """

    def __init__(
        self,
        sender: tuple[AbstractProcess | None, str],
        receiver: tuple[AbstractProcess | None, str],
        shape: tuple[int, ...],
        dtype: Any,
        size: int,
    ) -> None:
        self.sender, self.receiver = sender[0], receiver[0]
        self.source, self.target = _name(*sender), _name(*receiver)
        self.shape, self.dtype, self.size = tuple(shape), np.dtype(dtype), size
        self.messages: deque[np.ndarray] = deque()
        self.waiter: Any = None

    @property
    def full(self) -> bool:
        """Whether the next sender must wait."""
        return len(self.messages) >= self.size

    def message(self, data: Any) -> np.ndarray:
        """What Lava's channel makes of `data`: a copy of this shape and type."""
        if data.shape != self.shape:
            raise AssertionError(
                f"channel {self.source} -> {self.target}: a message of shape {data.shape} was "
                f"sent, its shape is {self.shape}"
            )
        if isinstance(data, csr_matrix):
            data = find(data, explicit_zeros=True)[2]
        copy: np.ndarray = np.empty(self.shape, self.dtype)
        copy[:] = data[:]
        return copy


def _name(process: AbstractProcess | None, port: str) -> str:
    return "the host" if process is None else f"{process.name}.{port}"


class _End:
    """What both ends of a channel are to Lava."""

    channel: Channel
    idle: Callable[[], None] = staticmethod(lambda: None)
    """Called when a model looks in vain whether it would have to wait: others may run."""

    @property
    def observer(self) -> None:
        """Nobody: Lava's selector waits here for several ports at once."""
        return None

    @observer.setter
    def observer(self, value: Any) -> None:
        if value is not None:
            raise LavaExecutionError(
                f"channel {self.channel.source} -> {self.channel.target}: it is waited for with "
                "others at once (CspSelector); run it in OS processes: runtime='processes'"
            )

    def start(self) -> None:
        """A thread listens in Lava's; nothing is to be started here."""

    def join(self) -> None:
        """A thread ends in Lava's; nothing is to be ended here."""


class SendEnd(_End, CspSendPort):
    """The sending end; `wait` is called when the channel is full, `wake` for who waits for data."""

    def __init__(self, name: str, channel: Channel, wait: Wait, wake: Wake) -> None:
        self._name, self.channel = name, channel
        self._shape, self._dtype, self._size = channel.shape, channel.dtype, channel.size
        self._wait, self._wake = wait, wake

    def probe(self) -> bool:
        """Whether `send` would not wait."""
        if self.channel.full:
            self.idle()
        return not self.channel.full

    def send(self, data: Any) -> None:
        """Put a copy into the channel."""
        channel = self.channel
        message = channel.message(data)
        if len(channel.messages) >= channel.size:
            self._wait(channel, True)
        channel.messages.append(message)
        if channel.waiter is not None:
            self._wake(channel)


class ReceiveEnd(_End, CspRecvPort):
    """The receiving end; as `SendEnd`."""

    def __init__(self, name: str, channel: Channel, wait: Wait, wake: Wake) -> None:
        self._name, self.channel = name, channel
        self._shape, self._dtype, self._size = channel.shape, channel.dtype, channel.size
        self._wait, self._wake = wait, wake
        self._queue = QueueSize(channel)

    def probe(self) -> bool:
        """Whether `recv` would not wait."""
        if not self.channel.messages:
            self.idle()
        return bool(self.channel.messages)

    def peek(self) -> np.ndarray:
        """A copy of the next message, which stays."""
        if not self.channel.messages:
            self._wait(self.channel, False)
        return self.channel.messages[0].copy()

    def recv(self) -> np.ndarray:
        """The next message."""
        channel = self.channel
        if not channel.messages:
            self._wait(channel, False)
        message = channel.messages.popleft()
        if channel.waiter is not None:
            self._wake(channel)
        return message


class QueueSize:
    """Answers `qsize` as the queue behind Lava's receiving end, which Lava's Injector asks."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def qsize(self) -> int:
        """Messages that wait."""
        return len(self._channel.messages)
