"""The frozen trunk of a graph: the convolutions and everything whose spikes come to them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from onchip import Engine
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.partition import join_trunk, split_trunk, trunk_names
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.lif import LIF


def fed_back(rng: np.random.Generator, source: str) -> Network:
    """A convolution, two dense populations, a readout, and spikes of one that come back to it."""
    kernels = Convolution(rng.normal(size=(2, 1, 3, 3)), (1, 4, 4), padding=(1, 1))
    sizes = {"conv": 32, "low": 7, "high": 6, "out": 3}
    shapes = {name: (size,) for name, size in sizes.items()} | {"conv": kernels.output_shape}
    order = list(sizes)

    def dense(post: str, pre: str) -> Connection:
        return Connection(pre, post, Dense(rng.normal(0.2, 1.0, size=(sizes[post], sizes[pre]))))

    back = Dense(rng.normal(0, 0.5, size=(32, sizes[source])))
    return Network(
        tuple(Population(name, shape, LIF()) for name, shape in shapes.items()),
        (
            Connection(INPUT, "conv", kernels),
            *(dense(post, pre) for pre, post in itertools.pairwise(order)),
            Connection(source, "conv", back, delay=1),
        ),
        (1, 4, 4),
        6,
    )


def test_what_comes_back_to_a_convolution_is_in_its_trunk_with_all_that_it_reads(rng):
    network = fed_back(rng, "high")
    assert trunk_names(network) == {"conv", "low", "high"}
    trunk, rest = split_trunk(network)
    frames = (rng.random((4, 6, 1, 4, 4)) < 0.5).astype(float)
    expected = Engine(network).run(frames)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(Engine(rest).run(Engine(trunk).run(frames)), expected)


def test_a_trunk_that_the_readout_feeds_back_to_is_refused(rng):
    with pytest.raises(ValueError, match=r"'out', the readout, come to its .*torch or lava-fused"):
        split_trunk(fed_back(rng, "out"))


def test_what_learned_joins_its_trunk_again_and_so_does_the_whole_network(rng):
    network = fed_back(rng, "high")
    rest = split_trunk(network)[1]
    learned = rest.with_weights({"out.synapses": np.ones((3, 6))})
    joined = join_trunk(network, learned)
    assert joined == network.with_weights({"out.synapses": np.ones((3, 6))})
    assert join_trunk(network, joined) == joined != network
