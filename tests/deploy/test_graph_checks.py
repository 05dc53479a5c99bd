"""`check` tells of graphs what it tells of chains, and of what only graphs have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_networks import convolutional_residual, learning_residual, residual_network

from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec, Surrogate
from onchip.deploy import CheckReport, check, quantize
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT, Connection
from onchip.network.transforms import Dense
from onchip.program.graphs import as_graph
from onchip.rules.filtered import DoubleFiltered


def found(report: CheckReport, quantity: str) -> dict[str, tuple[str, object]]:
    """(severity, value) of the findings about one quantity, by object."""
    return {f.object: (f.severity, f.value) for f in report.findings if f.quantity == quantity}


def chain(rng: np.random.Generator) -> NetworkSpec:
    lif = LIF(reset="hard", surrogate=Surrogate("triangle"))
    layers = (
        DenseSpec("fc1", rng.normal(size=(7, 12)), lif, rng.normal(size=7), np.eye(7)),
        DenseSpec("fc2", rng.normal(size=(5, 7)), lif),
        DenseSpec("readout", rng.normal(size=(3, 5)), LeakyIntegrator(), rng.normal(size=3)),
    )
    return with_learning(NetworkSpec(layers, (12,), 5), learning_rate=0.05, feedback="random")


NETWORK_WIDE = (
    "neurons",
    "neurocores",
    "synapses",
    "synaptic memory",
    "learning epoch",
    "update delay",
    "feedback",
    "error process",
    "integers",
)


@pytest.mark.parametrize("quantized", [False, True])
def test_a_chain_and_its_graph_are_found_to_need_the_same(rng, quantized: bool) -> None:
    spec = chain(rng)
    fixed = quantize(spec) if quantized else None
    ours = check(as_graph(spec), None if fixed is None else as_graph(fixed))
    theirs = check(spec, fixed)
    for quantity in NETWORK_WIDE:
        assert found(ours, quantity) == found(theirs, quantity), quantity
    for quantity in ("neurons per layer", "decay", "threshold", "reset", "readout", "surrogate"):
        assert found(ours, quantity) == found(theirs, quantity), quantity
    for quantity in ("trace time constant", "trace decay", "integer decay", "threshold form",
                     "bias mantissa", "input of one step"):  # fmt: skip
        assert found(ours, quantity) == found(theirs, quantity), quantity
    worst = {name.split("'")[3]: value for name, value in found(ours, "rate mantissa").items()}
    assert worst == {n.split("'")[1]: v for n, v in found(theirs, "rate mantissa").items()}
    assert bool(worst) == quantized and ours.passed and theirs.passed


def test_sizes_of_a_residual_network_are_counted_connection_by_connection(rng) -> None:
    report = check(learning_residual(rng))
    weights = 8 * 6 + 6 * 64 + 8 + 8 + 3 * 8  # the bias learns, so it is synapses
    feedback = 6 * 64 + 8 * 3  # one matrix for each connection upwards but the input's
    assert found(report, "neurons")["network"] == ("ok", 43)
    assert found(report, "synapses")["network"] == ("ok", weights + feedback)
    assert found(report, "fan-in")["layer 'b2'"][1] == 8 + 1
    assert found(report, "fan-in")["layer 'stem'"][1] == 6 + 8
    assert found(report, "fan-out")["layer 'b2'"][1] == 3 + 8
    assert found(report, "fan-out")["layer 'stem'"][1] == 8 + 8
    assert found(report, "synaptic delay")["network"] == ("ok", 1)


def test_a_frozen_bias_is_no_synapse(rng) -> None:
    report = check(residual_network(rng))
    assert found(report, "synapses")["network"][1] == 8 * 6 + 6 * 64 + 8 + 3 * 8
    assert found(report, "fan-in")["layer 'a1'"][1] == 8


def test_the_taps_of_a_convolution_in_a_graph_are_counted_inside_its_input(rng) -> None:
    report = check(convolutional_residual(rng))
    inside = sum(
        0 <= y + dy < 4 and 0 <= x + dx < 4
        for y in range(4)
        for x in range(4)
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    )
    kernels = 2 * 9
    stored = found(report, "synapses")["network"][1]
    unrolled = found(report, "synapses")["network (convolutions unrolled)"][1]
    assert unrolled - stored == 2 * inside - kernels


def test_what_a_chip_cannot_hold_of_a_graph_is_an_error(rng) -> None:
    network = residual_network(rng)
    exact = with_learning(network, learning_rate=0.1)
    assert found(check(exact), "feedback")["network"] == ("error", "exact")
    filtered = with_learning(network, learning_rate=0.1, rule="e-prop", feedback="random")
    rows, last = found(check(filtered), "eligibility filter"), network.populations[-1].name
    readout = [rows.pop(name) for name in list(rows) if name.endswith(f"to {last!r}")]
    assert readout == [("ok", 0)]
    assert len(rows) == 9 and set(rows.values()) == {("warning", 0.75)}
    double = with_learning(
        network, learning_rate=0.1, eligibility=DoubleFiltered(0.5, 0.75), feedback="random"
    )
    assert set(found(check(double), "eligibility").values()) == {("error", "DoubleFiltered")}
    assert set(found(check(double), "second tag").values()) == {("error", "DoubleFiltered")}
    zero = network.with_weights({"a1.synapses": np.zeros((8, 8))})
    weights = found(check(zero), "weights")
    assert weights["connection 'stem' to 'a1'"] == ("error", "all 0")
    assert not check(zero).passed


def test_a_graph_in_integers_is_checked_connection_by_connection(rng) -> None:
    spec = as_graph(chain(rng))
    chip = quantize(spec)
    report = check(spec, chip)
    assert report.passed and len(found(report, "weight exponent")) == len(
        {(c.source, c.target) for c in chip.connections}
    )
    odd = chip.connections[0]
    weight = np.array(odd.transform.weight)
    weight[0, 0] = 3
    changed = replace(odd, transform=Dense(weight))
    worse = check(spec, replace(chip, connections=(changed, *chip.connections[1:])))
    name = f"connection {INPUT!r} to 'fc1'"
    assert found(worse, "odd weights")[name] == ("warning", 1)
    assert found(report, "odd weights")[name] == ("ok", 0)


def test_a_shortcut_needs_no_longer_epoch(rng) -> None:
    spec = as_graph(chain(rng))
    short = found(check(spec), "learning epoch")["network"][1]
    skip = Connection("fc1", "readout", Dense(np.ones((3, 7))))
    rules = replace(skip, rule=spec.connections[-2].rule)
    frozen = replace(spec, connections=(*spec.connections, rules))
    assert found(check(frozen), "learning epoch")["network"][1] == short == 6
