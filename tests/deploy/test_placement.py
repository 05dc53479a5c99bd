"""The cores of a network: cut by hand, within every limit, and refused by the layer's name."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from convolution_cases import network as convolutions
from convolution_cases import pairs_of
from graph_cases import NEURON, dense, lif, readout, residual

from onchip.deploy.costs.operations import synapses_of
from onchip.deploy.costs.placement import LOIHI_1, CoreLimits, Placement, place
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT, Connection, Population

FREE = CoreLimits("a chip", 128, 10**9, None, None, 10**9, 10**9, "made up")


def layers(rng, inputs: int = 20, hidden: int = 50) -> Network:
    return Network(
        (lif("fc", hidden), readout()),
        (
            Connection(INPUT, "fc", dense(rng, hidden, inputs)),
            Connection("fc", "out", dense(rng, 3, hidden)),
        ),
        (inputs,),
        4,
    )


def blocks(placement: Placement, group: str) -> list[tuple[int, int]]:
    return [(c.start, c.stop) for c in placement.cores if c.group == group]


def test_each_limit_cuts_where_it_is_reached(rng):
    network = layers(rng)
    assert place(network, FREE).by_group() == {"fc": 1, "out": 1}
    by_neurons = place(network, replace(FREE, neurons=20))
    assert blocks(by_neurons, "fc") == [(0, 20), (20, 40), (40, 50)]
    by_synapses = place(network, replace(FREE, synapses=205))
    assert blocks(by_synapses, "fc") == [(i, i + 10) for i in range(0, 50, 10)]
    by_bits = place(network, replace(FREE, synapse_bits=8 * 20 * 25))
    assert (
        blocks(by_bits, "fc") == [(0, 25), (25, 50)] and by_bits.filled_by("fc") == "synapse_bits"
    )


def test_tags_and_feedback_need_cores_too(rng):
    limits = replace(FREE, synapse_bits=8 * 20 * 25)
    summed = with_learning(layers(rng), learning_rate=0.1, mode="accumulate", feedback="direct")
    found = place(summed, limits)
    # 17 bits a synapse: 4000 // (20 * 17) = 11 neurons in a core; the feedback has 3 inputs
    assert found.by_group() == {"fc": 5, "fc.feedback": 1, "out": 1}
    online = with_learning(layers(rng), learning_rate=0.1, feedback="direct")
    assert place(online, limits).by_group()["fc"] == 2


def test_a_block_of_a_map_reads_the_inputs_that_its_kernels_see(rng):
    network = convolutions(rng)
    found = place(network, replace(FREE, neurons=17))
    second = next(c for c in network.connections if c.target == "conv2")
    pairs = list(pairs_of(second.transform))
    channels, height, width = second.transform.output_shape
    places = itertools.product(range(height), range(width), range(channels))
    order = [(c * height + y) * width + x for y, x, c in places]
    for core in (c for c in found.cores if c.group == "conv2"):
        members = set(order[core.start : core.stop])
        inside = {pre for post, pre, _ in pairs if post in members}
        assert core.input_axons == len(inside)
        assert core.synapses == second.transform.weight.size  # frozen kernels are shared
    learned = with_learning(network, learning_rate=0.1, plastic=["conv2"])
    core = place(learned, FREE).cores[1]
    assert core.synapses == len(pairs)


def test_output_axons_are_pairs_of_a_neuron_and_a_core_that_reads_it(rng):
    found = place(residual(rng), replace(FREE, neurons=4))
    by_group = {c.group: c for c in found.cores if c.start == 0}
    # stem (8 neurons in two cores) is read by both cores of a1 and both of a2
    assert by_group["stem"].output_axons == 4 * 4
    assert by_group["a1"].output_axons == 4 * 2
    assert by_group["out"].output_axons == 0
    tight = replace(found, limits=replace(FREE, output_axons=15))
    assert {c.group for c in tight.sending_too_far()} == {"stem", "a2"}


def test_a_neuron_that_fits_no_core_is_refused_by_its_layer(rng):
    with pytest.raises(
        ValueError, match=r"layer 'fc': one neuron needs 20 inputs, .* holds 19; use"
    ):
        place(layers(rng), replace(FREE, input_axons=19))
    few = with_learning(layers(rng, inputs=2), learning_rate=0.1, plastic=["fc"], feedback="direct")
    with pytest.raises(
        ValueError, match=r"layer 'fc': the feedback to one neuron needs 3 synapses"
    ):
        place(few, replace(FREE, synapses=2))


def test_blocks_of_loihi_1_are_within_its_limits_and_hold_every_neuron(rng):
    network = layers(rng, 900, 3000)
    found = place(network, LOIHI_1)
    assert sum(c.neurons for c in found.cores) == 3003
    for core in found.cores:
        assert core.neurons <= 1024 and core.synapse_bits <= 2**20 and core.input_axons <= 4096
    # 900 weights of 8 bits: 145 neurons in a core
    assert found.by_group() == {"fc": 21, "out": 1}
    assert found.as_json()["unknown"] == ["synapses"] and found.chips == 1


def test_the_cores_are_as_many_as_the_closed_form_says(rng):
    for neurons in (1, 7, 50, 51):
        found = place(layers(rng), replace(FREE, neurons=neurons))
        expected = -(-50 // neurons) + -(-3 // neurons)
        assert len(found.cores) == expected
        assert np.sum([c.neurons for c in found.cores]) == 53


@pytest.mark.parametrize("limits", [LOIHI_1, replace(FREE, input_axons=None, output_axons=None)])
def test_a_large_convolution_is_placed_by_its_geometry(limits, rng):
    kernel = Convolution(rng.normal(size=(20, 16, 3, 3)), (16, 20, 21), (2, 1), (1, 0))
    size = int(np.prod(kernel.output_shape))
    network = Network(
        (Population("conv", kernel.output_shape, NEURON), readout()),
        (Connection(INPUT, "conv", kernel), Connection("conv", "out", dense(rng, 3, size))),
        kernel.input_shape,
        4,
    )
    learned = with_learning(network, learning_rate=0.1, plastic=["conv", "out"])
    found = place(learned, replace(limits, neurons=1024))
    assert sum(c.synapses for c in found.cores if c.group == "conv") == synapses_of(kernel)
    backward = [c for c in found.cores if c.group == "conv.feedback"]
    assert sum(c.synapses for c in backward) == 3 * size
