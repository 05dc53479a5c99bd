"""What the engine asks of its learner, in floating point or in integers."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

Array = np.ndarray


class Signals(NamedTuple):
    """What a population was taught in a step: the fed-back error L and its factor g.

    A readout's signal is its error. [batch, *shape]; of integers, which learn from one sample, [1,
    *shape].
    """

    signal: Array
    factor: Array


NO_LEARNING = "network: it has no learning section; use onchip.network.learning.with_learning"


class StepLearner(Protocol):
    """Learns from one step after the other, of samples that begin with `start`."""

    signals: dict[str, Signals]
    """What the last step that was learned from taught, by population; empty before the first."""

    @property
    def samples_at_once(self) -> int | None:
        """How many samples one update may be made of; None for any number."""

    def start(self, batch: int) -> None:
        """Begin samples; what is left of unfinished ones is dropped."""

    def target(self, targets: Any) -> Array:
        """Checked targets of a step; ValueError where there is no learning or they do not fit."""

    def before_output(self) -> None:
        """The readout's synapses have sent; it has not answered yet."""

    def after_step(self, output: Array, target: Array | None) -> None:
        """All populations have fired; `target` is None where nothing is to be learned."""

    def finish(self) -> None:
        """End the samples: apply what accumulated or is still delayed."""

    def idle(self, samples: int, steps: int) -> None:
        """Samples of `steps` were run by somebody else: use up the random numbers of theirs."""

    def require_finished(self) -> None:
        """Raise ValueError within a sample, while something waits to be applied."""
