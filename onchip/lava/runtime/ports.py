"""Ports of a built model without what Lava does at every message for the general case.

A port of Lava's own dense kind keeps its object and gets `send` or `recv` of its own, which give
what Lava's give: one channel needs no loop over channels, one without virtual ports no
transformation. All other ports stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import (
    IdentityTransformer,
    PyInPortVectorDense,
    PyOutPortVectorDense,
)

from onchip.lava.runtime.channels import ReceiveEnd, SendEnd


def shorten(port: Any) -> None:
    """Give a port of a built model a shorter `send` or `recv`, where that is the same."""
    if type(port) is PyOutPortVectorDense and all(type(end) is SendEnd for end in port.csp_ports):
        if not port.csp_ports:
            port.send = _nothing
        elif len(port.csp_ports) == 1:
            port.send = _send(port.csp_ports[0])
    elif type(port) is PyInPortVectorDense and type(port._transformer) is IdentityTransformer:
        ends = port.csp_ports
        if len(ends) == 1 and type(ends[0]) is ReceiveEnd:
            port.recv = _receive(ends[0], np.zeros(port._shape, port._d_type))
        elif not ends:
            port.recv = _silence(port._shape, port._d_type)


def _nothing(data: Any) -> None:
    """A port that nobody listens to."""


def _silence(shape: tuple[int, ...], dtype: Any) -> Callable[[], np.ndarray]:
    return lambda: np.zeros(shape, dtype)


def _send(end: SendEnd) -> Callable[[Any], None]:
    """`SendEnd.send` for arrays of the channel's shape; others take the longer way."""
    channel, wait, wake = end.channel, end._wait, end._wake
    messages, shape, dtype, size = channel.messages, channel.shape, channel.dtype, channel.size
    long_way = end.send

    def send(data: Any) -> None:
        if type(data) is not np.ndarray or data.shape != shape or not shape:
            long_way(data)
            return
        message = data.copy() if data.dtype is dtype else data.astype(dtype, order="C")
        if len(messages) >= size:
            wait(channel, True)
        messages.append(message)
        if channel.waiter is not None:
            wake(channel)

    return send


def _receive(end: ReceiveEnd, zeros: np.ndarray) -> Callable[[], np.ndarray]:
    """Lava adds what comes to `zeros`: the sum's type, and no negative zero."""
    channel, wait, wake = end.channel, end._wait, end._wake
    messages = channel.messages
    same_type = (zeros + np.zeros(channel.shape, channel.dtype)).dtype == channel.dtype
    plain = same_type and zeros.shape == channel.shape
    add, zero = np.add, np.zeros((), zeros.dtype)

    def receive() -> np.ndarray:
        if not messages:
            wait(channel, False)
        message = messages.popleft()
        if channel.waiter is not None:
            wake(channel)
        return message

    def receive_floats() -> np.ndarray:
        if not messages:
            wait(channel, False)
        message = messages.popleft()
        if channel.waiter is not None:
            wake(channel)
        add(message, zero, message)
        return message

    if plain:
        return receive if channel.dtype.kind in "iub" else receive_floats
    return lambda: zeros + receive()
