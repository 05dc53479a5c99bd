"""Costs by layer, for a sample: what a population, the synapses into it and its errors take."""

from __future__ import annotations

from dataclasses import dataclass

from onchip.deploy.costs.counts import Costs


@dataclass(frozen=True)
class LayerCost:
    """Counts of a sample, of one population.

    `forward` are effective synaptic operations into it, `feedback` those that bring it errors,
    `rules` its synapses' rule evaluations, `rules_met` those that meet something; `neurons` and
    `traces` are updates, `changed` the weights that a sample changes (each time it does).
    """

    name: str
    forward: float
    forward_dense: float
    neurons: float
    feedback: float
    rules: float
    rules_met: float
    traces: float
    changed: float


def by_layer(costs: Costs) -> tuple[LayerCost, ...]:
    """Return the costs of each population, in their order."""
    return tuple(_layer(costs, p.name, p.updates) for p in costs.populations)


def _layer(costs: Costs, name: str, updates: int) -> LayerCost:
    into = [c for c in costs.connections if c.target == name]
    counted = [c.operations for c in into if c.counted]
    values = {
        "forward": sum(o.effective for o in counted),
        "forward_dense": sum(o.dense for o in counted),
        "neurons": updates,
        "feedback": sum(r.operations.effective for r in costs.routes if r.target == name),
        "rules": sum(c.learned.rule_evaluations for c in into),
        "rules_met": sum(c.learned.rules_met for c in into),
        "traces": sum(c.learned.trace_updates for c in into),
        "changed": sum(c.learned.weights_changed for c in into),
    }
    return LayerCost(name, **{key: value / costs.samples for key, value in values.items()})
