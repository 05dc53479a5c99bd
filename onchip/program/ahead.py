"""The timetable of a network of which all populations are on the machine, none on the host.

Populations that nothing that learns comes to, below and at frozen convolutions, need not fit into
the learning epoch: they run ahead of it, by as many whole periods as the longest path through them
takes. The epoch, and so every trace, impulse and rounding of what learns, stays as it is with those
populations on the host; a sample takes those periods more.

    offset(v)  = 1 + the largest offset of the populations that v reads without delay     (ahead)
    offset(v)  = K * ahead + the offset with the others on the host                       (the rest)
"""

from __future__ import annotations

from dataclasses import replace

from onchip.network.graph import Network
from onchip.network.partition import trunk_names
from onchip.network.parts import INPUT
from onchip.program.schedules import make_schedule
from onchip.program.timetable import Schedule


def schedule_of_all(name: str, network: Network) -> Schedule:
    """Return the named schedule with frozen convolutions and all below them on the machine.

    Raises ValueError for a network that it does not fit, and for delayed spikes that would come too
    late to a population that runs ahead.
    """
    schedule, before = make_schedule(name, network), trunk_names(network)
    if not before:
        return schedule
    offsets = _offsets(network, before)
    last, deepest = network.populations[-1].name, max(offsets.values())
    if last in before:
        schedule = _all_frozen(schedule, last, deepest, offsets)
    else:
        schedule = _shifted(schedule, -(-deepest // schedule.period), offsets)
    _require_in_time(network, schedule)
    return schedule


def _offsets(network: Network, names: frozenset[str]) -> dict[str, int]:
    """The longest paths from the input to populations that read each other and nothing else."""
    found = {INPUT: 0}
    for population in network.populations:
        if population.name in names:
            into = [
                c
                for c in network.connections
                if c.target == population.name and not c.delay and c.source in found
            ]
            found[population.name] = 1 + max(found[c.source] for c in into)
    return found


def _all_frozen(schedule: Schedule, last: str, depth: int, offsets: dict[str, int]) -> Schedule:
    """Of a network whose readout is frozen like all the rest."""
    piped = schedule.period == 1 and schedule.name == "pipelined"
    return replace(
        schedule,
        period=1 if piped else depth + 1,
        sample_periods=schedule.time_steps + (depth if piped else 0),
        depth=depth,
        offsets=offsets,
        answers={last: depth},
        asks=(),
    )


def _shifted(schedule: Schedule, ahead: int, before: dict[str, int]) -> Schedule:
    """With what learns, and all above it, `ahead` periods later."""
    steps = ahead * schedule.period
    return replace(
        schedule,
        sample_periods=schedule.sample_periods + ahead,
        depth=schedule.depth + steps,
        offsets={name: steps + offset for name, offset in schedule.offsets.items()} | before,
        answers={name: steps + answer for name, answer in schedule.answers.items()},
        asks=tuple(steps + offset for offset in schedule.asks),
        ahead=ahead,
    )


def _require_in_time(network: Network, schedule: Schedule) -> None:
    """Refuse delayed spikes that a population that runs ahead would need before they are there."""
    offsets = schedule.offsets
    for c in network.connections:
        if c.source not in offsets:
            continue
        left = offsets[c.target] - 1 - offsets[c.source] + c.delay * schedule.period
        if left < 0 and c.source != c.target:
            raise ValueError(
                f"network: spikes of {c.source!r} would come {-left} Lava steps too late to "
                f"{c.target!r} on schedule {schedule.name!r} with its convolutions in Lava; leave "
                "them on the host, or use backend lava-fused"
            )
