"""Whole samples for an engine's kernels: checked frames and classes in, outputs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onchip.engine.compiled.choice import NOT_ASKED, Compilation, choose, choose_runs, make_machine
from onchip.engine.compiled.runs import is_sparse, products
from onchip.engine.inputs import check_binary, check_frames
from onchip.objectives.classification import Classification
from onchip.objectives.integer_classification import IntegerClassification
from onchip.program.graphs import INTEGERS
from onchip.program.program import Program

Array = np.ndarray


class CompiledSamples:
    """Learns from whole samples, and runs them, where a program has kernels.

    `learning` and `running` say whether it has.
    """

    def __init__(
        self,
        program: Program,
        populations: Any,
        dtype: np.dtype,
        compiled: bool,
        run_from: int | None,
        replay: Callable[[Array], None],
    ) -> None:
        """Take the engine's `populations` by name, whose weights the kernels work on.

        `compiled` and `run_from` are those of `Engine`. `replay` steps the engine through frames
        that kernels have run, once somebody looks at its state.
        """
        self._program, self._populations, self._dtype = program, populations, dtype
        self.learning: Compilation = choose(program) if compiled else NOT_ASKED
        asked = compiled or run_from is not None
        self.running: Compilation = choose_runs(program) if asked else NOT_ASKED
        self._replay, self._run_from = replay, run_from or 0
        self._products = products(program) * program.graph.time_steps
        self._unseen: Array | None = None
        graph = program.graph
        self._shape, self._classes = (graph.time_steps, *graph.input_shape), program.classes
        self._binary = program.numbers == INTEGERS
        self._machine: Any = None

    def learn(
        self, frames: Array, given: Any, begin: Any, recorder: Any, prepared: bool = False
    ) -> Array | None:
        """Learn from `frames` [samples, T, ...] of classes `given` as for `Engine.learn`: outputs.

        `begin(batch)` drops what is left of an unfinished sample. The `recorder` is called when a
        sample is over. Returns None, with nothing
        changed, for what is not one class a step, and for a batch that learns by a mean at every
        step, which are matrix products. Raises ValueError for frames that do not fit.
        """
        machine = self._ready()
        frames = self._checked(frames)
        wanted = self._wanted(given, len(frames), prepared)
        if wanted is None or not machine.takes(len(frames), recorder is not None):
            return None
        begin(1)
        self._unseen = None
        outputs: Array = machine.learn(frames, wanted, recorder)
        return outputs

    def takes(self, frames: Array) -> bool:
        """Whether checked `frames` [samples, T, ...] are run by kernels: where that is faster."""
        enough = len(frames) * self._products >= self._run_from
        return self.running.active and enough and is_sparse(frames, self._binary)

    def run(self, frames: Array, recorder: Any) -> Array:
        """Run checked `frames` [samples, T, ...], learning off: outputs [samples, T, classes].

        As `Engine.run`; the caller has dropped what is left of an unfinished sample.
        """
        outputs: Array = self._ready().run(frames, recorder)
        self._unseen = frames.copy()
        return outputs

    def compile(self) -> None:
        """Compile the kernels, which the first sample does else."""
        if self.learning.active:
            self._ready().compile()
        if self.running.active:
            self._ready().compile_runs()

    def _ready(self) -> Any:
        if self._machine is None:
            learns = self.learning.active
            self._machine = make_machine(self._program, self._populations, self._dtype, learns)
        return self._machine

    def give_back(self, states: bool = True) -> None:
        """Let the engine's populations have what kernels have computed.

        Without `states` the weights alone matter, which samples that were only run leave alone.
        """
        if self._machine is not None:
            self._machine.give_back()
        if states and self._unseen is not None:
            frames, self._unseen = self._unseen, None
            self._replay(frames)

    def forget(self, states: bool = True) -> None:
        """As `give_back`; the populations go on without the kernels.

        Without `states` they begin anew.
        """
        if states:
            self.give_back()
        self._unseen = None
        if self._machine is not None:
            self._machine.forget()

    def _checked(self, frames: Array) -> Array:
        plain = type(frames) is np.ndarray and frames.dtype.kind in "bu"
        if not plain or frames.shape[1:] != self._shape or len(frames) == 0:
            frames = check_frames(frames, self._program.network)
        if self._binary:
            check_binary(frames)
        return frames

    def _wanted(self, given: Any, samples: int, prepared: bool) -> Array | None:
        """Classes, or of other objectives targets [samples, T, outputs]."""
        learning: Any = self._program.graph.learning
        if isinstance(learning.objective, (Classification, IntegerClassification)):
            return self._classes_of(given, samples)
        if prepared:
            return np.asarray(given)
        targets: Array = learning.objective.targets(given, samples, self._shape[0], self._classes)
        return targets

    def _classes_of(self, given: Any, samples: int) -> Array | None:
        """The class of each sample and step [samples, T], or None."""
        steps = self._shape[0]
        plain = type(given) is np.ndarray and given.shape == (samples,) and given.dtype.kind in "iu"
        if plain and given.min() >= 0 and given.max() < self._classes:
            return np.full((steps, samples), given, np.int64).T
        targets = given
        if type(given) is not np.ndarray or given.shape != (samples, steps, self._classes):
            learning: Any = self._program.graph.learning
            targets = learning.objective.targets(given, samples, steps, self._classes)
        if not ((np.count_nonzero(targets, axis=2) == 1) & (targets.max(axis=2) == 1)).all():
            return None
        return np.asarray(targets.argmax(axis=2), np.int64)
