"""The parity report tells agreement from the smallest disagreement."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from onchip import DenseSpec, Engine, NetworkSpec
from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.execution import Execution
from onchip.deploy.backends.table import build
from onchip.deploy.parity.comparison import ParityReport, compare
from onchip.execution import RunResult
from onchip.network.learning import without_learning


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
    report = compare(dense, frames, labels, {}, {"lava-pipelined": "two layers learn"})
    assert not report.passed
    assert "lava-pipelined: two layers learn" in report.markdown()


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


def silent(spec: NetworkSpec) -> NetworkSpec:
    """The network with dense layers that never reach their threshold, and whose readout learns."""
    quiet = [
        replace(x, weight=x.weight * 1e-6, bias=None, plastic=False)
        for x in spec.layers[:-1]
        if x.plastic
    ]
    kept = spec.layers[: len(spec.layers) - 1 - len(quiet)]
    return replace(spec, layers=(*kept, *quiet, spec.layers[-1]))


def test_the_report_counts_spikes_and_weights_that_changed(dense, samples, rng) -> None:
    frames, labels = samples(dense, 3, rng)
    report = compare(dense, frames, labels, {"other": lambda: build(dense, record=True)})
    with build(dense, record=True) as network:
        learned = network.learn(frames, labels)
        fired = sum(int(spikes.sum()) for spikes in learned.spikes.values())
        fired += sum(int(spikes.sum()) for spikes in network.run(frames[:1]).spikes.values())
        after = network.snapshot()
    arrays = [
        (getattr(a, name), getattr(b, name))
        for a, b in zip(dense.layers, after.layers, strict=True)
        for name in ("weight", "recurrent_weight")
        if getattr(a, name) is not None
    ]
    row = report.executions[0]
    assert row.spikes_fired == fired > 0
    assert row.weights_compared == sum(a.size for a, _ in arrays)
    assert row.weights_changed == sum(int((a != b).sum()) for a, b in arrays) > 0
    heading, _, line = report.rows()
    assert heading[2:5] == ["spikes", "mismatches", "weights changed"]
    assert line[2:5] == [str(fired), "0", f"{row.weights_changed} of {row.weights_compared}"]
    assert report.flat()["other.weights_changed"] == row.weights_changed


def test_a_comparison_without_a_spike_does_not_pass(spec, samples, rng) -> None:
    """Also where a frozen convolution spikes, and where the readout's bias learns all the same."""
    quiet = silent(spec)
    report = check(quiet, build(quiet, record=True), samples, rng)
    row = report.executions[0]
    assert row.agrees and not row.passed and not report.passed
    assert row.spike_mismatches == 0 and report.rows()[-1][-1] == "not tested"
    names = ", ".join(x.name for x in spec.layers[:-1] if x.plastic)
    assert report.untested.startswith(f"no spike was fired by {names} and no weight changed")
    plain = without_learning(quiet)
    without = check(plain, build(plain, record=True), samples, rng)
    assert not without.passed and without.untested.startswith(f"no spike was fired by {names}: ")
    assert "not tested: no spike was fired by" in report.markdown()
    assert not report.rounding_grew
    values = json.loads(json.dumps(report.flat(), allow_nan=False))
    assert values["passed"] is False and values["other.passed"] is False
    assert values["untested"] == report.untested


def test_silent_layers_whose_weights_change_are_compared_in_that(dense, samples, rng) -> None:
    quiet = [replace(x, weight=x.weight * 1e-6, bias=None) for x in dense.layers[:-1]]
    spec = replace(dense, layers=(*quiet, dense.layers[-1]))
    report = check(spec, build(spec, record=True), samples, rng)
    assert report.passed and report.executions[0].spikes_fired == 0
    assert report.executions[0].weights_changed > 0


def test_a_comparison_in_which_no_weight_changes_does_not_pass(dense, samples, rng) -> None:
    assert dense.learning is not None
    still = replace(dense, learning=replace(dense.learning, learning_rate=1e-300))
    report = check(still, build(still, record=True), samples, rng)
    row = report.executions[0]
    assert row.spikes_fired > 0 and row.weights_changed == 0
    assert not report.passed and report.untested.startswith("no weight changed")


def test_integers_that_only_lose_their_lowest_bit_have_not_changed(dense, samples, rng) -> None:
    """Synapses of mixed sign drop it when a network is loaded, which is no learning."""
    from onchip.deploy.quantization.network import quantize

    plain = replace(dense, layers=tuple(replace(layer, bias=None) for layer in dense.layers))
    fixed = quantize(plain)
    odd = tuple(replace(layer, weight=layer.weight | 1) for layer in fixed.layers)
    fixed = replace(fixed, layers=odd)
    frames, labels = samples(dense, 1, rng)
    report = compare(fixed, frames * 0, labels, {"other": lambda: build(fixed, record=True)})
    assert report.executions[0].weights_changed == 0
    assert report.untested.startswith("no spike was fired by first, second and no weight changed")


def test_a_disagreement_is_a_failure_whether_anything_happened_or_not(dense, samples, rng) -> None:
    quiet = silent(dense)
    other = with_first_weight(quiet, lambda w: w + 1)
    report = check(quiet, build(other, record=True), samples, rng)
    assert report.rows()[-1][-1] == "FAILED" and not report.executions[0].agrees


def test_a_single_layer_is_tested_by_its_outputs(rng) -> None:
    from onchip import LeakyIntegrator

    layer = DenseSpec("readout", rng.normal(0, 1, (3, 4)), LeakyIntegrator())
    spec = NetworkSpec((layer,), (4,), 2)
    frames, labels = np.ones((2, 2, 4), np.uint8), np.array([0, 1])
    execution = {"other": lambda: build(spec, record=True)}
    assert compare(spec, frames, labels, execution).passed
    report = compare(spec, 0 * frames, labels, execution)
    assert not report.passed and report.untested.startswith("every output is zero")
