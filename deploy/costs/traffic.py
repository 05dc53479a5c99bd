"""Energy and time of a network's spike traffic on Loihi 1, as SANA-FE estimates them.

SANA-FE (Boyle et al. 2025; GPL-3.0, an optional extra that is imported here and nowhere else) comes
with a description of Loihi 1 of 32 tiles of 4 cores, with energies and latencies of events from
Davies et al. 2018. The spikes of a network are recorded in the engine and replayed: each neuron is
one of the chip's that fires when it is told to, is placed by `onchip.deploy.costs.placement`, and
is updated at every step of the chip. So every neuron model and every schedule can be replayed, and
a spike costs what it costs there; one that a recurrent synapse would bring after a sample's last
step, too. Not replayed: errors, their compartments, relays; what learning
takes is in `onchip.deploy.costs.energy`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import numpy as np

from onchip.deploy.costs.energy import chip_schedule
from onchip.deploy.costs.placement import LOIHI_1, Placement, place
from onchip.deploy.costs.replay import Link, Replay, links_of
from onchip.engine.engine import Engine
from onchip.engine.inputs import check_frames
from onchip.network.parts import INPUT
from onchip.program.graphs import AnyNetwork, as_graph

Array = np.ndarray

MOST_SYNAPSES = 1_000_000
"""SANA-FE makes an object of each, about a kilobyte."""

MISSING = (
    "sanafe is not installed: pip install sanafe (GPL-3.0) for an estimate of the spike traffic, "
    "or leave --sanafe out"
)


@dataclass(frozen=True)
class Traffic:
    """What a sample's spikes take on Loihi 1: joules by part and seconds, `steps` of the chip.

    `spikes` are all that neurons and inputs sent, `packets` those that went to a core, `events` the
    synapses that they reached.
    """

    steps: int
    synapses: float
    neurons: float
    network: float
    seconds: float
    spikes: float
    packets: float
    events: float

    @property
    def joules(self) -> float:
        """All parts."""
        return self.synapses + self.neurons + self.network

    def as_json(self) -> dict[str, Any]:
        """Return the parts, marked as an estimate of Loihi 1's."""
        return {
            "estimate": True,
            "chip": "Loihi 1",
            "simulator": f"sanafe {metadata.version('sanafe')} (GPL-3.0)",
            "joules": self.joules,
            **asdict(self),
        }


def traffic_of(spec: AnyNetwork, frames: Array, learning: bool) -> Traffic:
    """Return the traffic of a sample, the mean over `frames` [samples, T, *input_shape].

    `learning` chooses the schedule: a network that learns takes the steps that its errors need.
    Raises ValueError without SANA-FE, and for a network that does not fit one Loihi 1.
    """
    sanafe = _sanafe()
    frames, graph = check_frames(frames, spec), as_graph(spec)
    schedule = chip_schedule(spec, learning)
    placement = place(spec, LOIHI_1)
    total = schedule.steps_per_sample * len(frames)
    starts = {INPUT: 0, **{p.name: schedule.offsets[p.name] for p in graph.populations}}
    spikes = {
        name: _replayed(values, starts[name], schedule.period, schedule.steps_per_sample)
        for name, values in _recorded(spec, frames).items()
    }
    links = [_of_active(link, spikes) for link in links_of(graph)]
    _require_few(links)
    replay = Replay(sanafe, _places(graph.input_size, placement), spikes, total)
    for link in links:
        replay.connect(link)
    with contextlib.redirect_stdout(io.StringIO()):  # its progress, a line for each step
        found = replay.run()
    count = len(frames)
    parts = {name: found[name] / count for name in ("synapses", "neurons", "network", "seconds")}
    numbers = {name: found[name] / count for name in ("spikes", "packets", "events")}
    return Traffic(schedule.steps_per_sample, **parts, **numbers)


def _sanafe() -> Any:
    try:
        import sanafe
    except ModuleNotFoundError as error:
        raise ValueError(MISSING) from error
    return sanafe


def _recorded(spec: AnyNetwork, frames: Array) -> dict[str, Array]:
    """The spikes of the input and of all populations that spike: [samples, T, neurons]."""
    graph = as_graph(spec)
    if np.any((frames != 0) & (frames != 1)):
        raise ValueError(
            "frames hold values other than 0 and 1, which are no spikes of Loihi 1; frame the "
            "events with binary=True"
        )
    records: dict[str, list[Array]] = {p.name: [] for p in graph.populations if p.neuron.spiking}

    def note(name: str, output: Array) -> None:
        if name in records:
            records[name].append(output.reshape(len(output), -1) != 0)

    Engine(spec).run(frames, note)
    steps = {name: np.stack(values, axis=1) for name, values in records.items()}
    silent = [p for p in graph.populations if not p.neuron.spiking]
    quiet = {p.name: np.zeros((*frames.shape[:2], p.size), bool) for p in silent}
    return {INPUT: frames.reshape(*frames.shape[:2], -1) != 0, **steps, **quiet}


def _replayed(values: Array, offset: int, period: int, steps: int) -> Array:
    """Spikes [samples, T, n] at the steps of the chip: [samples * steps, n]."""
    samples, count, neurons = values.shape
    found = np.zeros((samples, steps, neurons), bool)
    found[:, offset + period * np.arange(count)] = values
    return found.reshape(samples * steps, neurons)


def _places(inputs: int, placement: Placement) -> Mapping[str, Array]:
    """Population -> the core of each neuron; the inputs come in on cores of their own."""
    groups = (g for g in placement.groups if g.role == "neurons")
    found: dict[str, Array] = {g.name: np.zeros(g.neurons, np.int64) for g in groups}
    for index, core in enumerate(placement.cores):
        if core.group in found:
            found[core.group][placement.members(core)] = index
    used = len(placement.cores)
    found[INPUT] = used + np.arange(inputs) // LOIHI_1.neurons
    needed = int(found[INPUT].max()) + 1
    if needed > LOIHI_1.cores:
        raise ValueError(
            f"network: it needs {needed} cores of Loihi 1 ({needed - used} of them for its inputs) "
            f"of {LOIHI_1.cores}; use a smaller network or input, or leave --sanafe out"
        )
    return found


def _require_few(links: list[Link]) -> None:
    count = sum(len(link.pre) for link in links)
    if count > MOST_SYNAPSES:
        raise ValueError(
            f"network: {count:,} of its synapses carry spikes of these samples; SANA-FE makes an "
            f"object of each, at most {MOST_SYNAPSES:,} are simulated here: take a smaller "
            "network, or leave --sanafe out"
        )


def _of_active(link: Link, spikes: Mapping[str, Array]) -> Link:
    """The synapses of inputs that spike at all: others cost nothing."""
    spiking: Array = np.any(spikes[link.source], axis=0)
    active = spiking[link.pre]
    return link._replace(pre=link.pre[active], post=link.post[active])
