"""The costs of a sample as text: what running and learning take, memory, cores, energy."""

from __future__ import annotations

from collections.abc import Sequence

from onchip.deploy.costs.counts import Costs
from onchip.deploy.costs.energy import Energy
from onchip.deploy.costs.memory import Memory
from onchip.deploy.costs.placement import Placement
from onchip.deploy.costs.traffic import Traffic
from onchip.deploy.reports.table import aligned

ROWS = (
    ("synaptic operations, dense", "synaptic_dense"),
    ("synaptic operations, effective", "synaptic_effective"),
    ("  accumulates", "synaptic_acs"),
    ("  multiply-accumulates", "synaptic_macs"),
    ("spikes", "spikes"),
    ("neuron updates", "neuron_updates"),
    ("  membranes that change", "membranes_changed"),
    ("trace updates", "trace_updates"),
    ("  of inputs that were active", "traces_held"),
    ("rule evaluations", "rule_evaluations"),
    ("  both sides not zero", "rules_met"),
    ("tag updates", "tag_updates"),
    ("weight writes", "weight_writes"),
    ("  weights that change", "weights_changed"),
    ("error values", "errors"),
    ("feedback spikes", "feedback_messages"),
    ("feedback operations, dense", "feedback_dense"),
    ("feedback operations, effective", "feedback_effective"),
)
"""What is printed, and its name in `Costs.totals`."""


def operations_table(costs: Sequence[Costs]) -> str:
    """Return a table of counts for a sample, a column each: running, or learning."""
    samples = [c.per_sample() for c in costs]
    heading = ["", *("a learned sample" if c.learning else "a sample" for c in costs)]
    rows = [[text, *(number(s[name]) for s in samples)] for text, name in ROWS]
    return "\n".join(aligned([heading, *rows]))


def sparsity_line(costs: Costs) -> str:
    """Return the sparsities in a line."""
    activations = costs.activation_sparsity()
    shown = ", ".join(f"{name} {value:.1%}" for name, value in activations.items())
    connections = costs.connection_sparsity()["all"]
    return (
        f"outputs that are zero: {shown or 'no population spikes'}; weights that are zero: "
        f"{connections:.1%}"
    )


def memory_line(memory: Memory, numbers: str) -> str:
    """Return the bytes by kind in a line."""
    kinds = memory.in_bytes()
    total = kinds.pop("total")
    shown = ", ".join(f"{name} {count:,}" for name, count in kinds.items() if count)
    return f"memory in {numbers}: {total:,} bytes ({shown})"


def placement_line(placement: Placement) -> str:
    """Return the cores in a line."""
    groups = ", ".join(f"{name} {cores}" for name, cores in placement.by_group().items())
    unknown = ", ".join(placement.limits.unknown) or "nothing"
    return (
        f"cores of {placement.limits.chip} (estimate): {len(placement.cores)} of "
        f"{placement.limits.cores} ({groups}); not public: {unknown}"
    )


def energy_line(energy: Energy, learning: bool) -> str:
    """Return the energy in a line."""
    parts = f"synapses {joules(energy.synapses)}, neurons {joules(energy.neurons)}"
    total = joules(energy.least)
    if learning:
        least, most = energy.rules
        parts += f", feedback {joules(energy.feedback)}, rules {joules(least)} to {joules(most)}"
        total += f" to {joules(energy.most)}"
    what = "a learned sample" if learning else "a sample"
    return (
        f"energy of {what}, an estimate by Loihi 1's published figures: {total} ({parts}), "
        f"{energy.steps} steps on schedule {energy.schedule!r}"
    )


def traffic_line(traffic: Traffic, learning: bool) -> str:
    """Return the traffic in a line."""
    what = "a learned sample" if learning else "a sample"
    return (
        f"spike traffic of {what} on Loihi 1, an estimate by SANA-FE: {joules(traffic.joules)} "
        f"(synapses {joules(traffic.synapses)}, neurons {joules(traffic.neurons)}, network "
        f"{joules(traffic.network)}) in {traffic.seconds * 1e6:,.0f} µs, {traffic.steps} steps"
    )


def number(value: float) -> str:
    """Return a count with thousands, a decimal where it is small."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def joules(value: float) -> str:
    """Return an energy in nJ or µJ."""
    return f"{value * 1e6:.3g} µJ" if value >= 1e-6 else f"{value * 1e9:.3g} nJ"
