"""Who takes part: how each is made, what it does otherwise than the task, and where it is left out.

A peer is imported when it is made, so that what one needs does not disturb another.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from task import Task

EQUAL = "the same updates"
TOOLKIT_BASELINE = "compiled, float64"


@dataclass(frozen=True)
class Peer:
    """`make(task)`, or `make(task, samples)` where `whole` runs of so many samples are measured.

    `equal` claims the engine's weights to 1e-5; `differs` says what is other work. `alone`: in a
    process of its own, and only on the first case. `itemsize` is that of its weights in bytes,
    `feedback` what its transposes are: live ("exact") or frozen ("symmetric").
    """

    name: str
    make: Callable[..., Any]
    equal: bool = True
    differs: str = EQUAL
    itemsize: int = 4
    feedback: str = "exact"
    whole: int = 0
    alone: bool = False


def _made(module: str, name: str, *arguments: Any, **options: Any) -> Callable[..., Any]:
    def make(task: Task, *more: Any) -> Any:
        return getattr(importlib.import_module(module), name)(task, *arguments, *more, **options)

    return make


PEERS = {
    peer.name: peer
    for peer in (
        Peer(TOOLKIT_BASELINE, _made("toolkit", "OfEngine", compiled=True), itemsize=8),
        Peer("compiled, float32", _made("toolkit", "OfEngine", np.float32, compiled=True)),
        Peer("engine (NumPy), float64", _made("toolkit", "OfEngine"), itemsize=8),
        Peer("lava-fused, float64", _made("toolkit", "OfBackend", "lava-fused"), itemsize=8),
        Peer("lava-compiled, float64", _made("toolkit", "OfBackend", "lava-compiled"), itemsize=8),
        Peer(
            "compiled, integers",
            _made("toolkit", "OfIntegers"),
            equal=False,
            differs="Loihi's integers: 8-bit weights, rounded at random; frozen transposes",
            feedback="symmetric",
        ),
        Peer("JAX, jit by hand, float32", _made("jax_loop", "ByJax")),
        Peer("PyTorch, plain loop, float32", _made("torch_loops", "ByTorch")),
        Peer(
            "snnTorch, float32",
            _made("torch_loops", "BySnnTorch"),
            differs=f"{EQUAL}; traces, resets and updates by hand around its neurons",
        ),
        Peer(
            "SpikingJelly OTTT, float32",
            _made("torch_loops", "BySpikingJelly"),
            differs=f"{EQUAL}; traces of the input and leaky readout by hand",
        ),
        Peer(
            "BrainTrace D_RTRL, float32",
            _made("braintrace_rules", "by_d_rtrl"),
            differs=f"{EQUAL}, by a trace for every weight",
        ),
        Peer(
            "BrainTrace pp_prop, float32",
            _made("braintrace_rules", "by_pp_prop"),
            equal=False,
            differs="other updates: its traces of neurons are smoothed",
        ),
        Peer(
            "Brian2, C++ standalone, float32",
            _made("brian_network", "OfBrian"),
            differs=f"{EQUAL}; equations and their order by hand, weights loop by loop",
            whole=2,
            alone=True,
        ),
        Peer(
            "NEST e-prop, float64",
            _made("nest_eprop", "ByNest"),
            equal=False,
            differs="e-prop: filtered traces, squared error, an update a sample, frozen transposes",
            itemsize=8,
            feedback="symmetric",
            whole=8,
            alone=True,
        ),
        Peer(
            "stock Lava, float64",
            _made("toolkit", "OfBackend", "lava", "symmetric", runtime="processes"),
            differs="the same updates with frozen transposes; to read them live costs it more",
            itemsize=8,
            feedback="symmetric",
            alone=True,
        ),
    )
}


def learned(peer: Peer, task: Task, samples: int = 2) -> list[np.ndarray]:
    """The weights after the first samples."""
    learner = peer.make(task, samples) if peer.whole else peer.make(task)
    try:
        if peer.whole:
            learner.run()
        else:
            for frames, label in zip(task.frames[:samples], task.labels[:samples], strict=True):
                learner.learn(frames, int(label))
        return learner.weights()
    finally:
        learner.close()


class Stopwatch:
    """CPU and wall seconds of a step of a peer; of one that is alone, with those of its OS
    processes.
    """

    def __init__(self, peer: Peer, task: Task) -> None:
        self.task, self._whole, self._alone = task, peer.whole, peer.alone
        self.learner = peer.make(task, peer.whole) if peer.whole else peer.make(task)
        self._samples = zip_forever(task)

    def take(self, samples: int) -> tuple[float, float]:
        """Learn from so many samples (of a whole run: from its own) and return seconds a step."""
        if self._whole:
            cpu, wall = self.learner.run()
            return cpu / self._whole / self.task.steps, wall / self._whole / self.task.steps
        others = list(_descendants(os.getpid())) if self._alone else []
        cpu, wall = _cpu(others), time.perf_counter()
        for _ in range(samples):
            self.learner.learn(*next(self._samples))
        wall = time.perf_counter() - wall
        steps = samples * self.task.steps
        return (_cpu(others) - cpu) / steps, wall / steps


def _cpu(processes: list[int]) -> float:
    """CPU seconds of this process and of others, so far."""
    ticks = sum(sum(map(int, _status(one)[11:13])) for one in processes)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _status(process: int) -> list[str]:
    """What the system tells of a process, from the third field (its state) on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _descendants(process: int) -> Iterator[int]:
    """The processes that a process has started, and theirs."""
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from _descendants(child)


def zip_forever(task: Task) -> Iterator[tuple[np.ndarray, int]]:
    """The task's samples, again and again."""
    while True:
        for frames, label in zip(task.frames, task.labels, strict=True):
            yield frames, int(label)
