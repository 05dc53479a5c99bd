"""Which Lava time step computes which algorithmic step.

Every Lava synapse delays by one time step, while the algorithm evaluates all layers within one
step. A schedule spreads an algorithmic step over a learning epoch of `period` = K Lava steps and
gives each layer an offset within it. With N weight layers numbered 1..N, layer l integrates and
fires at offset l (the source at 0), the readout answers with the error at offset N, and the
feedback reaches layer l < N at offset N + (N - l) layer by layer, or N + 1 broadcast. All factors
are handed to the synapses at the last step of the epoch, when each trace x1 has decayed to exactly
a[n].

On the pipelined schedule K = 1: the algorithmic steps follow each other at every Lava step, so a
trace is one step ahead of its factor and the rule takes that step back; only the last layer can
learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onchip.arithmetic.loihi import EPOCH_MAX
from onchip.checks import require_choice
from onchip.network.spec import NetworkShape, is_convolution

MAX_EPOCH = EPOCH_MAX
"""Longest learning epoch in Lava time steps (6 bits)."""


@dataclass(frozen=True)
class Schedule:
    """A schedule for one network.

    `period` K: Lava steps per algorithmic step; `time_steps` T; `sample_periods`: periods from one
    sample's start to the next (T, those that flush the pipeline and those that apply an accumulated
    update); `depth` N weight layers; `broadcast`: the feedback is direct.
    """

    name: str
    period: int
    time_steps: int
    sample_periods: int
    depth: int
    broadcast: bool

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

    def feedback_offset(self, layer: int) -> int:
        """Offset at which layer 1..N knows its factor; the readout's is that of its output."""
        if self.broadcast:
            return self.depth + (layer < self.depth)
        return 2 * self.depth - layer

    def factor_offset(self) -> int:
        """Offset at which every layer hands its factor to its synapses."""
        return self.depth if self.period == 1 else self.period - 1

    def ends_sample(self, time_step: int) -> bool:
        """Whether this is a sample's last Lava step, after which traces are zeroed."""
        return self.position(time_step) == self.steps_per_sample - 1


def sequenced(spec: NetworkShape) -> Schedule:
    """One algorithmic step per learning epoch; exact for any depth and any plastic layers.

    K = 2N with layer-by-layer feedback to the first layer, N + 2 with direct feedback, less where
    the lowest plastic layer sits higher. Raises ValueError when K exceeds Lava's longest epoch.
    """
    depth = len(spec.layers)
    broadcast = spec.learning is not None and spec.learning.feedback == "direct"
    lowest = depth - len(spec.learning_layers) + 1
    schedule = Schedule("sequenced", 1, spec.time_steps, spec.time_steps, depth, broadcast)
    period = schedule.feedback_offset(min(lowest, depth)) + 1
    if period > MAX_EPOCH:
        raise ValueError(
            f"network: {depth} layers need a learning epoch of {period} steps, but Lava allows "
            f"{MAX_EPOCH}; use feedback 'direct' or fewer plastic layers"
        )
    return Schedule(
        "sequenced", period, spec.time_steps, spec.time_steps + _gates(spec), depth, broadcast
    )


def pipelined(spec: NetworkShape) -> Schedule:
    """One algorithmic step per Lava step, for a plastic last layer behind frozen ones.

    An online update reaches the forward pass one step late, so the spec must say `update_delay=1`.
    Raises ValueError for other plastic layers and for an online spec without that delay.
    """
    depth, learning = len(spec.layers), spec.learning
    below = [layer.name for layer in spec.layers[:-1] if layer.plastic]
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
    periods = spec.time_steps + depth + _gates(spec)
    return Schedule("pipelined", 1, spec.time_steps, periods, depth, False)


SCHEDULES: dict[str, Callable[..., Schedule]] = {"sequenced": sequenced, "pipelined": pipelined}


def make_schedule(name: str, spec: NetworkShape) -> Schedule:
    """The named schedule for a network of dense layers; ValueError with the reason if it does not
    fit.
    """
    require_choice("schedule", name, SCHEDULES)
    for layer in spec.layers:
        if is_convolution(layer):
            raise ValueError(f"layer {layer.name!r}: a convolution runs on the host, not in Lava")
    last: Any = spec.layers[-1]
    if last.recurrent_weight is not None:
        raise ValueError(
            f"layer {last.name!r}: a readout with recurrent_weight cannot run in Lava or learn in "
            "integers; leave it out or use backend 'numpy' in floating point"
        )
    learning = spec.learning
    chosen = getattr(learning, "schedule", name)
    if chosen != name:
        raise ValueError(
            f"network: its integers were chosen for schedule {chosen!r}, not {name!r}; traces and "
            "rates of another would be wrong: quantise it again for that one"
        )
    online = learning is not None and learning.mode == "online"
    if learning is not None and learning.update_delay and online and name != "pipelined":
        raise ValueError(
            f"schedule {name!r} applies online updates at once, but the spec has update_delay 1; "
            "set update_delay=0 or use schedule 'pipelined'"
        )
    return SCHEDULES[name](spec)


def arrival_phase(schedule: Schedule, layer: int) -> int:
    """The step 1..K of the epoch in which spikes reach the synapses of layer 1..N.

    Also its recurrent ones: they get the spikes of the algorithmic step before.
    """
    return (layer - 1) % schedule.period + 1


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


def _gates(spec: NetworkShape) -> int:
    """Periods after a sample that apply and clear an accumulated update."""
    return 2 if spec.learning is not None and spec.learning.mode == "accumulate" else 0
