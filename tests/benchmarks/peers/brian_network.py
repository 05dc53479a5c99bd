"""The task in Brian2, as the C++ program that it writes (standalone), float32.

Spikes act when they come; errors go back and weights learn at every step, all synapses in one loop.
What a step does is ordered by a schedule of its own, as layers follow each other within a step.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import brian2 as b2
import numpy as np
from task import CLASSES, DECAY, SHARPNESS, Task

STEP = b2.ms


class OfBrian:
    """A program that learns from the task's first samples, all in one run."""

    def __init__(self, task: Task, samples: int) -> None:
        self._folder = TemporaryDirectory()
        self._cpu_file = Path(self._folder.name) / "cpu_seconds"
        b2.prefs.core.default_float_dtype = np.float32
        b2.prefs.devices.cpp_standalone.openmp_threads = 0
        b2.device.reinit()
        b2.set_device("cpp_standalone", build_on_run=False, directory=self._folder.name)
        self.samples = samples
        b2.device.insert_code("before_network_run", "const std::clock_t began = std::clock();")
        b2.device.insert_code(
            "after_network_run",
            f'std::ofstream("{self._cpu_file}") << double(std::clock() - began) / CLOCKS_PER_SEC;',
        )
        self._synapses = _network(task, samples)
        b2.device.build(directory=self._folder.name, run=False)
        self._shapes = [w.shape for w in task.weights]

    def run(self) -> tuple[float, float]:
        """Learn from all samples, from the start; CPU and wall seconds of the steps."""
        started = time.perf_counter()
        b2.device.run()
        wall = time.perf_counter() - started
        cpu = float(self._cpu_file.read_text())
        return cpu, float(b2.device._last_run_time or wall)

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        found = []
        for synapses, (post, pre) in zip(self._synapses, self._shapes, strict=True):
            found.append(np.array(synapses.w[:]).reshape(pre, post).T)
        return found

    def close(self) -> None:
        """Remove the program."""
        self._folder.cleanup()


def _network(task: Task, samples: int) -> list[Any]:
    steps, count = task.steps, len(task.weights)
    b2.defaultclock.dt = STEP
    frames = task.frames[:samples].reshape(samples * steps, -1).astype(float)
    targets = np.repeat(np.eye(CLASSES)[task.labels[:samples]], steps, axis=0)
    names = {"frames": b2.TimedArray(frames, dt=STEP), "wanted": b2.TimedArray(targets, dt=STEP)}
    names |= {"decay": DECAY, "sharp": SHARPNESS, "rate": task.rate, "length": steps}
    net = b2.Network()
    net.schedule = _schedule(count)
    groups = [_inputs(frames.shape[1], names)]
    synapses = []
    for i, (weight, bias) in enumerate(zip(task.weights, task.biases, strict=True)):
        groups.append(_neurons(i, bias, names, readout=i == count - 1))
        synapses.append(_connect(i, groups[-2], groups[-1], weight, names, count))
    net.add(groups, synapses, _softmax(groups[-1]))
    for group in groups:
        restart = "; ".join(f"{name} = 0" for name in _starting(group))
        group.run_regularly(restart.replace("; ", "\n"), dt=steps * STEP, when="start")
    net.run(samples * steps * STEP, namespace={})
    return synapses


def _schedule(count: int) -> list[str]:
    slots = ["start", "groups", "thresholds", "synapses", "resets"]  # Brian's own have no work
    for i in range(-1, count):
        slots += [f"step{i}", f"fire{i}", f"send{i + 1}"]
    slots += ["sum", "error"]
    for i in reversed(range(count)):
        slots += [f"back{i}", f"factor{i - 1}"]
    return [*slots, "learn", "end"]


def _starting(group: Any) -> list[str]:
    return [name for name in ("u", "s", "a", "c", "current") if name in group.variables]


def _inputs(count: int, names: dict[str, Any]) -> Any:
    fires = {"threshold": "s > 0.5", "reset": ""}
    group = b2.NeuronGroup(count, "s : 1\na : 1", namespace=names, name="layer_in", **fires)
    group.thresholder["spike"].when = "fire-1"
    group.run_regularly("s = frames(t, i)\na = decay * a + s", when="step-1")
    return group


def _neurons(i: int, bias: np.ndarray, names: dict[str, Any], *, readout: bool) -> Any:
    equations = "u : 1\ns : 1\na : 1\nc : 1\nb : 1\ncurrent : 1\ng : 1\nabove : 1\nsum : 1"
    fires = {} if readout else {"threshold": "u >= 1", "reset": ""}
    group = b2.NeuronGroup(len(bias), equations, namespace=names, name=f"layer{i}", **fires)
    group.b = bias
    step = "u = decay * (u - s) + current + b\nc = decay * c + 1\ncurrent = 0"
    if readout:
        group.run_regularly(step, when=f"step{i}")
        group.run_regularly("g = (exp(u) / sum - wanted(t, i)) / length", when="error")
    else:
        group.thresholder["spike"].when = f"fire{i}"
        group.run_regularly(step + "\ns = int(u >= 1)\na = decay * a + s", when=f"step{i}")
        soft = "soft = 1 / (1 + exp(-sharp * (u - 1)))\ng = above * sharp * soft * (1 - soft)"
        group.run_regularly(soft, when=f"factor{i}")
    group.run_regularly("b = b - rate * c * g", when="learn")
    return group


def _connect(
    i: int, before: Any, after: Any, weight: np.ndarray, names: dict[str, Any], count: int
) -> Any:
    equations = "w : 1" + ("\nabove_pre = w * g_post : 1 (summed)" if i else "")
    synapses = b2.Synapses(
        before, after, equations, on_pre="current_post += w", namespace=names, name=f"synapses{i}"
    )
    synapses.connect()
    synapses.w = weight.T.ravel()
    synapses.pre.when = f"send{i}"
    if i:
        for updater in synapses.summed_updaters.values():
            updater.when = f"back{i}"
    synapses.run_regularly("w = w - rate * g_post * a_pre", when="learn")
    return synapses


def _softmax(readout: Any) -> Any:
    total = b2.Synapses(readout, readout, "sum_post = exp(u_pre) : 1 (summed)", name="softmax")
    total.connect()
    for updater in total.summed_updaters.values():
        updater.when = "sum"
    return total
