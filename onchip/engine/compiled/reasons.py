"""Which programs the kernels can compute, and why they cannot compute others."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

from onchip.engine.compiled.kept_rules import keeps, reason_against_kept
from onchip.network.convolution import Convolution
from onchip.network.parts import SOURCES
from onchip.network.transforms import Bias, Dense
from onchip.neurons.alif import ALIF
from onchip.neurons.cuba import CuBa
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.objectives.classification import Classification
from onchip.objectives.integer_classification import IntegerClassification
from onchip.objectives.integer_regression import IntegerRegression
from onchip.objectives.integer_reward import IntegerReward
from onchip.objectives.integer_spike_trains import IntegerSpikeTrains
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.program.graphs import INTEGERS
from onchip.program.program import Neurons, Program

NEURONS = (LIF, LeakyIntegrator, LinearReadout, CuBa, ALIF)
"""The neuron models that kernels have, these alone: a subclass may do something else."""

INTEGER_NEURONS = NEURONS[:3]
"""Those that the kernels of integers have."""

OBJECTIVES = (Classification, Regression, Reward, SpikeTrains)
INTEGER_OBJECTIVES = (
    IntegerClassification,
    IntegerRegression,
    IntegerReward,
    IntegerSpikeTrains,
)
"""The objectives that kernels have, these alone."""

TRANSFORMS = (Dense, Convolution, Bias)
"""The transforms that kernels have, these alone."""

NO_NUMBA = "numba is not installed"


def reason_against(program: Program) -> str | None:
    """Return in a few words why a program is not compiled; None if it can be."""
    learning = program.graph.learning
    if learning is None:
        return "the network has no learning section"
    wanted = INTEGER_OBJECTIVES if program.numbers == INTEGERS else OBJECTIVES
    if type(learning.objective) not in wanted:
        return f"objective {type(learning.objective).__name__} has no kernel"
    if learning.shares is not None:
        return f"shares of the learning rate ({', '.join(learning.shares)}) have no kernel"
    found = _against_readouts(program) or _against_parts(program) or _against_routes(program)
    if found is None and not numba_is_installed():
        return NO_NUMBA
    return found


def reason_against_runs(program: Program) -> str | None:
    """Return in a few words why kernels cannot run a program, learning off; None if they can."""
    for population in program.populations:
        if why := _without_kernel(program, population):
            return why
    return _against_sources(program) or (None if numba_is_installed() else NO_NUMBA)


@functools.cache
def numba_is_installed() -> bool:
    """Return whether kernels can be compiled at all."""
    return importlib.util.find_spec("numba") is not None


def below_the_kernels(program: Program) -> frozenset[str]:
    """Return the names of populations that have no kernel, and of all that they read from."""
    waiting = [p.name for p in program.populations if _without_kernel(program, p)]
    below: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in below:
            below.add(name)
            waiting += [s.source for s in program.into(name) if s.source not in SOURCES]
    return frozenset(below)


def _without_kernel(program: Program, population: Neurons) -> str | None:
    """Return what of a population or of the synapses into it has no kernel."""
    computes: Any = population.computes
    neuron = computes.neuron
    known = INTEGER_NEURONS if program.numbers == INTEGERS else NEURONS
    if type(neuron) not in known:
        where = " in integers" if type(neuron) in NEURONS else ""
        kind = type(neuron).__name__
        return f"population {population.name!r}: neuron {kind} has no kernel{where}"
    for synapses in program.into(population.name):
        if type(synapses.transform) not in TRANSFORMS:
            kind = type(synapses.transform).__name__
            return f"synapses {synapses.name!r}: transform {kind} has no kernel"
    return None


def _against_parts(program: Program) -> str | None:
    """Return why the populations that have no kernel are not all frozen ones below the others."""
    below = below_the_kernels(program)
    for population in program.populations:
        plastic = [s for s in program.into(population.name) if s.plastic]
        routes = [route for route in program.routes if route.target == population.name]
        if population.name in below and (plastic or routes or population is program.readout):
            return _without_kernel(program, population) or (
                f"population {population.name!r} learns below one that has no kernel"
            )
        if plastic and not routes and population is not program.readout:
            return f"population {population.name!r}: nothing sends errors to its synapses"
        kept = [s for s in plastic if keeps(s)]
        found = [why for s in kept if (why := reason_against_kept(s, population)) is not None]
        if found:
            return found[0]
    return _against_sources(program)


def _against_sources(program: Program) -> str | None:
    """Return which synapses get something else than spikes, if any do."""
    for synapses in program.synapses:
        if synapses.source not in SOURCES and not program.population(synapses.source).spiking:
            return f"synapses {synapses.name!r}: population {synapses.source!r} does not spike"
    return None


def _against_readouts(program: Program) -> str | None:
    """Return why local readouts, which have errors of their own, have no kernel, if they have."""
    *local, _ = program.graph.readouts
    if not local:
        return None
    spiking = [name for name in program.graph.readouts if program.population(name).spiking]
    if spiking:
        return f"readouts that spike ({', '.join(spiking)}) have no kernel beside others"
    return None


def _against_routes(program: Program) -> str | None:
    for route in program.routes:
        if route.transform is not None and type(route.transform) is not Convolution:
            kind = type(route.transform).__name__
            return f"{route.name}: feedback through a fixed {kind} has no kernel"
    return None
