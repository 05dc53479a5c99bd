"""The counts of a network at work, by its parts: whole numbers, summed over samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from onchip.network.parts import ALWAYS_ON


@dataclass
class Synaptic:
    """Operations of a connection or of a way for errors; see `onchip.deploy.costs.operations`."""

    dense: int = 0
    acs: int = 0
    macs: int = 0

    @property
    def effective(self) -> int:
        """Accumulates and multiply-accumulates."""
        return self.acs + self.macs

    def add(self, dense: int, effective: int, graded: bool) -> None:
        """Count a step's operations, multiply-accumulates where its inputs are `graded`."""
        self.dense += dense
        if graded:
            self.macs += effective
        else:
            self.acs += effective


@dataclass
class Learned:
    """What learning does to the synapses of a connection.

    `trace_updates`: each exponential of each input at each learned step; `traces_held`, those of
    inputs that have been active in the sample. `rule_evaluations`: each synapse at each step;
    `rules_met`, those of which both the input (its trace, or for a rule without one its spike) and
    the third factor are not zero. `tag_updates`: each variable that a synapse keeps, the sum of an
    accumulated update too, at each step. `weight_writes`: each stored weight at each update;
    `weights_changed`, those whose value is another one after it.
    """

    trace_updates: int = 0
    traces_held: int = 0
    rule_evaluations: int = 0
    rules_met: int = 0
    tag_updates: int = 0
    weight_writes: int = 0
    weights_changed: int = 0


@dataclass
class ConnectionCost:
    """A connection: `stored` weights, of which `zeros` are zero, on `synapses`.

    `counted` says whether its operations are synaptic ones: a frozen bias is a constant.
    """

    name: str
    source: str
    target: str
    plastic: bool
    counted: bool
    stored: int
    zeros: int
    synapses: int
    operations: Synaptic = field(default_factory=Synaptic)
    learned: Learned = field(default_factory=Learned)


@dataclass
class PopulationCost:
    """A population: `updates` of its neurons, one each at each step; outputs that are not zero.

    `membranes_changed`: all neurons at a sample's first step, then those whose membrane is another
    one than the step before (NeuroBench's membrane updates). `errors` and `factors` that are not
    zero, of `errors_made` by a readout and `factors_made`.
    """

    name: str
    neurons: int
    spiking: bool
    updates: int = 0
    membranes_changed: int = 0
    spikes: int = 0
    errors_made: int = 0
    errors: int = 0
    factors_made: int = 0
    factors: int = 0


@dataclass
class RouteCost:
    """A way for an error from `source` to `target`: values sent, and the synapses they cross.

    `messages` are values that are not zero: graded spikes.
    """

    name: str
    source: str
    target: str
    is_error: bool
    values: int = 0
    messages: int = 0
    operations: Synaptic = field(default_factory=Synaptic)


@dataclass(frozen=True)
class Costs:
    """The counts of `samples` of `time_steps` each; `learning` says whether it learned from them.

    `numbers` is what the network is written in (`onchip.program.graphs.numbers_of`).
    """

    samples: int
    time_steps: int
    learning: bool
    numbers: str
    connections: tuple[ConnectionCost, ...]
    populations: tuple[PopulationCost, ...]
    routes: tuple[RouteCost, ...]

    def totals(self) -> dict[str, int]:
        """Return the sums over all parts and samples."""
        counted = [c.operations for c in self.connections if c.counted]
        feedback = [r.operations for r in self.routes]
        learned = {
            f.name: sum(getattr(c.learned, f.name) for c in self.connections)
            for f in fields(Learned)
        }
        return {
            "synaptic_dense": sum(o.dense for o in counted),
            "synaptic_effective": sum(o.effective for o in counted),
            "synaptic_acs": sum(o.acs for o in counted),
            "synaptic_macs": sum(o.macs for o in counted),
            "neuron_updates": _sum(self.populations, "updates"),
            "membranes_changed": _sum(self.populations, "membranes_changed"),
            "spikes": sum(p.spikes for p in self.populations if p.spiking),
            **learned,
            "errors": _sum(self.populations, "errors"),
            "factors": _sum(self.populations, "factors"),
            "feedback_messages": _sum(self.routes, "messages"),
            "feedback_dense": sum(o.dense for o in feedback),
            "feedback_effective": sum(o.effective for o in feedback),
        }

    def per_sample(self) -> dict[str, float]:
        """Return the totals divided by the number of samples."""
        return {name: total / self.samples for name, total in self.totals().items()}

    def activation_sparsity(self) -> dict[str, float]:
        """Return the share of outputs that are zero by spiking population, and of "all".

        Over all neurons, steps and samples (NeuroBench). Empty where nothing spikes.
        """
        spiking = [p for p in self.populations if p.spiking]
        found = {p.name: 1 - p.spikes / p.updates for p in spiking}
        if spiking:
            found["all"] = 1 - _sum(spiking, "spikes") / _sum(spiking, "updates")
        return found

    def connection_sparsity(self) -> dict[str, float]:
        """Return the share of weights that are zero, by connection and of "all", without biases."""
        kept = [c for c in self.connections if c.source != ALWAYS_ON]
        found = {c.name: c.zeros / c.stored for c in kept}
        found["all"] = _sum(kept, "zeros") / _sum(kept, "stored")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return totals for a sample, the sparsities, and the counts of all parts."""
        return {
            "samples": self.samples,
            "time_steps": self.time_steps,
            "learning": self.learning,
            "per_sample": self.per_sample(),
            "activation_sparsity": self.activation_sparsity(),
            "connection_sparsity": self.connection_sparsity(),
            "connections": [asdict(c) for c in self.connections],
            "populations": [asdict(p) for p in self.populations],
            "routes": [asdict(r) for r in self.routes],
        }


def _sum(parts: Iterable[Any], name: str) -> int:
    return sum(getattr(part, name) for part in parts)
