"""A digest of everything in a file of the zip format (.pt, .npz), kept in the archive's comment.

    comment = "onchip-sha256:" + SHA-256 (hexadecimal) of the bytes before it, the name first

Readers of the format skip the comment. With `name` the digest is of that text as well, so that a
sound file in another one's place is noticed.
"""

from __future__ import annotations

import hashlib
import struct

_MARK = b"onchip-sha256:"
_LENGTH = len(_MARK) + 64
_END = b"PK\5\6"
"""Begins a zip's last record: 22 bytes, of which the last two are the comment's length."""


def seal(data: bytes, name: str = "") -> bytes:
    """The archive with its digest; `data` is a zip without a comment."""
    if data[-22:-18] != _END or data[-2:] != b"\0\0":
        raise ValueError("seal: the data are no zip archive without a comment")
    content = data[:-2] + struct.pack("<H", _LENGTH)
    return content + _MARK + _digest(content, name)


def is_sealed(data: bytes) -> bool:
    """Whether there is a digest, right or wrong."""
    return data[-_LENGTH:].startswith(_MARK)


def check_seal(data: bytes, name: str = "") -> None:
    """Raise ValueError unless the data are an archive whose digest is there and right."""
    if not is_sealed(data):
        raise ValueError("it has no digest")
    if data[-64:] != _digest(data[:-_LENGTH], name):
        raise ValueError("its content does not match its digest")


def _digest(content: bytes, name: str) -> bytes:
    total = hashlib.sha256(name.encode())
    total.update(content)
    return total.hexdigest().encode()
