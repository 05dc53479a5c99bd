"""The state of a fused network as one vector: the engine's arrays one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class StateLayout:
    """Where each array of an engine's state lies: `shapes` and `dtypes` by name, in their order."""

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype]

    @classmethod
    def of(cls, engine: Any) -> StateLayout:
        """The layout of this engine's state for one sample at a time."""
        state = engine.state()
        shapes = {name: array.shape for name, array in state.items()}
        return cls(shapes, {name: array.dtype for name, array in state.items()})

    @property
    def size(self) -> int:
        """Elements of all arrays."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def flatten(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The arrays as one vector [size]."""
        return np.concatenate([np.ravel(state[name]) for name in self.shapes])

    def unflatten(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays in a vector [size], each in its own type."""
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        return {
            name: part.reshape(shape).astype(self.dtypes[name])
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }
