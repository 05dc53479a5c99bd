"""Which Lava time step computes which algorithmic step.

Every Lava synapse delays by one time step, while the algorithm evaluates all populations within one
step. A schedule spreads an algorithmic step over a learning epoch of `period` = K Lava steps and
gives each population an offset within it, by the longest paths:

    offset(v)  = 1 + the largest offset of the populations that v reads without delay, the input's 0
    answers(v) = 1 + the largest of the steps in which what feeds errors back to v sends them

A readout answers with its error in the step of its output. A spike that would arrive early (by a
skip connection) or late (by one of delay 1) is sent again so that it arrives in the target's own
phase, and so is a factor that travels a shorter way than another. All factors are handed to the
synapses at the last step of the epoch, when each trace x1 has decayed to exactly a[n].

On the pipelined schedule K = 1: the algorithmic steps follow each other at every Lava step, so a
trace is one step ahead of its factor and the rule takes that step back; only the last population
can learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from onchip.arithmetic.loihi import EPOCH_MAX
from onchip.checks import require_choice
from onchip.network.graph import Network
from onchip.network.partition import trunk_names
from onchip.network.parts import INPUT

MAX_EPOCH = EPOCH_MAX
"""Longest learning epoch in Lava time steps (6 bits)."""


@dataclass(frozen=True)
class Schedule:
    """A schedule for one network.

    `period` K: Lava steps per algorithmic step; `time_steps` T; `sample_periods`: periods from one
    sample's start to the next (T, those that flush the pipeline and those that apply an accumulated
    update); `depth`: the last readout's offset. `offsets` and `answers` are those of populations,
    by name; a population without a factor never answers. `asks` are the offsets of the readouts, at
    which they need the step's target. `ahead`: periods by which frozen populations below those that
    learn run ahead of them (`onchip.program.ahead`).
    """

    name: str
    period: int
    time_steps: int
    sample_periods: int
    depth: int
    offsets: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)
    asks: tuple[int, ...] = ()
    ahead: int = 0

    @property
    def steps_per_sample(self) -> int:
        """Lava time steps from one sample's start to the next."""
        return self.period * self.sample_periods

    @property
    def gates(self) -> tuple[int, int]:
        """Offsets within a sample at which an accumulated update is applied, and then cleared."""
        clear = self.steps_per_sample - 1
        return clear - self.period, clear

    def position(self, time_step: int) -> int:
        """Steps since the present sample's start, from Lava's `time_step` (which starts at 1)."""
        return (time_step - 1) % self.steps_per_sample

    def step_at(self, time_step: int, offset: int) -> int | None:
        """The algorithmic step 0..T-1 that something of this `offset` computes now, or None."""
        step, phase = divmod(self.position(time_step) - offset, self.period)
        return step if phase == 0 and 0 <= step < self.time_steps else None

    def steps_by_position(self, offset: int) -> tuple[int | None, ...]:
        """`step_at` for each of a sample's Lava steps, by `position`."""
        return tuple(self.step_at(time, offset) for time in range(1, self.steps_per_sample + 1))

    def targets_by_position(self) -> tuple[int | None, ...]:
        """The step whose target some readout needs, for each of a sample's Lava steps."""
        asked = [self.steps_by_position(offset) for offset in self.asks or (self.depth,)]
        needed = ([s for s in steps if s is not None] for steps in zip(*asked, strict=True))
        return tuple(steps[0] if steps else None for steps in needed)

    def factor_offset(self) -> int:
        """Offset at which every population hands its factor to its synapses."""
        return self.depth if self.period == 1 else self.period * (self.ahead + 1) - 1

    def ends_sample(self, time_step: int) -> bool:
        """Whether this is a sample's last Lava step, after which traces are zeroed."""
        return self.position(time_step) == self.steps_per_sample - 1


def sequenced(network: Network) -> Schedule:
    """One algorithmic step per learning epoch; exact for any graph and any plastic connections.

    A chain of N weight layers has K = 2N with layer-by-layer feedback to the first layer, N + 2
    with direct feedback, less where the lowest plastic layer sits higher. Raises ValueError when K
    exceeds Lava's longest epoch.
    """
    offsets, answers = spike_offsets(network), factor_offsets(network)
    depth = offsets[network.populations[-1].name]
    period = 1 + max(depth, *answers.values())
    if period > MAX_EPOCH:
        raise ValueError(
            f"network: {depth} layers need a learning epoch of {period} steps, but Lava allows "
            f"{MAX_EPOCH}; use feedback 'direct' or fewer plastic layers"
        )
    periods = network.time_steps + _gates(network)
    asks = tuple(sorted({offsets[name] for name in network.readouts}))
    return Schedule("sequenced", period, network.time_steps, periods, depth, offsets, answers, asks)


def pipelined(network: Network) -> Schedule:
    """One algorithmic step per Lava step, for a plastic readout behind frozen populations.

    An online update reaches the forward pass one step late, so the network must say
    `update_delay=1`. Raises ValueError for other plastic populations, for an online network without
    that delay and for spikes that go back to a population below.
    """
    offsets = spike_offsets(network)
    last, learning = network.populations[-1].name, network.learning
    below = [name for name in network.plastic_names if name != last]
    below += [name for name in network.readouts if name not in (last, *below)]
    if below:
        raise ValueError(
            f"pipelined schedule: only the last layer can learn, not {', '.join(below)}; "
            "use schedule 'sequenced'"
        )
    if learning is not None and learning.mode == "online" and learning.update_delay != 1:
        raise ValueError(
            "pipelined schedule: an online update acts one step late, but the spec has "
            "update_delay 0; set update_delay=1, mode 'accumulate' or schedule 'sequenced'"
        )
    for c in network.connections:
        if c.delay and offsets[c.source] > offsets[c.target]:
            raise ValueError(
                f"pipelined schedule: spikes of {c.source!r} would come too late to {c.target!r}, "
                "which lies below it; use schedule 'sequenced'"
            )
    depth = offsets[last]
    periods = network.time_steps + max(offsets.values()) + _gates(network)
    return Schedule(
        "pipelined", 1, network.time_steps, periods, depth, offsets, {last: offsets[last]}
    )


def spike_offsets(network: Network) -> dict[str, int]:
    """Return the offset of each population; those of the host's trunk have the input's, 0."""
    trunk = trunk_names(network)
    offsets = {INPUT: 0}
    for population in network.populations:
        before = [
            offsets[c.source]
            for c in network.connections
            if c.target == population.name and not c.delay and c.source in offsets
        ]
        offsets[population.name] = 0 if population.name in trunk else 1 + max(before)
    return offsets


def factor_offsets(network: Network) -> dict[str, int]:
    """Return the step of an epoch in which each population knows its factor."""
    offsets = spike_offsets(network)
    answers = {name: offsets[name] for name in network.readouts}
    if network.learning is None:
        return answers
    for population in reversed(network.populations[:-1]):
        sent = [
            offsets[route.source] if route.is_error else answers[route.source]
            for route in network.learning.routes
            if route.target == population.name
        ]
        if sent:
            answers[population.name] = 1 + max(sent)
    return answers


SCHEDULES: dict[str, Callable[[Network], Schedule]] = {
    "sequenced": sequenced,
    "pipelined": pipelined,
}


def make_timetable(name: str, network: Network) -> Schedule:
    """The named schedule for a network; ValueError with the reason if it does not fit.

    The host's trunk of convolutions counts as its input.
    """
    require_choice("schedule", name, SCHEDULES)
    last = network.populations[-1].name
    for c in network.connections:
        if c.source == c.target == last:
            raise ValueError(
                f"layer {last!r}: a readout with recurrent_weight cannot run in Lava or learn in "
                "integers; leave it out or use backend 'numpy' in floating point"
            )
    learning = network.learning
    online = learning is not None and learning.mode == "online"
    late = online and learning is not None and learning.update_delay
    if late and name != "pipelined" and not through_tags(network):
        raise ValueError(
            f"schedule {name!r} applies online updates at once, but the spec has update_delay 1; "
            "set update_delay=0 or use schedule 'pipelined'"
        )
    return SCHEDULES[name](network)


def arrival_phase(schedule: Schedule, offset: int) -> int:
    """The step 1..K of the epoch in which spikes reach the synapses into a population.

    `offset` 1.. is the population's, which all spikes into it are timed by.
    """
    return (offset - 1) % schedule.period + 1


def decay_per_lava_step(decay: float, period: int) -> float:
    """d = lambda^(1/K): the decay of a trace in one Lava step."""
    return decay ** (1 / period)


def trace_time_constant(decay: float, period: int) -> float:
    """x1_tau = -K / ln(lambda) so that exp(-K / x1_tau) = lambda; infinite for lambda = 1."""
    return math.inf if decay == 1 else -period / math.log(decay)


def trace_impulse(decay: float, period: int, arrival: int) -> float:
    """x1_impulse d^-(K - p) of spikes that arrive in phase p = `arrival` 1..K, so that x1 ends at
    a[n].
    """
    return decay_per_lava_step(decay, period) ** -(period - arrival)


def through_tags(network: Network) -> bool:
    """Whether online updates wait in the synapses' tags for a step, which integers can do."""
    return bool(getattr(network, "through_tags", False))


def _gates(network: Network) -> int:
    """Periods after a sample that apply and clear an update that is left in the tags."""
    if network.learning is None:
        return 0
    return 2 if network.learning.mode == "accumulate" or through_tags(network) else 0
