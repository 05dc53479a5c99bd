"""A network of integers as the numbers of a program; `onchip.program.plasticity` has its rule."""

from __future__ import annotations

from typing import cast

import numpy as np

from onchip.network.graph import Network
from onchip.network.parts import Connection, Population
from onchip.network.shares import by_synapse
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation
from onchip.program.plasticity import LATE, TAGGED, connection_seed, gate_value, make_synapses
from onchip.program.populations import IntegerPopulation, spread_bias
from onchip.program.shares import (
    require_free_gate,
    require_tags,
    taught_shares,
    whole_gates,
    whole_shares,
)
from onchip.program.synapses import IntegerPlasticity
from onchip.program.teaching import IntegerFilteredTeacher, IntegerTeacher, Teacher
from onchip.program.timetable import Schedule


def computes(
    network: Network, population: Population, bias: np.ndarray | None
) -> IntegerPopulation:
    """Return what a population computes; `bias` is one of a connection, which integers have not."""
    assert bias is None
    chip = cast(ChipPopulation, population)
    factor = chip.factor
    return IntegerPopulation(
        chip.neuron,
        spread_bias(chip.bias, chip.shape),
        None if factor is None else factor.shift,
        None if network.learning is None else network.learning.objective,
        network.time_steps,
        1 if factor is None or factor.multiple is None else factor.multiple,
        None if factor is None else factor.signal_shift,
    )


def weights(connection: Connection) -> np.ndarray:
    """Return a connection's weights, int64."""
    return connection.transform.weight.astype(np.int64)


def teacher(network: Network, into: Connection, timetable: Schedule) -> Teacher:
    """Return what a population sends to its plastic synapses, of which `into` is one."""
    plasticity = cast(ChipConnection, into).plasticity
    assert plasticity is not None
    if plasticity.filter is not None:
        return IntegerFilteredTeacher()
    mode, shares = cast(ChipNetwork, network).rule_mode, taught_shares(network, into.target)
    gate: int | np.ndarray = gate_value(plasticity.rate, mode)
    if shares is not None:
        require_free_gate(mode, shares)
        gate = whole_gates(plasticity.rate, shares, into.target)
    return IntegerTeacher(gate, mode == "accumulate", mode == LATE)


def synapses(
    network: Network, connection: Connection, timetable: Schedule, number: int, slot: int
) -> IntegerPlasticity:
    """Return how the synapses of a plastic connection learn.

    `number` is the population's, `slot` that of the connection, which seed its roundings.
    """
    chip, whole = cast(ChipConnection, connection), cast(ChipNetwork, network)
    assert chip.plasticity is not None
    if by_synapse(network, chip.target):
        require_free_gate(whole.rule_mode, True)
        require_tags(chip)
    return make_synapses(
        timetable,
        network.population(chip.target).neuron,
        chip.plasticity,
        mode_of(whole, chip),
        connection_seed(whole.seed, number, slot),
        chip.exponent,
    )


def mode_of(chip: ChipNetwork, connection: Connection) -> str:
    """Return the mode of a connection's rule, as `onchip.program.plasticity` has them."""
    return TAGGED if by_synapse(chip, connection.target) else chip.rule_mode


def tags(network: Network, connection: Connection, shares: np.ndarray | None) -> np.ndarray | None:
    """Return what the tags of a plastic connection hold of shares that lie as its weights."""
    plasticity = cast(ChipConnection, connection).plasticity
    if shares is None or plasticity is None or not by_synapse(network, connection.target):
        return None
    return whole_shares(plasticity.rate, shares)
