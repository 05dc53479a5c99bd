"""Random cases in turn, every execution on each, counted; the first failures minimised."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from case_checks import (
    AGREES,
    DIVERGED,
    FAILURES,
    SUFFIX,
    Execute,
    Verdict,
    check,
    execute,
    executions_of,
    reference_verdict,
)
from case_minimiser import minimise, script
from random_cases import Case, draw_case

from onchip.deploy.backends.table import BACKENDS, executions

PROCESSES_EVERY = 8
"""Each so many cases one execution runs on Lava's own runtime too."""

MINIMISED = 3
"""Failures that are minimised; the others are only named."""

REFERENCE = "numpy"


@dataclass
class Tally:
    """What was found: `cases` tested, `in_integers` of them, of `drawn` ones.

    A case was tested where at least one execution was compared and something happened. `counts` of
    verdicts by execution; those `left_out` by (execution, reason); `unusable` cases by reason; by
    reason, too, those `not_in_integers` as they were meant to be; a text for each of `failures`.
    """

    cases: int = 0
    in_integers: int = 0
    drawn: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)
    not_in_integers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The result as text."""
        found = [
            f"{self.cases} cases tested ({self.in_integers} in integers) of {self.drawn} drawn, "
            f"{len(self.failures)} mismatches"
        ]
        for name, counts in self.counts.items():
            found.append(f"  {name}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
        found += [f"  {name} cannot: {n} x {why}" for (name, why), n in self.left_out.most_common()]
        found += [f"  no case: {n} x {why}" for why, n in self.unusable.most_common()]
        reasons = self.not_in_integers.most_common()
        return found + [f"  in floats, since integers refuse: {n} x {why}" for why, n in reasons]


def fuzz(
    seed: int,
    seconds: float,
    cases: int | None = None,
    say: Callable[[str], None] = print,
    run: Execute = execute,
    only: Collection[str] | None = None,
) -> Tally:
    """Draw and check cases for `seconds`, or until `cases` of them were tested.

    `only` these executions are compared. A failure is told at once, with the script that shows it
    on the smallest case found.
    """
    tally, deadline = Tally(), time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > deadline or tally.cases == cases:
            return tally
        case, why = draw_case(seed, number)
        tally.drawn += 1
        if why:
            tally.not_in_integers[general(why)] += 1
        _check_all(case, seed, number, tally, say, run, only)
    raise AssertionError("it counts for ever")


def _check_all(
    case: Case,
    seed: int,
    number: int,
    tally: Tally,
    say: Callable[[str], None],
    run: Execute,
    only: Collection[str] | None,
) -> None:
    reference = reference_verdict(case)
    if reference.kind != AGREES:
        tally.unusable[f"numpy {reference.kind}: {general(reference.text)}"] += 1
        if reference.kind != DIVERGED:
            _failed(case, REFERENCE, reference, f"case {seed}:{number}", tally, say, run)
        return
    names, left_out = executions_of(case.network(), only)
    for name, reason in left_out.items():
        tally.left_out[name, general(reason)] += 1
    lava = [name for name in names if BACKENDS[executions()[name][0]].runtimes]
    if lava and number % PROCESSES_EVERY == 0:
        names.append(lava[number // PROCESSES_EVERY % len(lava)] + SUFFIX)
    kinds = set()
    for name in names:
        verdict = check(case, name, run)
        kinds.add(verdict.kind)
        tally.counts[name][verdict.kind] += 1
        if verdict.kind in FAILURES:
            _failed(case, name, verdict, f"case {seed}:{number}", tally, say, run)
    if AGREES in kinds or kinds & set(FAILURES):
        tally.cases += 1
        tally.in_integers += case.integers is not None
    else:
        tally.unusable[", ".join(sorted(kinds)) or "no execution can run it"] += 1


def _failed(
    case: Case,
    name: str,
    verdict: Verdict,
    where: str,
    tally: Tally,
    say: Callable[[str], None],
    run: Execute,
) -> None:
    text = f"{where}, {name} {verdict.kind}: {verdict.text}"
    tally.failures.append(text)
    say(f"MISMATCH {text}")
    if len(tally.failures) > MINIMISED:
        return

    def fails(smaller: Case) -> bool:
        if name == REFERENCE:
            return reference_verdict(smaller).kind == verdict.kind
        return (
            reference_verdict(smaller).kind == AGREES
            and name in [n + s for n in executions_of(smaller.network())[0] for s in ("", SUFFIX)]
            and check(smaller, name, run).kind == verdict.kind
        )

    smallest = minimise(case, fails)
    say(f"the smallest network that was found (tests/fuzz, {where}):\n{script(smallest, name)}")


def general(reason: str) -> str:
    """A reason without its numbers and names, so that equal ones are counted together."""
    return re.sub(r"'[^']*'|-?\d[\d.]*(e-?\d+)?", "_", reason).replace("_, _", "_")
