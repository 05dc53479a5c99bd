"""The frozen convolutions of a network, evaluated on the host for many samples at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.inputs import check_inputs
from onchip.engine.engine import Engine
from onchip.network.partition import split_trunk
from onchip.program.graphs import AnyNetwork

CHUNK = 32
"""Samples evaluated at once: bounds the memory of a run."""

FROM_PRODUCTS = 2**24
"""Products of a weight and an input from which frozen convolutions are left to compiled kernels.

NumPy takes a millisecond or more for them, and to load the kernels takes half a second, once. The
kernels then run what spikes sparsely (`onchip.engine.compiled.runs`).
"""


def trunk_spikes(spec: AnyNetwork, frames: np.ndarray, progress: bool = False) -> np.ndarray:
    """What the dense layers receive: uint8 [samples, T, features], or `frames` without a trunk.

    The trunk is frozen: its spikes can be computed once and kept for `split_trunk(spec)[1]`. As
    many chunks of samples are evaluated at a time as there are processors, one thread each.
    """
    frames, (trunk, _) = check_inputs(frames, spec), split_trunk(spec)
    if trunk is None:
        return frames

    workers, idle = len(os.sched_getaffinity(0)), SimpleQueue[EngineNetwork]()
    for _ in range(workers):
        idle.put(trunk_network(trunk))

    def spikes(part: np.ndarray) -> np.ndarray:
        network = idle.get()
        try:
            return network.run(part).outputs.astype(np.uint8)
        finally:
            idle.put(network)

    with (
        progress_bar("running", len(frames), progress) as bar,
        threadpool_limits(limits=1),
        ThreadPoolExecutor(workers) as pool,
    ):
        parts = []
        for part in pool.map(spikes, chunks(frames)):
            parts.append(part)
            bar.update(len(part))
    return np.concatenate(parts)


def trunk_network(trunk: AnyNetwork, record: bool = False) -> EngineNetwork:
    """Return what evaluates a trunk; with `record`, which others are held to, by NumPy alone."""
    return EngineNetwork(Engine(trunk, run_from=None if record else FROM_PRODUCTS), record)


def chunks(frames: np.ndarray, progress: bool = False) -> Iterator[np.ndarray]:
    """`CHUNK` of the samples after the other, behind a progress bar that `progress` shows."""
    with progress_bar("running", len(frames), progress) as bar:
        for start in range(0, len(frames), CHUNK):
            part = frames[start : start + CHUNK]
            yield part
            bar.update(len(part))


def progress_bar(title: str, total: int | None, show: bool) -> Any:
    """A bar that counts samples, on stderr or in a notebook; it shows nothing unless `show`."""
    with warnings.catch_warnings():  # in a notebook without widgets it is a line of text
        warnings.filterwarnings("ignore", "IProgress not found")
        from tqdm.auto import tqdm

    return tqdm(total=total, desc=title, unit="sample", disable=not show)
