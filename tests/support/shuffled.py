"""Whether a part of a data set is what its files hold, in an order of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def file_order(frames: np.ndarray, expected: np.ndarray) -> list[int]:
    """Index into `expected`, all different, of each sample of `frames`; each is there once."""
    wanted = [sample.tobytes() for sample in np.ascontiguousarray(expected)]
    assert len(set(wanted)) == len(wanted)
    order = [wanted.index(sample.tobytes()) for sample in np.ascontiguousarray(frames)]
    assert sorted(order) == list(range(len(wanted)))
    return order


def assert_shuffled(
    frames: np.ndarray, labels: np.ndarray, expected: np.ndarray, expected_labels: Sequence[int]
) -> None:
    """Every expected sample is there once with its label, and not in the order of the files."""
    order = file_order(frames, expected)
    assert labels.tolist() == [expected_labels[index] for index in order]
    assert order != sorted(order)
