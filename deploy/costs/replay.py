"""Recorded spikes replayed in SANA-FE's Loihi 1, and the synapses of a network one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection
from onchip.network.transform import Transform
from onchip.network.transforms import Dense

Array = np.ndarray

NEURON = {
    "threshold": 0.5,
    "reset_mode": "hard",
    "leak_decay": 0.0,
    "force_update": True,
    "bias": 0.0,
}
"""A neuron that fires in a step whose bias is 1, and is updated at every step."""

UNITS = {
    "default_synapse_hw_name": "loihi_dense_synapse",
    "dendrite_hw_name": "loihi_dendrites",
}
"""Names of the parts of a core in SANA-FE's description of Loihi 1."""


class Link(NamedTuple):
    """The synapses of a connection: `pre` and `post` [synapses] are neurons of its ends."""

    source: str
    target: str
    pre: Array
    post: Array


def links_of(network: Network) -> Iterator[Link]:
    """Yield the synapses of every connection; a bias is none."""
    for c in network.connections:
        if c.source != ALWAYS_ON:
            yield _link(c)


def _link(c: Connection) -> Link:
    post, pre = _pairs(c.transform)
    return Link(c.source, c.target, pre, post)


def _pairs(transform: Transform) -> tuple[Array, Array]:
    """(output, input) of every synapse; by what reaches each output of one input at a time."""
    outputs = int(np.prod(transform.output_shape))
    if type(transform) is Dense:
        post, pre = np.indices((outputs, transform.inputs)).reshape(2, -1)
        return post, pre
    found: list[tuple[Array, Array]] = []
    ones, block = np.ones_like(transform.weight), 64
    for start in range(0, transform.inputs, block):
        stop = min(start + block, transform.inputs)
        unit = np.eye(transform.inputs)[start:stop]
        reached = transform.transmit(unit, ones).reshape(stop - start, -1)
        pre, post = np.nonzero(reached)
        found.append((post, pre + start))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


class Replay:
    """A chip with neurons at their places, which fire when they did.

    `places` and `spikes` are by population and of the input: the core of each neuron, and [steps,
    neurons].
    """

    def __init__(
        self, sanafe: Any, places: Mapping[str, Array], spikes: Mapping[str, Array], steps: int
    ) -> None:
        self._sanafe, self._spikes, self._steps = sanafe, spikes, steps
        self._architecture = sanafe.load_loihi()
        self._network = sanafe.Network()
        cores = self._architecture.cores()
        self._groups = {
            name: self._network.create_neuron_group(name, len(place))
            for name, place in places.items()
        }
        for name, place in places.items():
            for i, core in enumerate(place):
                neuron = self._groups[name][i]
                neuron.set_attributes(**self._kind(name, i, place))
                neuron.map_to_core(cores[int(core)])

    def _kind(self, name: str, i: int, place: Array) -> dict[str, Any]:
        if name != INPUT:
            return {"soma_hw_name": "loihi_lif", "model_attributes": NEURON, **UNITS}
        unit = i - int(np.searchsorted(place, place[i]))
        train = self._spikes[INPUT][:, i].astype(int).tolist()
        return {
            "soma_hw_name": f"loihi_inputs[{unit}]",
            "model_attributes": {"spikes": train},
            **UNITS,
        }

    def connect(self, link: Link) -> None:
        """Add synapses, of weight 0: spikes are replayed, not made."""
        pairs = list(zip(link.pre.tolist(), link.post.tolist(), strict=True))
        if pairs:
            source, target = self._groups[link.source], self._groups[link.target]
            source.connect_neurons_sparse(target, {"weight": [0.0] * len(pairs)}, pairs)

    def run(self) -> dict[str, float]:
        """Return joules, seconds and numbers of events of all steps."""
        chip = self._sanafe.SpikingChip(self._architecture)
        chip.load(self._network)
        neurons = {n: g for n, g in chip.mapped_neuron_groups.items() if n != INPUT}
        before: dict[str, Array] = {name: np.zeros(0, np.int64) for name in neurons}
        total = dict.fromkeys(RESULTS, 0.0)
        for step in range(self._steps):
            for name, group in neurons.items():
                firing = np.flatnonzero(self._spikes[name][step])
                for i in np.setdiff1d(before[name], firing):
                    group[int(i)].set_attributes(model_attributes={"bias": 0.0})
                for i in np.setdiff1d(firing, before[name]):
                    group[int(i)].set_attributes(model_attributes={"bias": 1.0})
                before[name] = firing
            found = chip.sim(1, processing_threads=1)
            flat = {**found, **found["energy"]}
            for name, key in RESULTS.items():
                total[name] += flat[key]
        return total


RESULTS = {
    "synapses": "synapse",
    "neurons": "soma",
    "network": "network",
    "seconds": "sim_time",
    "spikes": "neurons_fired",
    "packets": "packets_sent",
    "events": "spikes",
}
"""What is summed up, and its name in SANA-FE's results."""
