"""What goes wrong while a network of Lava processes runs."""

from __future__ import annotations

import traceback


class LavaExecutionError(RuntimeError):
    """A Lava process failed; the message is that of the process model."""


def description(error: BaseException) -> str:
    """The type and message of an exception, as Python prints them."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()
