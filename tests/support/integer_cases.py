"""A small network in integers, and every execution of it against the slow loop."""

from __future__ import annotations

import numpy as np
from graph_cases import CLASSES, dense
from integer_loops import IntegerLoops

from onchip import Engine, LeakyIntegrator
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias
from onchip.program.chip_network import ChipNetwork

INPUTS, HIDDEN, STEPS, SAMPLES = 7, 8, 6, 5


def network(rng, neuron, out=None) -> Network:
    """Two hidden populations, the first with connections from itself and a bias, and a readout."""
    populations = (
        Population("one", (HIDDEN,), neuron),
        Population("two", (HIDDEN,), neuron),
        Population("out", (CLASSES,), out or LeakyIntegrator(0.8)),
    )
    return Network(
        populations,
        (
            Connection(INPUT, "one", dense(rng, HIDDEN, INPUTS)),
            Connection("one", "one", dense(rng, HIDDEN, HIDDEN, 0.5), 1),
            Connection(ALWAYS_ON, "one", Bias(rng.normal(0.1, 0.1, HIDDEN), (HIDDEN,))),
            Connection("one", "two", dense(rng, HIDDEN, HIDDEN)),
            Connection("two", "out", dense(rng, CLASSES, HIDDEN, 0.5)),
        ),
        (INPUTS,),
        STEPS,
    )


def events(rng):
    frames = (rng.random((SAMPLES, STEPS, INPUTS)) < 0.5).astype(np.uint8)
    return frames, rng.integers(0, CLASSES, SAMPLES)


def assert_the_loops(chip: ChipNetwork, frames, targets) -> None:
    loops, engine = IntegerLoops(chip), Engine(chip)
    expected = loops.learn(frames, targets)
    np.testing.assert_array_equal(engine.learn(frames, targets), expected)
    learned = engine.snapshot()
    named = dict(zip(chip.names, learned.connections, strict=True))
    for name, slow in loops.weights().items():
        weight = named[name].transform.weight
        inputs = weight.shape[-1] if weight.ndim == 2 else None
        np.testing.assert_array_equal(weight, slow[:, :inputs], name)
        old = dict(zip(chip.names, chip.connections, strict=True))[name].transform.weight
        assert (weight != old).any(), name
    for make in (
        LavaNetwork,
        lambda spec, schedule: LavaNetwork(spec, schedule, run_config=FastSimCfg("fixed_pt")),
        FusedLavaNetwork,
    ):
        with make(chip, chip.schedule) as execution:
            np.testing.assert_array_equal(execution.learn(frames, targets).outputs, expected)
            assert execution.snapshot() == learned
