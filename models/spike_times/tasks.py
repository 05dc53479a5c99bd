"""Two tasks in spike times: the temporal XOR, and scikit-learn's digits coded by latency."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from onchip.checks import require_between
from onchip.models.spike_times.learning import SpikeTimeTraining, train_spike_times
from onchip.models.spike_times.network import SpikeTimeNetwork, first_to_fire
from onchip.models.spike_times.times import LATEST

XOR_UPDATES = 200


class Split(NamedTuple):
    """Times [samples, inputs] and labels [samples], to train on and to test on."""

    train_times: np.ndarray
    train_labels: np.ndarray
    test_times: np.ndarray
    test_labels: np.ndarray


class XorResult(NamedTuple):
    """A trained network, its losses, and the updates until all four patterns were right (or None).

    Training stops only after `updates`: the loss goes on separating the outputs' times.
    """

    network: SpikeTimeNetwork
    losses: list[float]
    solved_after: int | None


def xor_patterns(late: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """The four pairs of times out of {0, `late`} [4, 2], and labels [4]: 1 where they differ."""
    require_between("XOR: late", late, 0, LATEST, open_low=True)
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return bits * float(late), bits[:, 0] ^ bits[:, 1]


def learn_xor(
    seed: int = 0, late: float = 2.0, updates: int = XOR_UPDATES, weight_sum: float = 10.0
) -> XorResult:
    """Train a 2-4-2 network on all four patterns in every update."""
    times, labels = xor_patterns(late)
    network = SpikeTimeNetwork((2, 4, 2), seed=seed)
    solved: list[int] = []

    def observe(done: int) -> bool:
        right = bool((first_to_fire(network.run(times)[-1]) == labels).all())
        solved[:] = (solved or [done]) if right else []
        return False

    settings = SpikeTimeTraining(updates, 4, 0.1, weight_sum, seed=seed)
    losses = train_spike_times(network, times, labels, settings, observe)
    return XorResult(network, losses, solved[0] if solved else None)


def digits_split(latest: float = 2.0) -> Split:
    """scikit-learn's digits as times [samples, 64]: t = `latest` (1 - pixel / 16).

    A fixed split: stratified, a fifth (360 of 1797 samples) to test on, random_state 0.
    """
    require_between("digits: latest", latest, 0, LATEST, open_low=True)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        latest * (1 - images / 16), labels, test_size=0.2, stratify=labels, random_state=0
    )
    return Split(parts[0], parts[2], parts[1], parts[3])


def learn_digits(
    split: Split, seed: int = 0, updates: int = 1000, hidden: int = 100, weight_sum: float = 10.0
) -> tuple[SpikeTimeNetwork, list[float]]:
    """Train a 64-`hidden`-10 network; return it and the losses."""
    network = SpikeTimeNetwork((split.train_times.shape[1], hidden, 10), seed=seed)
    settings = SpikeTimeTraining(updates, 64, 0.01, weight_sum, seed=seed)
    return network, train_spike_times(network, split.train_times, split.train_labels, settings)
