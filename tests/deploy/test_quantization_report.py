"""The quantization report against values worked by hand and counts by an independent loop."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from integer_neurons import integer_integrator, integer_lif

from onchip import LIF, DenseSpec, Engine, LeakyIntegrator, NetworkSpec
from onchip.deploy.quantization.network import dequantize, quantize
from onchip.deploy.reports.quantization_report import report_quantization
from onchip.program.integer_layer_spec import FixedDenseSpec
from onchip.program.integer_spec import FixedNetworkSpec


def hand_worked() -> tuple[NetworkSpec, FixedNetworkSpec]:
    """A layer with a rounded and a clipped weight, steps of 0.01, and a readout of 0.04."""
    layers = (
        DenseSpec("hidden", np.array([[1.0, -0.5], [0.25, 3.0]]), LIF()),
        DenseSpec("readout", np.array([[0.4, -0.8], [1.0, 0.0]]), LeakyIntegrator()),
    )
    fixed = (
        FixedDenseSpec(
            "hidden", np.array([[100, -50], [24, 254]]), integer_lif(2048, 6400), 0.01 / 64
        ),
        FixedDenseSpec(
            "readout", np.array([[10, -20], [26, 0]]), integer_integrator(2048), 0.0025, -2
        ),
    )
    return NetworkSpec(layers, (2,), 3), FixedNetworkSpec(fixed, (2,), 3)


def test_weight_errors_are_those_worked_by_hand() -> None:
    hidden, readout = report_quantization(*hand_worked()).layers
    assert (hidden.layer, hidden.weight_exponent, hidden.threshold) == ("hidden", 0, 6400)
    assert hidden.weight_step == pytest.approx(0.01)
    expected = np.sqrt((0.01**2 + 0.46**2) / (1 + 0.25 + 0.0625 + 9))
    assert hidden.weight_error == pytest.approx(expected)
    assert hidden.largest_error == pytest.approx(46)
    assert hidden.clipped == 0.25
    assert readout.weight_step == pytest.approx(0.04)
    assert (readout.weight_exponent, readout.threshold, readout.clipped) == (-2, None, 0)
    assert readout.weight_error == pytest.approx(0.04 / np.sqrt(0.16 + 0.64 + 1))
    assert readout.largest_error == pytest.approx(1)


def test_recurrent_weights_count_as_the_layers_own(dense: NetworkSpec) -> None:
    fixed = quantize(dense)
    first, kept = fixed.layers[0], dense.layers[0]
    errors = np.concatenate(
        [
            (first.weight * first.weight_step - kept.weight).ravel(),
            (first.recurrent_weight * first.weight_step - kept.recurrent_weight).ravel(),
        ]
    )
    size = np.concatenate([kept.weight.ravel(), kept.recurrent_weight.ravel()])
    row = report_quantization(dense, fixed).layers[0]
    assert row.weight_error == pytest.approx(np.linalg.norm(errors) / np.linalg.norm(size))


def counted(engine, frames) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Spikes by layer [samples, T, neurons] and outputs, one sample after the other."""
    spikes, outputs = {}, []
    for sample in frames:
        steps = []
        outputs.append(engine.run(sample[np.newaxis], lambda *seen, s=steps: s.append(seen))[0])
        for name, values in steps:
            spikes.setdefault(name, []).append(np.array(values).ravel())
    return {name: np.array(values) for name, values in spikes.items()}, np.array(outputs)


def test_rates_agreement_and_accuracy_are_those_of_an_independent_loop(
    dense: NetworkSpec, samples
) -> None:
    rng = np.random.default_rng(3)
    frames, labels = samples(dense, 45, rng)  # more than one chunk
    fixed = quantize(dense)
    report = report_quantization(dense, fixed, frames, labels)
    (ours, outputs), (theirs, integers) = (
        counted(Engine(dense), frames),
        counted(Engine(fixed), frames),
    )
    for row in report.layers[:2]:
        assert row.firing_rate == pytest.approx(ours[row.layer].mean()) and row.firing_rate > 0.01
        assert row.integer_firing_rate == pytest.approx(theirs[row.layer].mean())
        assert row.spikes_agreeing == pytest.approx((ours[row.layer] == theirs[row.layer]).mean())
    assert report.layers[2].firing_rate is None
    answers = [values.sum(1).argmax(1) for values in (outputs, integers)]
    assert report.samples == 45
    assert report.outputs_agreeing == pytest.approx((answers[0] == answers[1]).mean())
    assert report.accuracy == pytest.approx((answers[0] == labels).mean())
    assert report.integer_accuracy == pytest.approx((answers[1] == labels).mean())


def test_a_network_on_the_grid_loses_no_weight(spec: NetworkSpec) -> None:
    fixed = quantize(spec)
    report = report_quantization(dequantize(fixed, spec), fixed)
    assert all(row.weight_error < 1e-12 and row.clipped == 0 for row in report.layers)


def test_learning_rates_are_the_wanted_and_the_realised(dense: NetworkSpec) -> None:
    fixed = quantize(dense)
    for row, layer in zip(report_quantization(dense, fixed).layers, fixed.layers, strict=True):
        assert row.learning_rate == 0.3
        assert row.realised_rate == layer.plasticity.rate.realised == pytest.approx(0.3, rel=0.02)
    plain = replace(dense, learning=None, layers=hand_worked()[0].layers, input_shape=(2,))
    assert report_quantization(plain, quantize(plain)).layers[0].realised_rate is None


def test_the_report_is_json_and_an_aligned_table(dense: NetworkSpec, samples) -> None:
    frames, labels = samples(dense, 4, np.random.default_rng(1))
    report = report_quantization(dense, quantize(dense), frames, labels)
    values = json.loads(json.dumps(report.flat()))
    assert values["samples"] == 4 and values["first.weight_error"] > 0
    assert values["readout.threshold"] is None and values["readout.firing_rate"] is None
    rows = report.rows()
    assert [row[0] for row in rows] == ["layer", "first", "second", "readout"]
    assert len({len(row) for row in rows}) == 1
    table, outcome = report.markdown().split("\n\n")
    assert len({len(line) for line in table.splitlines()}) == 1
    assert "of 4 predictions agree; accuracy" in outcome
    assert "\n\n" not in report_quantization(dense, quantize(dense)).markdown()
    unlabelled = report_quantization(dense, quantize(dense), frames)
    assert unlabelled.accuracy is None and unlabelled.outcome().endswith("agree")


def test_integers_of_another_network_are_refused(dense: NetworkSpec) -> None:
    with pytest.raises(ValueError, match=r"layers .*'first'.* its integers .*'hidden'"):
        report_quantization(dense, hand_worked()[1])


def test_frames_that_integers_cannot_take_are_refused(dense: NetworkSpec, samples) -> None:
    frames, _ = samples(dense, 2, np.random.default_rng(1))
    with pytest.raises(ValueError, match="frames"):
        report_quantization(dense, quantize(dense), 3 * frames)
