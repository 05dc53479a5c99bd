"""Networks as NIR graphs and back: equal by value, and in spikes where others' parameters count."""

from __future__ import annotations

import io

import nir
import numpy as np
import pytest
from graph_cases import random_graphs
from hypothesis import given, settings
from nir_cases import CASES, frames_for

from onchip import Engine, Network
from onchip.deploy.interchange.files import load_graph, read_nir, write_nir
from onchip.deploy.interchange.reading import from_nir
from onchip.deploy.interchange.writing import to_nir
from onchip.program.graphs import as_graph


def run(network, frames):
    spikes: dict[str, list[np.ndarray]] = {}
    outputs = Engine(network).run(frames, lambda name, s: spikes.setdefault(name, []).append(s * 1))
    return outputs, {name: np.array(values) for name, values in spikes.items()}


def assert_same_course(network, other, atol=0.0):
    frames = frames_for(network)
    (outputs, spikes), (found, found_spikes) = run(as_graph(network), frames), run(other, frames)
    np.testing.assert_allclose(found, outputs, rtol=0, atol=atol)
    last = as_graph(network).populations[-1].name
    assert sum(s.sum() for name, s in spikes.items() if name != last) > 0
    for population in as_graph(network).populations:
        if population.neuron.spiking:
            np.testing.assert_array_equal(found_spikes[population.name], spikes[population.name])


def without_metadata(graph):
    """The graph as a program writes it that keeps nothing but NIR's own parameters."""
    content = io.BytesIO()
    nir.write(content, graph)
    plain = nir.read(content, type_check=False)
    plain.metadata = {}
    for node in plain.nodes.values():
        node.metadata = {}
    return plain


def test_there_are_more_than_twenty_networks_by_hand():
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES)
def test_a_network_comes_back_from_a_file_by_value_and_by_spikes(case, tmp_path):
    network = CASES[case](np.random.default_rng(5))
    write_nir(tmp_path / "net.nir", network, dt=1e-3)
    found = read_nir(tmp_path / "net.nir")
    assert found == as_graph(network)
    assert_same_course(network, found)


@pytest.mark.parametrize("case", CASES)
def test_pools_that_are_written_apart_fold_into_the_same_network(case):
    network = CASES[case](np.random.default_rng(6))
    graph = to_nir(network, dt=1e-4, pools="separate")
    apart = any(isinstance(node, nir.AvgPool2d) for node in graph.nodes.values())
    assert apart == (case == "pooled")
    assert from_nir(graph) == as_graph(network)


@settings(max_examples=30, deadline=None)
@given(network=random_graphs())
def test_random_graphs_come_back_by_value(network):
    content = io.BytesIO()
    nir.write(content, to_nir(network, dt=0.5))
    assert from_nir(nir.read(content, type_check=False)) == network


@pytest.mark.parametrize("case", sorted(set(CASES) - {"delayed", "names of NIR"}))
def test_the_parameters_alone_give_the_same_spikes(case):
    """Without metadata, read by NIR's equations: no decay, gain or delay is in those alone."""
    network = CASES[case](np.random.default_rng(7))
    resets = {getattr(p.neuron, "reset", None) for p in as_graph(network).populations} - {None}
    if len(resets) > 1:
        network = with_reset(as_graph(network), "soft")
        resets = {"soft"}
    plain = without_metadata(to_nir(network, dt=2e-3))
    found = from_nir(
        plain,
        dt=2e-3,
        reset={"soft": "subtract", "hard": "zero"}[resets.pop()],
        fires=">=",
        time_steps=network.time_steps,
    )
    pairs = zip(found.populations, named(found, network), strict=True)
    renamed = {new.name: old.name for new, old in pairs}
    assert set(renamed.values()) == {p.name for p in as_graph(network).populations}
    frames = frames_for(network)
    (outputs, spikes), (others, other_spikes) = run(as_graph(network), frames), run(found, frames)
    np.testing.assert_allclose(others, outputs, atol=1e-9)
    for new, old in renamed.items():
        if as_graph(network).population(old).neuron.spiking:
            np.testing.assert_array_equal(other_spikes[new], spikes[old], err_msg=old)


def named(found: Network, network) -> list:
    """The populations of `network` in the order of those found, by the names of nodes."""
    graph = as_graph(network)
    by_node = {p.name.replace(".", "_"): p for p in graph.populations}
    return [by_node.get(p.name, graph.populations[-1]) for p in found.populations]


def with_reset(graph: Network, reset: str) -> Network:
    from dataclasses import replace

    return replace(
        graph,
        populations=tuple(
            replace(p, neuron=replace(p.neuron, reset=reset)) if hasattr(p.neuron, "reset") else p
            for p in graph.populations
        ),
    )


def test_the_equations_hold_by_hand():
    """tau = dt / (1 - lambda) and r = tau / dt, so that an input of 1 adds 1."""
    network = CASES["hard reset"](np.random.default_rng(0))  # LIF(0.9, 0.7, hard)
    node = to_nir(network, dt=1e-3).nodes["one"]
    np.testing.assert_allclose(node.tau, 1e-2)
    np.testing.assert_allclose(node.r, 10)
    np.testing.assert_array_equal(node.v_threshold, np.full(7, 0.7))
    np.testing.assert_array_equal(node.v_leak, np.zeros(7))


def test_the_graph_passes_nirs_own_type_check():
    for case, make in CASES.items():
        graph = to_nir(make(np.random.default_rng(0)), dt=1e-4)
        if case in ("kernel that is not square", "linear readout", "residual maps"):
            continue  # nir takes the first side of a kernel for both, and sums at no output
        nir.NIRGraph(graph.nodes, graph.edges, type_check=True)


def test_a_file_that_is_read_is_the_one_that_nir_reads(tmp_path):
    network = CASES["chain"](np.random.default_rng(0))
    write_nir(tmp_path / "net.nir", network, dt=1e-4)
    theirs = nir.read(tmp_path / "net.nir")
    ours = load_graph(tmp_path / "net.nir")
    assert set(theirs.nodes) == set(ours.nodes) == {
        "input", "output", "one", "out", "one_synapses", "out_synapses"
    }  # fmt: skip
    np.testing.assert_array_equal(theirs.nodes["one_synapses"].weight, network.layers[0].weight)
