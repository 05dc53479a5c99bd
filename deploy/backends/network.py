"""What a backend provides, the interface of a backend of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from onchip.execution import RunResult, Sample


class BackendNetwork(Protocol):
    """What a backend provides. `frames` are [samples, T, *input_shape], `labels` [samples]."""

    def run(self, frames: np.ndarray) -> RunResult:
        """Inference, learning off."""

    def stream(
        self, samples: Iterable[Sample], count: int, on_sample: Callable[[], None]
    ) -> RunResult:
        """`count` samples one after the other: learning where they have a label, else inference.

        They are taken from the iterable as it gets to them; `on_sample` is called after each.
        """

    def state(self) -> dict[str, np.ndarray]:
        """All that changes, by name, between two samples."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from such a state."""

    def snapshot(self) -> Any:
        """The spec with the present weights."""

    def close(self) -> None:
        """Give back what the network holds; it may be called twice."""
