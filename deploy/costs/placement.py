"""How many cores a network with its learning needs: an estimate, by a greedy partition.

The neurons of a group (`onchip.deploy.costs.blocks`) are taken in an order, of a map position by
position, as many into each core as its limits let in; a core holds one group. What a core stores
beside its weights and tags (addresses, connection lists, neuron models) is not public and taken as
nothing, so that a chip's compiler may need more cores. Neurons are not moved for shorter ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from onchip.deploy.costs.blocks import Group, groups_of
from onchip.program.graphs import AnyNetwork, as_graph


@dataclass(frozen=True)
class CoreLimits:
    """What a core of `chip` holds, and the `cores` of a chip; None where no public source says.

    `synapse_bits` of weights and tags, `synapses` in number, `input_axons` are neurons elsewhere
    that some neuron of the core reads, `output_axons` pairs of a neuron and a core it sends to.
    `source` is where the numbers are published.
    """

    chip: str
    cores: int
    neurons: int
    synapses: int | None
    synapse_bits: int | None
    input_axons: int | None
    output_axons: int | None
    source: str

    @property
    def unknown(self) -> tuple[str, ...]:
        """The limits that nobody says."""
        return tuple(name for name, value in asdict(self).items() if value is None)


LOIHI_1 = CoreLimits(
    chip="Loihi 1",
    cores=128,
    neurons=1024,
    synapses=None,
    synapse_bits=1_048_576,
    input_axons=4096,
    output_axons=4096,
    source="Davies et al. 2018; nengo-loihi 1.0: nengo_loihi/block.py",
)


@dataclass(frozen=True)
class Core:
    """A core with the neurons from `start` to `stop` - 1 of a group's order, and what it stores.

    Axons are None where the chip's are not known.
    """

    group: str
    layer: str
    start: int
    stop: int
    synapses: int
    synapse_bits: int
    input_axons: int | None = None
    output_axons: int | None = None

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.stop - self.start


@dataclass(frozen=True)
class Placement:
    """The cores of a network under some limits."""

    limits: CoreLimits
    cores: tuple[Core, ...]
    groups: tuple[Group, ...]

    def members(self, core: Core) -> np.ndarray:
        """Return the neurons of a core, as indices of their population."""
        order = next(g.order for g in self.groups if g.name == core.group)
        return order[core.start : core.stop]

    @property
    def chips(self) -> int:
        """The fewest chips with as many cores."""
        return -(-len(self.cores) // self.limits.cores)

    def by_group(self) -> dict[str, int]:
        """Return group -> number of cores."""
        found: dict[str, int] = {}
        for core in self.cores:
            found[core.group] = found.get(core.group, 0) + 1
        return found

    def largest(self) -> str:
        """Return the group that takes the most cores."""
        by_group = self.by_group()
        return max(by_group, key=lambda name: by_group[name])

    def filled_by(self, group: str) -> str:
        """Return the limit that the cores of a group come closest to."""
        core = next(c for c in self.cores if c.group == group)
        shares = {
            name: getattr(core, name) / limit
            for name in FILLED
            if (limit := getattr(self.limits, name)) is not None
        }
        return max(shares, key=lambda name: shares[name])

    def sending_too_far(self) -> tuple[Core, ...]:
        """Return the cores with more output axons than they hold."""
        most = self.limits.output_axons
        return tuple(c for c in self.cores if most is not None and (c.output_axons or 0) > most)

    def as_json(self) -> dict[str, Any]:
        """Return the counts, the limits that they follow from, and the unknown ones by name."""
        return {
            "chip": self.limits.chip,
            "cores": len(self.cores),
            "chips": self.chips,
            "cores_by_group": self.by_group(),
            "filled_by": {name: self.filled_by(name) for name in self.by_group()},
            "limits": asdict(self.limits),
            "unknown": list(self.limits.unknown),
            "estimate": True,
        }


FILLED = ("neurons", "synapses", "synapse_bits", "input_axons")
"""The limits that a block is cut by."""

WORDS = {
    "neurons": "neurons",
    "synapses": "synapses",
    "synapse_bits": "bits of weights and tags",
    "input_axons": "inputs",
}

REMEDIES = {
    "neurons": "fewer neurons, a larger stride or a pool",
    "synapses": "fewer inputs to each neuron, or frozen convolutions, whose kernels a core shares",
    "synapse_bits": "fewer inputs to each neuron, mode 'online' and a rule that keeps no tag, or a "
    "frozen layer",
    "input_axons": "a smaller input (a pool or a larger stride below), or a convolution",
}
"""What to do about each of them."""


def place(spec: AnyNetwork, limits: CoreLimits) -> Placement:
    """Return the cores of a network, in the order of its populations.

    Raises ValueError, naming the layer and what to do, where a single neuron does not fit a core.
    """
    groups = groups_of(as_graph(spec))
    cores = [core for group in groups for core in _cut(group, limits)]
    if limits.output_axons is not None:
        cores = _with_outputs(cores, groups)
    return Placement(limits, tuple(cores), groups)


def _cut(group: Group, limits: CoreLimits) -> Iterator[Core]:
    """The cores of a group, each with as many neurons as it holds."""
    start = 0
    while start < group.neurons:
        low, high = start, min(group.neurons, start + limits.neurons)
        while low < high:  # the largest block that fits, which smaller ones do, too
            middle = (low + high + 1) // 2
            fits = _beyond(_core(group, start, middle, limits), limits) is None
            low, high = (middle, high) if fits else (low, middle - 1)
        if low == start:
            raise ValueError(_too_large(group, _core(group, start, start + 1, limits), limits))
        yield _core(group, start, low, limits)
        start = low


def _core(group: Group, start: int, stop: int, limits: CoreLimits) -> Core:
    """A core; axons are counted where they are limited."""
    limited = limits.input_axons is not None
    members = group.order[start:stop]
    stored = [s.stored(members) for s in group.into]
    return Core(
        group.name,
        group.layer,
        start,
        stop,
        sum(stored),
        sum(count * s.bits for count, s in zip(stored, group.into, strict=True)),
        sum(int(s.read_by(members).sum()) for s in group.into) if limited else None,
    )


def _beyond(core: Core, limits: CoreLimits) -> str | None:
    """The first limit that a core is beyond."""
    for name in FILLED:
        limit = getattr(limits, name)
        if limit is not None and getattr(core, name) > limit:
            return name
    return None


def _too_large(group: Group, core: Core, limits: CoreLimits) -> str:
    name = _beyond(core, limits)
    assert name is not None
    what = "one neuron" if group.role == "neurons" else "the feedback to one neuron"
    return (
        f"layer {group.layer!r}: {what} needs {getattr(core, name):,} {WORDS[name]}, and a core of "
        f"{limits.chip} holds {getattr(limits, name):,}; use {REMEDIES[name]}"
    )


def _with_outputs(cores: list[Core], groups: tuple[Group, ...]) -> list[Core]:
    """The cores with the axons that their neurons need to those that read them."""
    by_name = {group.name: group for group in groups}
    sent = [0] * len(cores)
    for reader in cores:
        for synapses in by_name[reader.group].into:
            if synapses.source in by_name:
                order = by_name[synapses.source].order
                members = by_name[reader.group].order[reader.start : reader.stop]
                read = synapses.read_by(members)[order]
                for i, core in enumerate(cores):
                    if core.group == synapses.source:
                        sent[i] += int(read[core.start : core.stop].sum())
    return [replace(c, output_axons=n) for c, n in zip(cores, sent, strict=True)]
