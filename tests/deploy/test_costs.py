"""The costs of a network are those that a slow simulator counts one operation at a time."""

from __future__ import annotations

import numpy as np
import pytest
from convolution_cases import network as convolutions
from cost_loops import counted_one_by_one
from graph_cases import CLASSES, NEURON, dense, lif, readout

from onchip.deploy.costs.counting import count
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.network.local import LocalConvolution
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.readouts import local_readouts
from onchip.network.transforms import Bias, OneToOne
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.filtered import Filtered
from onchip.rules.rule import UPDATE_MODES

NETWORKS = 20


def pruned(rng, network: Network) -> Network:
    """The network with a quarter of its weights zero."""
    weights = {
        name: c.transform.weight * (rng.random(c.transform.weight.shape) < 0.75)
        for c, name in zip(network.connections, network.names, strict=True)
        if c.source != ALWAYS_ON
    }
    return network.with_weights(weights)


def maps(rng, steps: int, whole: bool) -> Network:
    """A convolution of any stride and padding under dense populations, or a local one."""
    shape = (2, int(rng.integers(3, 5)), int(rng.integers(3, 5)))
    stride, padding = (int(rng.integers(1, 3)), 1), (int(rng.integers(0, 2)), 1)
    kernel = Convolution(rng.normal(0, 0.8, (2, 2, 2, 3)), shape, stride, padding)
    size = int(np.prod(kernel.output_shape))
    transform = kernel
    if not whole and rng.random() < 0.3:
        weight = rng.normal(0, 0.8, (*kernel.output_shape[1:], 2, 2, 2, 3))
        transform = LocalConvolution(weight, shape, stride, padding)
    return Network(
        (Population("conv", kernel.output_shape, NEURON), lif("fc", 4), readout()),
        (
            Connection(INPUT, "conv", transform),
            Connection(ALWAYS_ON, "conv", Bias(rng.normal(0, 0.2, 2), kernel.output_shape)),
            Connection("conv", "fc", dense(rng, 4, size)),
            Connection("fc", "out", dense(rng, CLASSES, 4, 0.7)),
        ),
        shape,
        steps,
    )


def rows(rng, steps: int, whole: bool) -> Network:
    """Two or three dense populations with a skip, recurrence, a bias and one-to-one synapses."""
    names = [f"p{i}" for i in range(int(rng.integers(2, 4)))]
    sizes = {INPUT: 5} | {n: int(rng.integers(3, 6)) for n in names}
    found, below = [], INPUT
    for name in names:
        found.append(Connection(below, name, dense(rng, sizes[name], sizes[below])))
        below = name
    found.append(Connection(below, "out", dense(rng, CLASSES, sizes[below], 0.7)))
    if rng.random() < 0.5:
        found.append(Connection(INPUT, names[-1], dense(rng, sizes[names[-1]], 5, 0.5)))
    if rng.random() < 0.5:
        size = sizes["p0"]
        found.append(Connection("p0", "p0", dense(rng, size, size, 0.5), 1))
    if rng.random() < 0.7:
        shape = (sizes["p1"],)
        found.append(Connection(ALWAYS_ON, "p1", Bias(rng.normal(0, 0.3, shape), shape)))
    if not whole and rng.random() < 0.5:
        weight = rng.normal(0, 0.5, sizes["p1"])
        found.append(Connection("p1", "p1", OneToOne(weight), 1))
    populations = (*(lif(n, sizes[n]) for n in names), readout())
    return Network(populations, tuple(found), (5,), steps)


def taught(rng, network: Network, whole: bool) -> Network:
    """With some of its populations plastic, by some rule, feedback and mode."""
    mode = str(rng.choice(UPDATE_MODES))
    kinds = [k for k in FEEDBACKS if not whole or k != "random"]
    options = {"learning_rate": 0.1, "mode": mode, "seed": int(rng.integers(100))}
    names = [p.name for p in network.populations]
    drawn = [n for n in names if rng.random() < 0.6] or names[-1:]
    if not whole and rng.random() < 0.3:
        read = local_readouts(network, seed=1)
        return with_learning(read, rule="decolle", plastic=drawn, **options)
    options |= {"feedback": str(rng.choice(kinds)), "plastic": drawn}
    if not whole and rng.random() < 0.3 and not maps_learn(network, drawn):
        options |= {"eligibility": Filtered(0.75), "mode": "online"}
    elif not whole and mode == "online" and rng.random() < 0.3:
        options |= {"update_delay": 1}
    return with_learning(network, **options)


def maps_learn(network: Network, names: list[str]) -> bool:
    return any(c.target in names and c.transform.shares_weights for c in network.connections)


def case(seed: int):
    """A network, frames and labels; every third one in integers."""
    rng = np.random.default_rng([77, seed])
    whole, steps = seed % 3 == 2, int(rng.integers(3, 7))
    network = maps(rng, steps, whole) if rng.random() < 0.5 else rows(rng, steps, whole)
    network = taught(rng, pruned(rng, network), whole)
    frames = (rng.random((3, steps, *network.input_shape)) < 0.5).astype(float)
    if not whole and rng.random() < 0.3:
        frames = frames * rng.normal(1, 1, frames.shape)
    labels = rng.integers(0, CLASSES, 3)
    return quantize(network, Quantization("sequenced")) if whole else network, frames, labels


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_counts_of_learning_are_those_of_a_loop_over_all_synapses(seed):
    network, frames, labels = case(seed)
    expected = counted_one_by_one(network, frames, labels)
    found = count(network, frames, labels).totals()
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in expected.items() if v}


@pytest.mark.parametrize("seed", range(0, NETWORKS, 3))
def test_counts_of_running_are_those_of_a_loop_over_all_synapses(seed):
    network, frames, _ = case(seed)
    network = without_learning(network)
    expected = counted_one_by_one(network, frames, None)
    found = count(network, frames).totals()
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in expected.items() if v}


def test_the_random_networks_have_every_kind_of_count():
    totals = [count(*case(seed)).totals() for seed in range(NETWORKS)]
    assert all(sum(t[name] for t in totals) > 0 for name in totals[0])
    assert any(t["synaptic_macs"] for t in totals) and any(t["tag_updates"] for t in totals)


def test_a_closed_form_of_a_dense_layer_without_zeros(rng):
    network = convolutions(rng)
    frames = np.ones((2, network.time_steps, *network.input_shape))
    costs = count(without_learning(network), frames)
    first = next(c for c in costs.connections if c.name == "conv1.synapses")
    # 3 x 3 kernels with one row and column of padding: 6 (3 - 1) + 4 rows, 5 (3 - 1) + 3 columns
    synapses = 3 * 2 * (6 * 3 - 2) * (5 * 3 - 2)
    assert first.synapses == synapses
    assert first.operations.dense == first.operations.acs == 2 * network.time_steps * synapses


def test_counting_leaves_the_network_as_it_was_and_refuses_to_learn_without_a_rule(rng):
    network, frames, labels = case(0)
    before = [c.transform.weight.copy() for c in network.connections]
    count(network, frames, labels)
    for weight, c in zip(before, network.connections, strict=True):
        np.testing.assert_array_equal(weight, c.transform.weight)
    with pytest.raises(ValueError, match="no learning section"):
        count(without_learning(network), frames, labels)


def test_integers_take_binary_frames_only():
    network, frames, labels = case(2)
    with pytest.raises(ValueError, match="binary spikes"):
        count(network, 0.5 * frames, labels)
