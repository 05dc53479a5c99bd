"""Samples streamed through one running Lava network: the next waits while the present one runs.

The host's ends of the network's pipes hold two samples each, so the source finds the next one at
once, and everything of a stream is one run of Lava's runtime. Nothing is built anew between
samples; the network itself resets its state.
"""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.engine.inputs import check_samples
from onchip.execution import Closing, RunResult, Sample
from onchip.lava.runtime.supervisor import Supervisor
from onchip.program.graphs import as_graph

AHEAD = 2
"""Samples that a pipe to or from the host holds."""

BLANKS = 100
"""Empty samples that are run at a time, which bounds the memory of their outputs."""


class StreamingNetwork(Closing, ABC):
    """A network in Lava that is fed sample by sample; a context manager that ends its processes.

    Subclasses build the processes and start `supervisor`; `steps_per_sample` is in Lava time steps.
    `binary`: frames must hold 0 and 1 only.
    """

    spec: Any
    supervisor: Supervisor
    dtype: type
    binary = True
    _streamed = 0
    """Samples so far: how far the random numbers of integers are used up."""

    @property
    @abstractmethod
    def steps_per_sample(self) -> int:
        """Lava time steps from one sample's start to the next."""

    @abstractmethod
    def _inputs(self) -> tuple[Any, ...]:
        """The host's ends of the pipes for frames [T, inputs] and target [classes + 1]."""

    @abstractmethod
    def _outputs(self) -> dict[str, Any]:
        """The host's ends of the pipes that answer once a sample; "" is the network's output."""

    @abstractmethod
    def _result(self, received: dict[str, np.ndarray]) -> RunResult:
        """The answers to one sample as outputs [T, classes] and spikes by layer [T, neurons]."""

    def close(self) -> None:
        """End the network's OS processes."""
        self.supervisor.close()

    def run(self, frames: np.ndarray) -> RunResult:
        """Inference, learning switched off: `frames` [samples, T, *input_shape]."""
        self.supervisor.require_runtime()
        frames = self._checked(frames)
        return self.stream(((frame, None) for frame in frames), len(frames))

    def learn(self, frames: np.ndarray, labels: np.ndarray) -> RunResult:
        """Learn from one sample after the other, in order.

        `labels` int [samples], or what the network's objective takes as targets.
        """
        self.supervisor.require_runtime()
        self._require_learning()
        frames = self._checked(frames)
        labels = np.asarray(labels)
        self._objective.targets(labels, len(frames), self.spec.time_steps, self.spec.classes)
        return self.stream(zip(frames, labels, strict=True), len(frames))

    def stream(
        self,
        samples: Iterable[Sample],
        count: int,
        on_sample: Callable[[], None] = lambda: None,
    ) -> RunResult:
        """Run `count` samples (frames [T, *input_shape], label or None for learning off) in order.

        They are taken from the iterable as the network gets to them; `on_sample` is called as each
        is finished. Raises ValueError for frames or labels that do not fit, for a label where the
        network does not learn and for fewer samples than `count`; the network is closed then.
        """
        require_integer("stream: count", count, 1, 2**31 - 1)
        self.supervisor.require_runtime()
        waiting, results = iter(samples), list[RunResult]()
        sent = 0

        def exchange() -> None:
            nonlocal sent
            while sent < count and all(pipe.probe() for pipe in self._inputs()):
                self.send_sample(*_next(waiting, sent, count))
                sent += 1
            while len(results) < count and self._answered():
                results.append(self.receive_sample())
                on_sample()

        pipes = (*self._inputs(), *self._outputs().values())
        self.supervisor.run(count * self.steps_per_sample, exchange, pipes)
        while len(results) < count:  # sent, but not yet at this end of the pipe
            results.append(self.receive_sample())
            on_sample()
        self._streamed += count
        return _stacked(results)

    def _run_blanks(self, samples: int) -> None:
        """Run empty samples, learning off: they use up the random numbers that learned ones do."""
        blank: np.ndarray = np.zeros((self.spec.time_steps, *self.spec.input_shape), self.dtype)
        for start in range(0, samples, BLANKS):
            count = min(BLANKS, samples - start)
            self.stream(itertools.repeat((blank, None), count), count)

    def send_sample(self, frames: np.ndarray, label: Any | None) -> None:
        """Hand the source a sample [T, *input_shape] and its label or targets.

        None switches learning off.
        """
        frames = self._checked(np.asarray(frames)[np.newaxis])[0]
        target: np.ndarray = np.zeros((self.spec.time_steps, self.spec.classes + 1), self.dtype)
        if label is not None:
            self._require_learning()
            target[:, :-1] = self._targets(label)
            target[:, -1] = 1
        self._send(frames.reshape(len(frames), -1), target)

    def _send(self, frames: np.ndarray, target: np.ndarray) -> None:
        """Put a sample's frames [T, inputs] and target into the pipes, which cast them."""
        frames_pipe, target_pipe = self._inputs()
        frames_pipe.send(frames)
        target_pipe.send(target)

    @functools.cached_property
    def _objective(self) -> Any:
        learning = as_graph(self.spec).learning
        assert learning is not None
        return learning.objective

    def _targets(self, given: Any) -> np.ndarray:
        """Targets [T, outputs] of what is given for one sample: a label, or one for each step."""
        steps, outputs = self.spec.time_steps, self.spec.classes
        targets: np.ndarray = self._objective.targets(
            np.asarray(given)[np.newaxis], 1, steps, outputs
        )
        return targets[0]

    def receive_sample(self) -> RunResult:
        """Outputs [T, classes] and recorded spikes after `steps_per_sample` steps; blocks."""
        return self._result({name: pipe.recv() for name, pipe in self._outputs().items()})

    def _checked(self, frames: np.ndarray) -> np.ndarray:
        return check_samples(frames, self.spec, self.binary)

    def _require_learning(self) -> None:
        if self.spec.learning is None:
            raise ValueError(
                "network: it has no learning section; use onchip.network.learning.with_learning"
            )

    def _answered(self) -> bool:
        return all(pipe.probe() for pipe in self._outputs().values())


def _next(samples: Iterator[Sample], sent: int, count: int) -> Sample:
    for sample in samples:
        return sample
    raise ValueError(f"samples: {sent} were given, but the stream was to have {count}")


def _stacked(results: list[RunResult]) -> RunResult:
    names = results[0].spikes
    spikes = {name: np.stack([result.spikes[name] for result in results]) for name in names}
    return RunResult(np.stack([result.outputs for result in results]), spikes)
