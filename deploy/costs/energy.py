"""Energy from published figures of events: an estimate, of Loihi 1, whatever chip is meant.

The figures are those of Davies et al. 2018, table 2, measured before the chip was made: the least
energy of a synaptic operation, an update of an active and of an inactive neuron, an update of a
synapse by pairwise STDP. Nothing is published on a rule of other products, on the traces, on the
ways of graded spikes or on Loihi 2, so a learned synapse counts as one of pairwise STDP: `least`
counts the rules whose two sides are not zero, `most` all of them. Idle power is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

from onchip.deploy.costs.counts import Costs
from onchip.network.graph import Network
from onchip.network.learning import without_learning
from onchip.program.ahead import schedule_of_all
from onchip.program.chip_network import ChipConnection, ChipNetwork
from onchip.program.graphs import AnyNetwork, as_graph
from onchip.program.timetable import Schedule

SOURCE = "Davies et al. 2018 (Loihi 1), table 2, pre-silicon estimates"

PRICES: Mapping[str, float] = MappingProxyType(
    {
        "synaptic_operation": 23.6e-12,
        "active_neuron_update": 81e-12,
        "inactive_neuron_update": 52e-12,
        "synaptic_update": 120e-12,
    }
)
"""Joules of one event."""


@dataclass(frozen=True)
class Energy:
    """Joules of a sample by term; `learning` terms as (least, most).

    `steps` are the chip's for a sample on the schedule `schedule`: a neuron is updated at each of
    them, actively at the algorithm's T.
    """

    schedule: str
    steps: int
    synapses: float
    neurons: float
    feedback: float
    rules: tuple[float, float]

    @property
    def least(self) -> float:
        """All terms, with the rules that meet something."""
        return self.synapses + self.neurons + self.feedback + self.rules[0]

    @property
    def most(self) -> float:
        """All terms, with all rules."""
        return self.synapses + self.neurons + self.feedback + self.rules[1]

    def dominant(self) -> str:
        """Return the term that takes most of `most`."""
        terms = {
            "synapses": self.synapses,
            "neurons": self.neurons,
            "feedback": self.feedback,
            "rules": self.rules[1],
        }
        return max(terms, key=lambda name: terms[name])

    def as_json(self) -> dict[str, Any]:
        """Return the terms, marked as an estimate of Loihi 1's."""
        return {
            "estimate": True,
            "chip": "Loihi 1",
            "source": SOURCE,
            "schedule": self.schedule,
            "chip_steps": self.steps,
            "joules": {
                "synapses": self.synapses,
                "neurons": self.neurons,
                "feedback": self.feedback,
                "rules_least": self.rules[0],
                "rules_most": self.rules[1],
                "least": self.least,
                "most": self.most,
            },
            "dominant": self.dominant(),
        }


def energy_of(spec: AnyNetwork, costs: Costs) -> Energy:
    """Return the energy of a sample whose operations were counted.

    Raises ValueError for a network that no schedule can execute.
    """
    schedule = chip_schedule(spec, costs.learning)
    total, neurons = costs.per_sample(), sum(p.neurons for p in costs.populations)
    active = total["neuron_updates"]
    inactive = neurons * schedule.steps_per_sample - active
    return Energy(
        schedule=schedule.name,
        steps=schedule.steps_per_sample,
        synapses=total["synaptic_effective"] * PRICES["synaptic_operation"],
        neurons=active * PRICES["active_neuron_update"]
        + inactive * PRICES["inactive_neuron_update"],
        feedback=total["feedback_effective"] * PRICES["synaptic_operation"],
        rules=(
            total["rules_met"] * PRICES["synaptic_update"],
            total["rule_evaluations"] * PRICES["synaptic_update"],
        ),
    )


def chip_schedule(spec: AnyNetwork, learning: bool) -> Schedule:
    """Return the schedule of a network on a chip: its own, or the fastest that it fits.

    A network that does not learn is pipelined, unless spikes go back to a population below.
    """
    graph = as_graph(spec)
    if learning:
        own = getattr(graph, "schedule", None)
        assert graph.learning is not None
        usual = "pipelined" if graph.learning.update_delay else "sequenced"
        return schedule_of_all(own or usual, graph)
    frozen = _frozen(graph)
    try:
        return schedule_of_all("pipelined", frozen)
    except ValueError:
        return schedule_of_all("sequenced", frozen)


def _frozen(graph: Network) -> Network:
    """A graph without its learning, in floating point or in integers."""
    if isinstance(graph, ChipNetwork):
        whole = tuple(replace(cast(ChipConnection, c), plasticity=None) for c in graph.connections)
        return replace(graph, connections=whole, learning=None, schedule=None)
    return without_learning(graph)
