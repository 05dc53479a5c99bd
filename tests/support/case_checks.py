"""Every execution of a random case against the NumPy engine, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from random_cases import Case

from onchip.deploy.backends.execution import Execution
from onchip.deploy.backends.table import build, executions
from onchip.deploy.cli.parity_command import simulated, why_not
from onchip.deploy.parity.comparison import ExecutionParity, compare
from onchip.deploy.parity.course import follow
from onchip.execution import PROCESSES
from onchip.neurons.lif import LIF
from onchip.program.graphs import AnyNetwork

AGREES, UNTESTED, ROUNDING, DIVERGED = "agrees", "nothing happened", "rounding grew", "diverged"
DIFFERS, RAISED = "differs", "raised"
FAILURES = (DIFFERS, RAISED)

SUFFIX = f"-{PROCESSES}"
"""Of the name of an execution on Lava's own runtime."""

ROUNDING_STEP = 1e-15
"""Relative change of every weight that stands for sums added up in another order."""

Execute = Callable[[AnyNetwork, str], Execution]


class Verdict(NamedTuple):
    """`kind` is one of the names above; `text` says more, in one line."""

    kind: str
    text: str = ""


def execute(spec: AnyNetwork, name: str) -> Execution:
    """The execution called `name`, recording spikes; "-processes": on Lava's own runtime."""
    backend, schedule = executions()[name.removesuffix(SUFFIX)]
    runtime = PROCESSES if name.endswith(SUFFIX) else None
    return build(spec, backend, schedule, True, runtime)


def executions_of(
    spec: AnyNetwork, only: Collection[str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """(names of those that can run the network, reasons by name of those that cannot)."""
    only = simulated() if only is None else only
    reasons = {name: why_not(spec, *executions()[name]) for name in only}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return [name for name in only if name not in left_out], left_out


def reference_verdict(case: Case) -> Verdict:
    """How the engine alone fares: AGREES, or that it refused to go on or failed."""
    try:
        follow(lambda: build(case.network(), record=True), case.frames, case.labels)
    except ValueError as error:
        if "diverged" in str(error):
            return Verdict(DIVERGED, one_line(error))
        return Verdict(RAISED, one_line(error))
    except Exception as error:
        return Verdict(RAISED, one_line(error))
    return Verdict(AGREES)


def check(case: Case, name: str, run: Execute = execute) -> Verdict:
    """The execution `name` on a case that the engine can do: learning, then inference."""
    spec = case.network()
    try:
        row = compared(case, spec, {name: partial(run, spec, name)})
    except Exception as error:
        return Verdict(RAISED, one_line(error))
    if not row.agrees:
        kind = ROUNDING if case.integers is None and rounding_grows(case, spec) else DIFFERS
        return Verdict(kind, described(row))
    silent = row.spikes_fired == 0 and any(isinstance(x.neuron, LIF) for x in case.start.layers)
    return Verdict(UNTESTED if silent or row.untested else AGREES)


def compared(
    case: Case, spec: AnyNetwork, executions: Mapping[str, Callable[[], Execution]]
) -> ExecutionParity:
    """The parity of one execution."""
    (row,) = compare(spec, case.frames, case.labels, executions).executions
    return row


def rounding_grows(case: Case, spec: Any) -> bool:
    """Whether the engine itself differs from the engine after a change of the last digits.

    Where learning is unstable, or a value is what is left of larger ones that cancel, sums that are
    added up in another order become visible: then a difference does not say that a rule is another.
    """
    rng = np.random.default_rng(0)
    for _ in range(3):
        layers = tuple(_nudged(layer, rng) for layer in spec.layers)
        nudged = replace(spec, layers=layers)
        try:
            row = compared(case, spec, {"nudged": partial(build, nudged, record=True)})
        except ValueError:
            return True  # this one diverged
        if not row.agrees:
            return True
    return False


def _nudged(layer: Any, rng: np.random.Generator) -> Any:
    names = ("weight", "bias", "recurrent_weight")
    arrays = {name: getattr(layer, name, None) for name in names}
    return replace(
        layer,
        **{
            name: array * (1 + ROUNDING_STEP * rng.choice([-1, 1], array.shape))
            for name, array in arrays.items()
            if array is not None
        },
    )


def described(row: ExecutionParity) -> str:
    """What differs."""
    places = {name: count for name, count in row.mismatches_by_layer.items() if count}
    return (
        f"spikes {places or 'equal'}, outputs {row.max_relative_output_error:.2g}, "
        f"weights {row.max_relative_weight_error or 0:.2g}"
    )


def one_line(error: BaseException) -> str:
    """Type and message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
