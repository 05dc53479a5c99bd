"""Reports and checks of graphs in integers: neurons, filters and updates that are late."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import CLASSES
from integer_cases import INPUTS, STEPS, network

from onchip import ALIF, LIF, CuBa, Surrogate
from onchip.deploy import check
from onchip.deploy.backends.online import at_rate
from onchip.deploy.quantization.graph_learning import chip_at_rate
from onchip.deploy.quantization.network import Quantization, dequantize, quantize
from onchip.deploy.reports.quantization_report import report_quantization
from onchip.network.learning import with_learning

TRIANGLE = Surrogate("triangle")


def found(report, quantity: str) -> dict[str, tuple[str, object]]:
    return {f.object: (f.severity, f.value) for f in report.findings if f.quantity == quantity}


@pytest.mark.parametrize("neuron", [CuBa(0.75, 0.5, surrogate=TRIANGLE), ALIF(surrogate=TRIANGLE)])
def test_the_report_has_thresholds_and_rates_of_all_spiking_neurons(rng, neuron):
    spec = with_learning(network(rng, neuron), learning_rate=0.2, feedback="symmetric")
    chip = quantize(spec)
    frames = (rng.random((6, STEPS, INPUTS)) < 0.5).astype(np.uint8)
    report = report_quantization(spec, chip, frames, rng.integers(0, CLASSES, 6))
    rows = {row.layer: row for row in report.layers}
    for name in ("one.synapses", "two.synapses"):
        threshold = chip.population(name.partition(".")[0]).neuron.v_threshold
        assert rows[name].threshold == threshold
        assert rows[name].spikes_agreeing > 0.85
    assert rows["out.synapses"].threshold is None
    findings = check(spec, chip)
    decays = found(findings, "integer decay")
    assert not findings.of_severity("error") and set(decays) >= {"layer 'one'", "layer 'out'"}


def test_the_check_tells_of_late_updates_and_of_filters(rng):
    spec = with_learning(network(rng, LIF(surrogate=TRIANGLE)), learning_rate=0.2, rule="e-prop")
    late = check(spec, quantize(spec))
    assert found(late, "update delay in integers")["network"] == ("warning", 1)
    filters = found(late, "eligibility filter")
    assert filters.pop("connection 'two' to 'out'") == ("ok", 0)  # a readout has no filter
    assert len(filters) == 4 and set(filters.values()) == {("warning", 0.75)}
    plain = with_learning(network(rng, LIF(surrogate=TRIANGLE)), learning_rate=0.2)
    at_once = found(check(plain, quantize(plain)), "update delay in integers")
    assert at_once["network"] == ("ok", 0)


def test_rates_change_by_population_and_say_which_are_missing(rng):
    rates = {"one": 0.1, "out": 0.3}
    spec = with_learning(network(rng, LIF(surrogate=TRIANGLE)), learning_rate=rates, plastic=rates)
    chip = quantize(spec, Quantization(late_updates=True))
    other = chip_at_rate(chip, {"one": 0.2, "out": 0.05})
    wanted = {c.target: c.plasticity.rate.wanted for c in other.connections if c.plastic}
    assert wanted == {"one": 0.2, "out": 0.05} and other.learning == chip.learning
    assert dequantize(other, spec).connections[0].rule.learning_rate == 0.2
    assert at_rate(chip, 0.07) == chip_at_rate(chip, {"one": 0.07, "out": 0.07})
    with pytest.raises(ValueError, match="rates of one were given, but one, out learn"):
        chip_at_rate(chip, {"one": 0.2})


def test_late_updates_are_for_online_learning_on_the_sequenced_schedule(rng):
    spec = with_learning(network(rng, LIF(surrogate=TRIANGLE)), learning_rate=0.2)
    assert quantize(spec).learning.update_delay == 0
    assert quantize(spec, Quantization(late_updates=True)).learning.update_delay == 1
    said = with_learning(network(rng, LIF(surrogate=TRIANGLE)), learning_rate=0.2, update_delay=1)
    assert quantize(said).through_tags
    summed = with_learning(
        network(rng, LIF(surrogate=TRIANGLE)), learning_rate=0.2, mode="accumulate"
    )
    with pytest.raises(ValueError, match="late updates are for mode 'online' on schedule 'seq"):
        quantize(summed, Quantization(late_updates=True))
