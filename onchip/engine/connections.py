"""The synapses of an engine's populations, made from a program."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onchip.engine.integer_connections import make_integer_synapses
from onchip.engine.populations import EnginePopulation, Incoming, Source
from onchip.engine.real_connections import make_real_synapses
from onchip.program.graphs import INTEGERS
from onchip.program.program import Program


def connect(
    program: Program,
    sources: Mapping[str, Source],
    populations: Mapping[str, EnginePopulation],
    dtype: np.dtype,
) -> None:
    """Give each of the `populations` its synapses, which read from `sources`, both by name."""
    integers = program.numbers == INTEGERS
    for name, population in populations.items():
        population.connect(
            [
                Incoming(
                    make_integer_synapses(s) if integers else make_real_synapses(s, dtype),
                    sources[s.source],
                    s.delay,
                )
                for s in program.into(name)
            ]
        )
