"""Keeps this Python, and those that it starts, off the network.

Python imports a module of this name when it starts: put this folder on PYTHONPATH. Connections to
the machine itself (loopback and Unix sockets, which Jupyter and Lava use) are let through; every
other one, and every look-up of another name, is a PermissionError. An audit hook cannot be removed.
"""

import sys

_LOOPBACK = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")
_ADDRESSED = ("socket.connect", "socket.sendto", "socket.sendmsg")
_NAMED = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def _refuse(event, arguments):
    if event in _ADDRESSED:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a Unix socket has a path
    elif event in _NAMED:
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and host not in _LOOPBACK:
        raise PermissionError(f"notebooks run without network, but one reached for {host}")


sys.addaudithook(_refuse)
