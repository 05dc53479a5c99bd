"""The learning of a graph in integers: its rates, and when its updates act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from onchip.arithmetic.integer_surrogates import surrogate_peak
from onchip.arithmetic.loihi import TRACE_MAX
from onchip.deploy.quantization.graph_factors import factor_scales, is_shared
from onchip.deploy.quantization.learning import naming_layer
from onchip.network.graph import Network
from onchip.network.learning import rates_by_name
from onchip.network.parts import Connection, Learning, Population
from onchip.network.shares import by_synapse
from onchip.objectives.integer_base import IntegerObjective
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation, FactorScale
from onchip.program.integer_lowering import mode_of
from onchip.program.plans import plan_filtered, plan_plasticity
from onchip.program.plasticity import LATE, TAGGED
from onchip.program.populations import READOUT_DERIVATIVE
from onchip.program.shares import require_free_gate
from onchip.program.timetable import Schedule, make_timetable
from onchip.rules.rule import Rule

Ends = tuple[str, str, int]
"""Source, target and delay of a connection, which no other of its network has."""


def chip_learning(
    network: Network,
    chip: ChipNetwork,
    objective: IntegerObjective,
    schedule: str,
    seed: int,
    late_updates: bool | None = None,
) -> ChipNetwork:
    """Return `chip`, integers without learning, with that of the float `network`."""
    learning = network.learning
    assert learning is not None
    late = _is_late(network, schedule, late_updates)
    mode = LATE if late else learning.mode
    require_free_gate(mode, learning.shares)
    error_unit = objective.unit(network.time_steps, network.classes)
    factors, routes = factor_scales(network, chip, learning, mode, error_unit)
    plan = make_timetable(schedule, _at_once(network) if late else network)
    rules = {_ends(c): c.rule for c in network.connections if c.rule is not None}
    delay = int(late or (schedule == "pipelined" and learning.mode == "online"))
    return replace(
        chip,
        populations=tuple(
            replace(cast(ChipPopulation, p), factor=factors.get(p.name)) for p in chip.populations
        ),
        connections=tuple(
            _with_rate(
                cast(ChipConnection, c),
                chip,
                plan,
                TAGGED if by_synapse(network, c.target) else mode,
                rules,
                factors,
            )
            for c in chip.connections
        ),
        learning=Learning(
            objective, routes, learning.mode, learning.feedback, delay, learning.shares
        ),
        schedule=schedule,
        seed=seed,
    )


def chip_at_rate(chip: ChipNetwork, learning_rate: float | Mapping[str, float]) -> ChipNetwork:
    """Return the same network with another learning rate (in the float network's units).

    It may be one for each population that learns, by name. Raises ValueError for a network that
    does not learn, for a rate out of reach and where not all of those are named.
    """
    if chip.learning is None or chip.schedule is None:
        raise ValueError("network: it has no learning section, so no learning rate")
    plan = make_timetable(chip.schedule, chip)
    named = rates_by_name(learning_rate, chip.plastic_names)
    chosen = (cast(ChipConnection, c) for c in chip.connections if c.plastic)
    rules = {_ends(c): Rule(named[c.target], _filter_decay(c)) for c in chosen}
    factors = {p.name: p.factor for p in map(_chip, chip.populations) if p.factor is not None}
    connections = (
        _with_rate(
            cast(ChipConnection, c),
            chip,
            plan,
            mode_of(chip, c),
            rules,
            factors,
        )
        for c in chip.connections
    )
    return replace(chip, connections=tuple(connections))


def _is_late(network: Network, schedule: str, wanted: bool | None) -> bool:
    """Whether online updates wait a step in the tags; by default where shared weights learn."""
    learning = network.learning
    assert learning is not None
    filtered = any(c.rule is not None and c.rule.eligibility_decay for c in network.connections)
    if learning.mode != "online" or schedule != "sequenced":
        if filtered:
            raise ValueError(
                "network: integers hold a filtered eligibility in the synapses' tags, one step "
                f"late: mode 'online' on schedule 'sequenced', not {learning.mode!r} on "
                f"{schedule!r}; use those"
            )
        if wanted:
            raise ValueError(
                f"network: late updates are for mode 'online' on schedule 'sequenced', not "
                f"{learning.mode!r} on {schedule!r}; leave late_updates out"
            )
        return False
    shared = any(c.plastic and is_shared(c) for c in network.connections)
    if filtered and wanted is False:
        raise ValueError(
            "network: a filtered eligibility in integers acts one step late; leave late_updates out"
        )
    return bool(learning.update_delay or filtered or (shared if wanted is None else wanted))


def _at_once(network: Network) -> Network:
    """The network without a delay of its updates, whose timetable is the same."""
    assert network.learning is not None
    return replace(network, learning=replace(network.learning, update_delay=0))


def _filter_decay(connection: ChipConnection) -> float:
    plasticity = connection.plasticity
    return 0.0 if plasticity is None or plasticity.filter is None else plasticity.filter.decay


def _chip_derivative_unit(chip: ChipNetwork, population: ChipPopulation) -> float:
    """What y1 = 1 is worth of a filtered eligibility, and of a readout's 1."""
    neuron: Any = population.neuron
    if not neuron.spiking:
        return 1 / READOUT_DERIVATIVE
    threshold = neuron.v_threshold * population.membrane_unit
    return surrogate_peak(neuron.surrogate) / (TRACE_MAX * threshold)


def _ends(connection: Connection) -> Ends:
    return connection.source, connection.target, connection.delay


def _chip(population: Population) -> ChipPopulation:
    return cast(ChipPopulation, population)


def _with_rate(
    connection: ChipConnection,
    chip: ChipNetwork,
    plan: Schedule,
    mode: str,
    rules: Mapping[Ends, Rule],
    factors: Mapping[str, FactorScale],
) -> ChipConnection:
    name, ends = connection.target, _ends(connection)
    if ends not in rules:
        return connection
    population = cast(ChipPopulation, chip.population(name))
    rule, scale = rules[ends], factors[name]
    step, offset = connection.weight_step(population.membrane_unit), plan.offsets[name]
    with naming_layer(name):
        if rule.eligibility_decay:
            assert scale.signal_unit is not None
            units = (_chip_derivative_unit(chip, population), scale.signal_unit)
            plasticity = plan_filtered(plan, offset, population.neuron, rule, step, *units)
        else:
            plasticity = plan_plasticity(
                plan,
                offset,
                population.neuron,
                mode,
                rule.learning_rate,
                step,
                scale.unit,
                is_shared(connection),
            )
    return replace(connection, plasticity=plasticity)
