"""What a study is: the steps of a run, what varies between runs, and what is measured."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from onchip.deploy.studies.draws import Drawn, draw_points
from onchip.deploy.studies.entries import require_plain, require_values

TASK = "task"
"""Name of the step of a study that calls a function instead of commands."""


COLUMNS = ("run", "runs", "failed", "failure")
"""What the tables of a study hold beside settings and measures."""


class Form(NamedTuple):
    """What a step takes and leaves.

    `options`: their names (None: any). `output`: name of the file that its option "out" names.
    `reads`: the option that names the output of the step before. `refused`: options that no study
    takes, for they name a file to be written, which all runs would share.
    """

    options: frozenset[str] | None = None
    output: str | None = None
    reads: str | None = None
    refused: frozenset[str] = frozenset()


ANY = Form()
"""Takes every option and leaves no file."""


@dataclass(frozen=True)
class Step:
    """One program of every run.

    `name` is a command of `onchip`, or "task" for a function; `options` are the same in all runs.
    `function` is FILE.py:NAME; it is called with the options and returns its results.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    form: Form = ANY
    function: str | None = None

    def takes(self, option: str) -> bool:
        """Whether the step has this option."""
        return self.form.options is None or option in self.form.options

    def require_not_refused(self, option: str) -> None:
        """Raise ValueError for an option that names a file which all runs would share."""
        if option in self.form.refused:
            raise ValueError(
                f"study: {self.name} has no {option!r} in a study, where all runs would share its "
                "file; leave it out: each run has a folder of its own in --out"
            )


@dataclass(frozen=True)
class Study:
    """Runs of `steps`, one after the other, for every combination of `grid` and every draw.

    `grid`: name -> values, `drawn`: name -> what to draw from, `points` times by `seed`. A name is
    an option of every step that has it, or STEP.OPTION of one. A point that is drawn again is the
    same run and counts once. `measure` names the results in the table: RESULT of the last step, or
    STEP.RESULT, where RESULT may be a path into tables, `ways.direct.final`. Runs that differ in
    settings named in `over` alone are one row, with mean and spread. Each run computes on `threads`
    threads, for their number can change the last bit of a sum.

    Raises:
        ValueError: a name that no step has or no setting that varies, a setting given twice, a
            value that a record cannot hold or that is no number above zero where one is needed.
    """

    steps: tuple[Step, ...]
    measure: tuple[str, ...]
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    points: int = 0
    seed: int = 0
    over: tuple[str, ...] = ("seed",)
    threads: int = 1

    def __post_init__(self) -> None:
        """Check the names, and that there is something to run and to measure."""
        if not self.measure:
            raise ValueError("study: measure is empty; name a result, for example accuracy_after")
        if bool(self.drawn) != (self.points > 0):
            raise ValueError(
                f"study: points is {self.points} and {len(self.drawn)} settings are drawn at "
                "random; both or neither must be above 0"
            )
        require_above_zero("threads", self.threads)
        self._require_distinct()
        taken: set[tuple[str, str]] = set()
        for name in (*self.grid, *self.drawn):
            self._require_once(name, taken)
        for name, values in self.grid.items():
            require_values(name, values)
        for name, drawn in self.drawn.items():
            require_plain(f"random {name}", drawn.choices)
        for step in self.steps:
            require_plain(step.name, step.options)
        self._require_varied()

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of all settings that vary."""
        return (*self.drawn, *self.grid)

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of those that the table has a row for each value of."""
        return tuple(n for n in self.varied if not {n, n.rpartition(".")[2]} & set(self.over))

    def drawn_points(self) -> list[dict[str, Any]]:
        """Return the points that were drawn, in their order, each once."""
        points = draw_points(self.drawn, self.points, self.seed)
        return list({json.dumps(point, sort_keys=True): point for point in points}.values())

    def settings(self) -> list[dict[str, Any]]:
        """The settings of each run, in the order of the table."""
        combinations = list(itertools.product(*self.grid.values()))
        return [
            {**point, **dict(zip(self.grid, values, strict=True))}
            for point in self.drawn_points()
            for values in combinations
        ]

    def options(self, step: Step, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a step in the run with these settings."""
        own = {
            option: value
            for name, value in settings.items()
            for target, option in self.targets(name)
            if target == step.name
        }
        return {**step.options, **own}

    def targets(self, name: str) -> list[tuple[str, str]]:
        """(step, option) for all that a setting's name stands for; ValueError for none."""
        first, dot, option = name.partition(".")
        steps = {step.name: step for step in self.steps}
        if dot and first in steps:
            found = [(first, option)] if steps[first].takes(option) else []
        else:
            found = [(step.name, name) for step in self.steps if step.takes(name)]
        if not found:
            for step in self.steps:
                if not dot or first not in steps or step.name == first:
                    step.require_not_refused(option if dot and first in steps else name)
            known = {o for step in self.steps for o in step.form.options or ()}
            raise ValueError(
                f"study: no step has {name!r}; {', '.join(steps)} have {', '.join(sorted(known))}"
            )
        return found

    def measured(self, name: str) -> tuple[str, str]:
        """(step, result) that a measure's name stands for."""
        first, dot, result = name.partition(".")
        if dot and first in [step.name for step in self.steps]:
            return first, result
        return self.steps[-1].name, name

    def _require_distinct(self) -> None:
        """The tables have a column for each setting and measure, and those of `COLUMNS`."""
        names = [*COLUMNS, *self.varied, *self.measure]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"study: the table has two columns {twice!r}; write STEP.{twice} for a setting or "
                "a measure"
            )

    def _require_varied(self) -> None:
        """What is averaged over must vary; the default, `seed`, need not."""
        known = {*self.varied, *(name.rpartition(".")[2] for name in self.varied)}
        wrong = next((name for name in self.over if name not in known and name != "seed"), None)
        if wrong is not None:
            raise ValueError(
                f"study: over names {wrong!r}, which does not vary; name settings out of "
                f"{', '.join(self.varied) or 'none'}, or leave over out"
            )

    def _require_once(self, name: str, taken: set[tuple[str, str]]) -> None:
        fixed = {step.name: step.options for step in self.steps}
        for step, option in self.targets(name):
            if (step, option) in taken or option in fixed[step]:
                raise ValueError(
                    f"study: {option!r} of {step} is given twice, once as {name!r}; leave one out"
                )
            taken.add((step, option))


def require_above_zero(name: str, value: object) -> None:
    """Raise ValueError unless the study's value of this name is a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"study: {name} is {value!r}; it must be a whole number of at least 1")
