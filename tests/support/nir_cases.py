"""Networks that are written as NIR and read again, each a case by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from graph_cases import GRAPHS, dense

from onchip import (
    ALIF,
    LIF,
    Connection,
    ConvSpec,
    CuBa,
    DenseSpec,
    LeakyIntegrator,
    LinearReadout,
    Network,
    NetworkSpec,
    Population,
    Surrogate,
)
from onchip.network.composition import composed, pool
from onchip.network.convolution import Convolution
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.transforms import Bias, Dense, OneToOne

Make = Callable[[np.random.Generator], "NetworkSpec | Network"]


def _chain(rng, neuron, readout=None, bias=True, steps=8) -> NetworkSpec:
    readout = LeakyIntegrator(0.8) if readout is None else readout
    return NetworkSpec(
        (
            DenseSpec("one", rng.normal(0, 0.8, (7, 5)), neuron, rng.normal(0, 0.2, 7) * bias),
            DenseSpec("out", rng.normal(0, 0.8, (3, 7)), readout, rng.normal(0, 0.2, 3)),
        ),
        (5,),
        steps,
        metadata={"dataset": "digits-dvs", "seed": 3},
    )


def _recurrent_chain(rng) -> NetworkSpec:
    hidden = DenseSpec(
        "one",
        rng.normal(0, 1, (6, 5)),
        LIF(0.75, 0.8),
        rng.normal(0, 0.1, 6),
        rng.normal(0, 0.4, (6, 6)),
    )
    out = DenseSpec("out", rng.normal(0, 1, (3, 6)), LinearReadout(0.6))
    return NetworkSpec((hidden, out), (5,), 9)


def _maps(rng, kernel=(3, 3), stride=(1, 1), padding=(1, 1), neuron=None) -> NetworkSpec:
    neuron = neuron or LIF(0.5)
    conv = ConvSpec(
        "conv",
        rng.normal(0, 0.5, (4, 2, *kernel)),
        neuron,
        (2, 8, 6),
        rng.normal(0, 0.1, 4),
        stride,
        padding,
    )
    size = int(np.prod(conv.output_shape))
    out = DenseSpec("out", rng.normal(0, 0.3, (3, size)), LeakyIntegrator(0.9))
    return NetworkSpec((conv, out), (2, 8, 6), 6)


def _pooled(rng) -> Network:
    """A convolution with an average pool of 2 in its kernel, behind another convolution."""
    first = Convolution(rng.normal(0, 0.5, (4, 2, 3, 3)), (2, 8, 8), (1, 1), (1, 1))
    second = Convolution(rng.normal(0, 0.7, (4, 4, 3, 3)), (4, 4, 4), (1, 1), (1, 1))
    pooled = composed(pool((4, 8, 8), (2, 2), (2, 2), (0, 0), True), second)
    return Network(
        (
            Population("low", (4, 8, 8), LIF(0.5)),
            Population("high", (4, 4, 4), LIF(0.5, 0.9)),
            Population("out", (3,), LIF(0.6)),
        ),
        (
            Connection(INPUT, "low", first),
            Connection("low", "high", pooled),
            Connection(ALWAYS_ON, "high", Bias(rng.normal(0, 0.1, 4), (4, 4, 4))),
            Connection("high", "out", dense(rng, 3, 64)),
        ),
        (2, 8, 8),
        5,
    )


def _residual_maps(rng) -> Network:
    """A shortcut one to one beside a convolution, and a bias of zeros."""
    same = Convolution(rng.normal(0, 0.5, (2, 2, 3, 3)), (2, 5, 5), (1, 1), (1, 1))
    return Network(
        (
            Population("block.inner", (2, 5, 5), LIF(0.5)),
            Population("block", (2, 5, 5), LIF(0.5, reset="hard")),
            Population("out", (3,), LinearReadout(0.5)),
        ),
        (
            Connection(INPUT, "block.inner", same),
            Connection("block.inner", "block", same),
            Connection(INPUT, "block", OneToOne(np.ones((2, 5, 5)))),
            Connection(ALWAYS_ON, "block", Bias(np.zeros(2), (2, 5, 5))),
            Connection("block", "out", dense(rng, 3, 50)),
        ),
        (2, 5, 5),
        7,
    )


def _delayed_forward(rng) -> Network:
    """A connection of delay 1 that closes no cycle, beside one without, and a bias behind both."""
    return Network(
        (
            Population("one", (6,), LIF(0.7)),
            Population("two", (4,), CuBa(0.7, 0.4)),
            Population("out", (3,), LeakyIntegrator(0.8)),
        ),
        (
            Connection(INPUT, "one", dense(rng, 6, 5)),
            Connection("one", "two", dense(rng, 4, 6, 0.5), 1),
            Connection("one", "two", dense(rng, 4, 6)),
            Connection(ALWAYS_ON, "two", Bias(rng.normal(0, 0.1, 4), (4,))),
            Connection("two", "out", dense(rng, 3, 4)),
        ),
        (5,),
        9,
    )


def _named_as_nir(rng) -> Network:
    """Populations with the names of NIR's own nodes, and one neuron in each."""
    return Network(
        (Population("output", (1,), LIF(0.5)), Population("output_2", (1,), LIF(1.0))),
        (
            Connection(INPUT, "output", Dense(rng.uniform(0.3, 0.9, (1, 4)))),
            Connection("output", "output_2", dense(rng, 1, 1)),
        ),
        (4,),
        6,
    )


CASES: dict[str, Make] = {
    **GRAPHS,
    "chain": lambda rng: _chain(rng, LIF(0.5)),
    "chain without bias": lambda rng: _chain(rng, LIF(0.5), bias=False),
    "hard reset": lambda rng: _chain(rng, LIF(0.9, 0.7, "hard")),
    "no leak": lambda rng: _chain(rng, LIF(1.0, 1.3), LeakyIntegrator(1.0)),
    "an odd decay": lambda rng: _chain(rng, LIF(0.1 + 0.2)),
    "no surrogate": lambda rng: _chain(rng, LIF(0.5, surrogate=None)),
    "another surrogate": lambda rng: _chain(rng, LIF(0.5, surrogate=Surrogate("triangle", 0.7))),
    "currents": lambda rng: _graph(_chain(rng, LIF(0.5)), CuBa(0.75, 0.5)),
    "currents, hard reset": lambda rng: _graph(_chain(rng, LIF(0.5)), CuBa(0.3, 0.9, 1.1, "hard")),
    "spiking readout": lambda rng: _chain(rng, LIF(0.5), LIF(0.8)),
    "linear readout": lambda rng: _chain(rng, LIF(0.5), LinearReadout(0.7)),
    "recurrent chain": _recurrent_chain,
    "convolution": _maps,
    "strided convolution": lambda rng: _maps(rng, stride=(2, 1), padding=(1, 2)),
    "kernel that is not square": lambda rng: _maps(rng, (3, 2), padding=(0, 1)),
    "pooled": _pooled,
    "residual maps": _residual_maps,
    "delayed forward": _delayed_forward,
    "names of NIR": _named_as_nir,
}
"""Networks by hand."""


def _graph(spec: NetworkSpec, neuron: CuBa | ALIF) -> Network:
    """The chain with other hidden neurons, which only a graph has."""
    from dataclasses import replace

    from onchip.network.chain import graph_of

    graph = graph_of(spec)
    one, out = graph.populations
    return replace(graph, populations=(replace(one, neuron=neuron), out))


def frames_for(network: NetworkSpec | Network, seed: int = 1, samples: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (samples, network.time_steps, *network.input_shape)).astype(np.uint8)
