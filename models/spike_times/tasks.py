"""Two tasks in spike times: the temporal XOR, and scikit-learn's digits coded by latency."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from onchip.checks import require_between
from onchip.models.spike_times.times import LATEST


class Split(NamedTuple):
    """Times [samples, inputs] and labels [samples], to train on and to test on."""

    train_times: np.ndarray
    train_labels: np.ndarray
    test_times: np.ndarray
    test_labels: np.ndarray


def xor_patterns(latest: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """The four pairs of times out of {0, `latest`} [4, 2], and labels [4]: 1 where they differ.

    The pair (`latest`, `latest`) is (0, 0) shifted in time, and a network answers it alike.
    """
    require_between("XOR: latest", latest, 0, LATEST, open_low=True)
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return bits * float(latest), bits[:, 0] ^ bits[:, 1]


def xor_split(latest: float = 2.0, seed: int = 0) -> Split:
    """All four patterns both to train and to test on; there is nothing for `seed` to draw."""
    return Split(*xor_patterns(latest), *xor_patterns(latest))


def digits_split(latest: float = 2.0, seed: int = 0) -> Split:
    """scikit-learn's digits as times [samples, 64]: t = `latest` (1 - pixel / 16).

    Random and stratified: a fifth (360 of 1797 samples), drawn from `seed`, is for testing.
    """
    require_between("digits: latest", latest, 0, LATEST, open_low=True)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    times = latest * (1 - images / 16)
    parts = train_test_split(times, labels, test_size=0.2, stratify=labels, random_state=seed)
    return Split(parts[0], parts[2], parts[1], parts[3])
