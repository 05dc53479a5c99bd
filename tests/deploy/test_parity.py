"""The parity report tells agreement from the smallest disagreement."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from deploy.backends import build
from deploy.engine_network import EngineNetwork
from deploy.execution import Execution
from deploy.parity import ParityReport, compare
from onchip import DenseSpec, Engine, NetworkSpec
from onchip.execution import RunResult
from onchip.spec import without_learning


def with_first_weight(spec: NetworkSpec, change: Callable[[float], float]) -> NetworkSpec:
    """The network with one weight of its last layer changed."""
    last = spec.layers[-1]
    weight = last.weight.copy()
    weight[0, 0] = change(weight[0, 0])
    return replace(spec, layers=(*spec.layers[:-1], replace(last, weight=weight)))


def check(spec: NetworkSpec, other: Execution, samples, rng, count: int = 4) -> ParityReport:
    frames, labels = samples(spec, count, rng)
    return compare(spec, frames, labels, {"other": lambda: other})


def test_two_engines_agree_exactly_over_learning(spec, samples, rng) -> None:
    report = check(spec, build(spec, record=True), samples, rng)
    row = report.executions[0]
    neurons = sum(int(np.prod(layer.output_shape)) for layer in spec.layers[:-1])
    assert report.passed and report.learned
    assert row.spikes_compared == (4 + 1) * spec.time_steps * neurons
    assert row.spike_mismatches == 0 and row.max_relative_weight_error == 0


def test_a_weight_off_by_1e8_relative_fails_and_by_1e12_passes(dense, samples, rng) -> None:
    scale = np.abs(dense.layers[-1].weight).max()
    for error, passes in ((1e-8, False), (1e-12, True)):
        changed = with_first_weight(dense, lambda w, error=error: w + error * scale)
        report = check(dense, build(changed, record=True), samples, rng)
        assert report.passed is passes
        found = report.executions[0].max_relative_weight_error
        assert error / 2 < found < 10 * error  # learning may enlarge it


def test_rounding_that_grew_is_told_from_a_wrong_spike(dense, samples, rng) -> None:
    scale = np.abs(dense.layers[-1].weight).max()
    report = check(dense, build(dense, record=True), samples, rng)
    assert not report.rounding_grew
    row = replace(report.executions[0], max_relative_weight_error=1e-8)
    assert replace(report, executions=(row,)).rounding_grew
    wrong = with_first_weight(dense, lambda w: w + scale)
    assert not check(dense, build(wrong, record=True), samples, rng).rounding_grew


def test_an_execution_that_misses_an_update_fails(dense, samples, rng) -> None:
    assert dense.learning is not None
    slower = replace(dense, learning=replace(dense.learning, learning_rate=0.2999))
    report = check(dense, build(slower, record=True), samples, rng)
    assert not report.passed


def test_one_flipped_spike_is_counted_in_its_layer(dense, samples, rng) -> None:
    class Flipping(EngineNetwork):
        """Turns one spike of the first sample over, in what it reports."""

        flips = 1

        def stream(self, *arguments) -> RunResult:
            result = super().stream(*arguments)
            if self.flips:
                self.flips = 0
                result.spikes["second"][0, 1, 2] ^= 1
            return result

    other = Execution(dense, lambda head: Flipping(Engine(head), True), True)
    report = check(dense, other, samples, rng)
    row = report.executions[0]
    assert not report.passed
    assert row.spike_mismatches == 1
    assert row.mismatches_by_layer == {"first": 0, "second": 1}


def test_learning_while_it_is_switched_off_fails(dense, samples, rng) -> None:
    class Restless(EngineNetwork):
        """Learns from whatever it runs."""

        def run(self, frames: np.ndarray) -> RunResult:
            result = super().run(frames)
            super().stream(((frame, 0) for frame in frames), len(frames))
            return result

    other = Execution(dense, lambda head: Restless(Engine(head), True), True)
    report = check(dense, other, samples, rng)
    assert report.executions[0].spike_mismatches == 0
    assert not report.passed


def test_weights_that_are_not_numbers_fail_and_stay_valid_json(dense, samples, rng) -> None:
    class Broken(EngineNetwork):
        """Reports outputs that are NaN."""

        def run(self, frames: np.ndarray) -> RunResult:
            return super().run(frames)._replace(outputs=np.full((1, 4, 3), np.nan))

    other = Execution(dense, lambda head: Broken(Engine(head), True), True)
    report = check(dense, other, samples, rng)
    assert not report.passed
    values = json.loads(json.dumps(report.flat(), allow_nan=False))
    assert values["other.max_relative_output_error"] is None
    assert values["other.passed"] is False and values["passed"] is False


def test_a_network_without_learning_is_compared_by_its_spikes(dense, samples, rng) -> None:
    plain = without_learning(dense)
    report = check(plain, build(plain, record=True), samples, rng)
    assert report.passed and not report.learned
    assert report.executions[0].max_relative_weight_error is None
    assert report.flat()["max_relative_weight_error"] is None
    weight = dense.layers[0].weight + 0.4
    louder = replace(plain, layers=(replace(plain.layers[0], weight=weight), *plain.layers[1:]))
    assert not check(plain, build(louder, record=True), samples, rng).passed


def test_comparing_with_nothing_does_not_pass(dense, samples, rng) -> None:
    frames, labels = samples(dense, 2, rng)
    report = compare(dense, frames, labels, {}, {"lava_pipelined": "two layers learn"})
    assert not report.passed
    assert "lava_pipelined: two layers learn" in report.markdown()


def test_spikes_that_were_not_recorded_are_an_error(dense, samples, rng) -> None:
    with pytest.raises(ValueError, match="layer 'first' was not recorded"):
        check(dense, build(dense), samples, rng)


def test_the_table_has_a_row_for_each_execution(dense, samples, rng) -> None:
    frames, labels = samples(dense, 2, rng)
    bad = DenseSpec("readout", np.ones((3, 6)), dense.layers[-1].neuron, np.zeros(3), plastic=True)
    changed = replace(dense, layers=(*dense.layers[:-1], bad))
    report = compare(
        dense,
        frames,
        labels,
        {
            "same": lambda: build(dense, record=True),
            "changed": lambda: build(changed, record=True),
        },
    )
    lines = report.markdown().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "reference" in lines[2] and "passed" in lines[3] and "FAILED" in lines[4]
    values = report.flat()
    assert values["same.passed"] and not values["changed.passed"] and not values["passed"]
    assert values["max_relative_weight_error"] == values["changed.max_relative_weight_error"]
