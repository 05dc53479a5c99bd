"""One BLAS thread for the models of a network, as each has in an OS process of its own."""

from __future__ import annotations

import functools
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> Any:
    """A context in which BLAS libraries use one thread; looking for them takes milliseconds."""
    return _libraries().limit(limits=1, user_api="blas")


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
