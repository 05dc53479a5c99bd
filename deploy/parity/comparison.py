"""The parity report: the same online learning on several executions, compared in every spike,
every output and every weight to the NumPy engine, in float64 or in integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from onchip.deploy.backends.inputs import check_given, check_inputs
from onchip.deploy.backends.table import REFERENCE, build
from onchip.deploy.parity.course import Activity, Course, Factory, activity_of, follow
from onchip.deploy.parity.errors import relative_error, weight_error, worst
from onchip.deploy.reports.table import aligned
from onchip.program.graphs import INTEGERS, AnyNetwork, numbers_of

TOLERANCE = 1e-9
"""Largest relative difference of outputs and weights that passes in floating point; spikes may not
differ at all, and integers neither."""

HEADING = (
    "execution",
    "compared",
    "spikes",
    "mismatches",
    "weights changed",
    "output error",
    "weight error",
    "result",
)
_EMPTY = [""] * (len(HEADING) - 2)


@dataclass(frozen=True)
class ExecutionParity:
    """How one execution compares to the reference.

    `spike_mismatches` of `spikes_compared` places (samples x steps x neurons; by layer in
    `mismatches_by_layer`), in `spikes_fired` of which the reference spikes. Errors are
    max |x - ref| / max |ref| of an array, the worst over layers and samples;
    `max_relative_weight_error` is over all parameters after every sample (None where the network
    does not learn). `weights_changed` of the `weights_compared` weights that learn (without biases)
    are others at the end than at the start, in the reference (both None where nothing learns).
    `untested` says what did not happen there, so that agreeing on it shows nothing. `passed`: no
    mismatch, both errors within `tolerance`, and nothing untested.
    """

    execution: str
    spikes_compared: int
    spikes_fired: int
    spike_mismatches: int
    mismatches_by_layer: Mapping[str, int]
    max_relative_output_error: float
    max_relative_weight_error: float | None
    tolerance: float = TOLERANCE
    weights_compared: int | None = None
    weights_changed: int | None = None
    untested: str = ""

    @property
    def passed(self) -> bool:
        """Whether the execution agrees, on a comparison in which something happened."""
        return self.agrees and not self.untested

    @property
    def agrees(self) -> bool:
        """Whether nothing differs; an error that is not a number does."""
        errors = (self.max_relative_output_error, self.max_relative_weight_error or 0.0)
        return self.spike_mismatches == 0 and all(error <= self.tolerance for error in errors)


@dataclass(frozen=True)
class ParityReport:
    """Every execution against the reference, over `samples` samples of `time_steps` steps.

    `left_out` names executions that cannot run this network, with the reason; `precision` is
    "float64" or "integers".
    """

    samples: int
    time_steps: int
    learned: bool
    executions: tuple[ExecutionParity, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    reference: str = REFERENCE
    precision: str = "float64"

    @property
    def passed(self) -> bool:
        """Whether all executions that ran agree with the reference, and at least one ran."""
        return bool(self.executions) and all(row.passed for row in self.executions)

    @property
    def rounding_grew(self) -> bool:
        """Whether weights alone disagree, while every spike and output is the reference's."""
        same = all(
            row.spike_mismatches == 0 and row.max_relative_output_error <= row.tolerance
            for row in self.executions
        )
        return same and not all(row.agrees for row in self.executions)

    @property
    def untested(self) -> str:
        """What did not happen, so that nothing was tested; empty where all that matters did."""
        return next((row.untested for row in self.executions if row.untested), "")

    def flat(self) -> dict[str, Any]:
        """JSON-able keys `EXECUTION.passed`, `EXECUTION.spike_mismatches` and so on.

        The same keys without a prefix are the worst of all executions. An error that is not finite
        is None (and does not pass).
        """
        rows = self.executions
        errors = [e for row in rows if (e := row.max_relative_weight_error) is not None]
        values: dict[str, Any] = {
            "passed": self.passed,
            "spike_mismatches": sum(row.spike_mismatches for row in rows),
            "max_relative_weight_error": _finite(float(np.max(errors)) if errors else None),
            "steps": self.samples * self.time_steps,
            "reference": self.reference,
            "precision": self.precision,
            "left_out": dict(self.left_out),
            "untested": self.untested,
        }
        for row in rows:
            fields = {k: v for k, v in asdict(row).items() if k != "execution"}
            for name, value in {**fields, "passed": row.passed}.items():
                values[f"{row.execution}.{name}"] = _finite(value)
        return values

    def rows(self) -> list[list[str]]:
        """The table as text, its heading first."""
        return [
            list(HEADING),
            [f"{self.reference} ({self.precision})", *_EMPTY, "reference"],
            *(_row(row) for row in self.executions),
            *([name, *_EMPTY, "cannot run it"] for name in self.left_out),
        ]

    def markdown(self) -> str:
        """The table in Markdown, aligned so that it reads as plain text too."""
        return "\n\n".join(["\n".join(aligned(self.rows())), *self.remarks()])

    def remarks(self) -> list[str]:
        """Why executions were left out, and what was not tested, a line each."""
        remarks = dict(self.left_out)
        if self.untested:
            remarks["not tested"] = self.untested
        return [f"{name}: {why}" for name, why in remarks.items()]


def compare(
    spec: AnyNetwork,
    frames: np.ndarray,
    labels: np.ndarray,
    executions: Mapping[str, Factory],
    left_out: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda text: None,
    convolutions: str | None = None,
) -> ParityReport:
    """Run the same samples on the reference and on each of `executions`, and compare.

    Where the network learns, it learns from one labelled sample after the other and the weights
    are compared after each; then the first sample runs with learning off, which must leave the
    weights alone. Otherwise the samples are only run. A comparison in which no weight of the
    reference changes though it learns, or in which it fires no spike though that is all that is
    compared, does not pass: it tests nothing. `say` is told what is running, and `convolutions` is
    where the reference has frozen ones. Raises ValueError for frames and labels that do not fit.
    """
    frames = check_inputs(frames, spec)
    labels = check_given(labels, spec, len(frames))
    integers = numbers_of(spec) == INTEGERS
    tolerance, precision = (0.0, "integers") if integers else (TOLERANCE, "float64")
    say(f"running {REFERENCE}")
    reference = follow(lambda: build(spec, record=True, convolutions=convolutions), frames, labels)
    activity = activity_of(spec, reference)
    rows = []
    for name, factory in executions.items():
        say(f"running {name}")
        course = follow(factory, frames, labels)
        rows.append(_compare_one(name, reference, course, tolerance, activity))
    learned, whole = spec.learning is not None, dict(left_out or {})
    return ParityReport(
        len(frames), spec.time_steps, learned, tuple(rows), whole, precision=precision
    )


def _compare_one(
    name: str, reference: Course, course: Course, tolerance: float, activity: Activity
) -> ExecutionParity:
    mismatches: dict[str, int] = {}
    compared = 0
    for ours, theirs in zip(course.results, reference.results, strict=True):
        for layer, expected in theirs.spikes.items():
            if layer not in ours.spikes or ours.spikes[layer].shape != expected.shape:
                raise ValueError(f"execution {name}: layer {layer!r} was not recorded; record=True")
            wrong = int((ours.spikes[layer] != expected).sum())
            mismatches[layer] = mismatches.get(layer, 0) + wrong
            compared += expected.size
    pairs = zip(course.results, reference.results, strict=True)
    return ExecutionParity(
        execution=name,
        spikes_compared=compared,
        spikes_fired=activity.fired,
        spike_mismatches=sum(mismatches.values()),
        mismatches_by_layer=mismatches,
        max_relative_output_error=worst([relative_error(a.outputs, b.outputs) for a, b in pairs]),
        max_relative_weight_error=weight_error(course.specs, reference.specs),
        tolerance=tolerance,
        weights_compared=activity.learning,
        weights_changed=activity.changed,
        untested=activity.untested,
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(row: ExecutionParity) -> list[str]:
    weight = row.max_relative_weight_error
    return [
        row.execution,
        str(row.spikes_compared),
        str(row.spikes_fired),
        str(row.spike_mismatches),
        "-" if row.weights_changed is None else f"{row.weights_changed} of {row.weights_compared}",
        f"{row.max_relative_output_error:.1e}",
        "-" if weight is None else f"{weight:.1e}",
        "passed" if row.passed else "not tested" if row.agrees else "FAILED",
    ]
