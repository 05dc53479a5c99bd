"""The frozen convolutions of a network, evaluated on the host for many samples at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


def trunk_spikes(spec: AnyNetwork, frames: np.ndarray, progress: bool = False) -> np.ndarray:
    """What the dense layers receive: uint8 [samples, T, features], or `frames` without a trunk.

    The trunk is frozen: its spikes can be computed once and kept for `split_trunk(spec)[1]`. As
    many chunks of samples are evaluated at a time as there are processors, one thread each.
    """
    frames, (trunk, _) = check_inputs(frames, spec), split_trunk(spec)
    if trunk is None:
        return frames

    def spikes(part: np.ndarray) -> np.ndarray:
        return EngineNetwork(Engine(trunk)).run(part).outputs.astype(np.uint8)

    with (
        progress_bar("running", len(frames), progress) as bar,
        threadpool_limits(limits=1),
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        parts = []
        for part in pool.map(spikes, chunks(frames)):
            parts.append(part)
            bar.update(len(part))
    return np.concatenate(parts)


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
