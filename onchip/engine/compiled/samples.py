"""Whole samples for an engine's kernels: checked frames and classes in, outputs out."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.choice import make_machine
from onchip.engine.inputs import check_binary, check_frames
from onchip.objectives.classification import Classification
from onchip.objectives.integer_classification import IntegerClassification
from onchip.program.graphs import INTEGERS
from onchip.program.program import Program

Array = np.ndarray


class CompiledSamples:
    """Learns from whole samples with the kernels of a program that `choice.choose` chose."""

    def __init__(self, program: Program, populations: Any, dtype: np.dtype) -> None:
        """Take the engine's `populations` by name, whose weights the kernels work on."""
        self._program, self._populations, self._dtype = program, populations, dtype
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
        outputs: Array = machine.learn(frames, wanted, recorder)
        return outputs

    def compile(self) -> None:
        """Compile the kernels, which the first sample does else."""
        self._ready().compile()

    def _ready(self) -> Any:
        if self._machine is None:
            self._machine = make_machine(self._program, self._populations, self._dtype)
        return self._machine

    def give_back(self) -> None:
        """Let the engine's populations have what kernels have computed."""
        if self._machine is not None:
            self._machine.give_back()

    def forget(self) -> None:
        """As `give_back`; the populations go on without the kernels."""
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
