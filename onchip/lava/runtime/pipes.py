"""Pipes: channels whose other end is the host's, perhaps in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from onchip.lava.runtime.channels import Channel, ReceiveEnd, SendEnd, Wait, Wake


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
