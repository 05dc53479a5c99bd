"""Channels between process models of one OS process: a queue of copies in memory.

They do to data what Lava's shared memory does: refuse another shape, take the values of a sparse
matrix, copy, cast to the channel's type. A receiver without data and a sender whose channel holds
`size` messages wait, so that other models go on (`scheduler`). A `Pipe` is a channel whose other
end is the host's, perhaps in another thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.magma.core.process.process import AbstractProcess
from lava.utils.sparse import find
from scipy.sparse import csr_matrix

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


class SendEnd(CspSendPort):
    """The sending end; `wait` is called when the channel is full, `wake` for who waits for data."""

    def __init__(self, name: str, channel: Channel, wait: Wait, wake: Wake) -> None:
        self._name, self.channel = name, channel
        self._shape, self._dtype, self._size = channel.shape, channel.dtype, channel.size
        self._wait, self._wake = wait, wake
        self.observer = None

    def start(self) -> None:
        """A thread listens in Lava's; nothing is to be started here."""

    def join(self) -> None:
        """A thread ends in Lava's; nothing is to be ended here."""

    def probe(self) -> bool:
        """Whether `send` would not wait."""
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


class ReceiveEnd(CspRecvPort):
    """The receiving end; as `SendEnd`."""

    def __init__(self, name: str, channel: Channel, wait: Wait, wake: Wake) -> None:
        self._name, self.channel = name, channel
        self._shape, self._dtype, self._size = channel.shape, channel.dtype, channel.size
        self._wait, self._wake = wait, wake
        self._queue = QueueSize(channel)
        self.observer = None

    def start(self) -> None:
        """As for `SendEnd`."""

    def join(self) -> None:
        """As for `SendEnd`."""

    def probe(self) -> bool:
        """Whether `recv` would not wait."""
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


class Doorbell:
    """Tells a running network, and a host that waits, that something was put into or out of a pipe.

    `running` says whether a thread runs the network now, `thread` which.
    """

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.rung = False
        self.thread: int | None = None

    def ring(self) -> None:
        """Something has changed."""
        self.rung = True
        with self.condition:
            self.condition.notify_all()

    def await_host(self, ready: Callable[[], bool], what: str) -> None:
        """Called at the host's end: wait until `ready`, while another thread runs the network."""
        with self.condition:
            while not ready():
                if self.thread in (None, threading.get_ident()):
                    raise RuntimeError(f"{what}, and the network does not run: nothing will come")
                self.condition.wait(0.1)


class PipeSendEnd(SendEnd):
    """A model's end of a pipe to the host."""

    def __init__(self, name: str, pipe: Channel, wait: Wait, wake: Wake, bell: Doorbell) -> None:
        super().__init__(name, pipe, wait, wake)
        self._bell = bell

    def send(self, data: Any) -> None:
        """Put a copy into the pipe and tell the host."""
        super().send(data)
        self._bell.ring()


class PipeReceiveEnd(ReceiveEnd):
    """A model's end of a pipe from the host."""

    def __init__(self, name: str, pipe: Channel, wait: Wait, wake: Wake, bell: Doorbell) -> None:
        super().__init__(name, pipe, wait, wake)
        self._bell = bell

    def recv(self) -> np.ndarray:
        """The next message; the host is told that there is room."""
        message = super().recv()
        self._bell.ring()
        return message


class HostSendEnd(SendEnd):
    """The host's end of a pipe into a process."""

    def __init__(self, channel: Channel, bell: Doorbell) -> None:
        self._bell = bell
        super().__init__("src", channel, self._wait_for_room, self._ignore)

    def send(self, data: Any) -> None:
        """Put a copy into the pipe; waits while it is full, if another thread runs the network.

        Raises RuntimeError where nobody would ever make room.
        """
        super().send(data)
        self._bell.ring()

    def _wait_for_room(self, channel: Channel, sending: bool) -> None:
        text = f"pipe into {channel.target}: it holds its {channel.size} messages"
        self._bell.await_host(lambda: not channel.full, text)

    def _ignore(self, channel: Channel) -> None:
        """The network looks for itself when it is rung for."""


class HostReceiveEnd(ReceiveEnd):
    """The host's end of a pipe out of a process."""

    def __init__(self, channel: Channel, bell: Doorbell) -> None:
        self._bell = bell
        super().__init__("dst", channel, self._wait_for_data, self._ignore)

    def recv(self) -> np.ndarray:
        """The next message; waits if another thread runs the network.

        Raises RuntimeError where nobody would ever send one.
        """
        message = super().recv()
        self._bell.ring()
        return message

    def _wait_for_data(self, channel: Channel, sending: bool) -> None:
        text = f"pipe out of {channel.source}: it is empty"
        self._bell.await_host(lambda: bool(channel.messages), text)

    def _ignore(self, channel: Channel) -> None:
        """The network looks for itself when it is rung for."""
