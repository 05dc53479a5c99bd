"""Small networks, float and in integers, that `onchip check` has nothing to say about."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from integer_neurons import integer_lif

from onchip import LIF, DenseSpec, NetworkSpec, Surrogate
from onchip.arithmetic.integer_softmax import make_error
from onchip.deploy.checks.findings import CheckReport
from onchip.deploy.checks.limits import LIMITS
from onchip.network.learning import with_learning
from onchip.program.integer_layer_spec import FixedDenseSpec, FixedPlasticity
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec, FixedNetworkSpec
from onchip.program.rates import FixedRate

HARD = LIF(reset="hard", surrogate=Surrogate("rectangle"))
FIXED_HARD = integer_lif(2048, 641, "hard", Surrogate("rectangle"))
RATE = FixedRate(1, -7, 64, 0, 0.1, 0.1)
Finds = set[tuple[str, str, str]]
"""Severity, object and quantity of each."""

OUT, HIDDEN, ALL = "layer 'out'", "layer 'hidden'", "network"


def network(*neurons: Any, feedback: str = "direct", **learning: Any) -> NetworkSpec:
    """4-3-2, all plastic, with nothing to say about it but its error process."""
    hidden, readout = neurons or (HARD, HARD)
    layers = (
        DenseSpec("hidden", np.ones((3, 4)), hidden),
        DenseSpec("out", np.ones((2, 3)), readout),
    )
    return with_learning(
        NetworkSpec(layers, (4,), 5), learning_rate=0.1, feedback=feedback, **learning
    )


def integers(mode: str = "online", feedback: str = "direct") -> FixedNetworkSpec:
    """The same network in integers, with a bias in its hidden layer."""
    weights = np.array([[100, -60, 20, 4], [-80, 60, 2, -8], [30, 50, -40, 6]])
    plasticity = FixedPlasticity(63, RATE)
    hidden = FixedDenseSpec(
        "hidden", weights, FIXED_HARD, 0.01, 0, np.array([5, -9, 0]), plasticity=plasticity
    )
    out = FixedDenseSpec("out", weights[:2, :3], FIXED_HARD, 0.01, plasticity=plasticity)
    matrix = None if feedback == "exact" else weights[:, :2]
    factors = {"hidden": FixedFactor(7, 1.0, matrix), "out": FixedFactor(7, 1.0)}
    error = make_error(1.0, 0.05, 2)
    learning = FixedLearningSpec(mode, feedback, "sequenced", error, factors)
    return FixedNetworkSpec((hidden, out), (4,), 5, learning)


def forced(owner: Any, **values: Any) -> Any:
    """A copy with other values, past the checks of `__post_init__`."""
    changed = copy.copy(owner)
    for name, value in values.items():
        object.__setattr__(changed, name, value)
    return changed


def with_layer(spec: Any, index: int, **values: Any) -> Any:
    """The network with one layer changed, past all checks."""
    layers = list(spec.layers)
    layers[index] = forced(layers[index], **values)
    return forced(spec, layers=tuple(layers))


def troubles(report: CheckReport) -> Finds:
    """Errors and warnings, without those that any network has."""
    usual = {"integers", "error process"}
    return {
        (finding.severity, finding.object, finding.quantity)
        for finding in report.findings
        if finding.severity in ("error", "warning") and finding.quantity not in usual
    }


def assert_told(report: CheckReport, expected: Finds) -> None:
    """Exactly these troubles, each with a remedy and a source, the table's where it has one."""
    assert troubles(report) == expected
    assert report.passed == (not any(severity == "error" for severity, _, _ in expected))
    for finding in report.findings:
        bad = finding.severity != "ok"
        assert bool(finding.remedy) == bad and finding.source and finding.limit
        limit = LIMITS.get(finding.quantity)
        if limit is not None:
            assert (finding.limit, finding.source) == (limit.text, limit.source)
            assert not bad or "unrolled" in finding.object or finding.remedy == limit.remedy
