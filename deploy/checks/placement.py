"""Whether a network with its learning fits a chip's cores, by a greedy estimate."""

from __future__ import annotations

from collections.abc import Iterator

from onchip.deploy.checks.findings import NETWORK, Finding, demand
from onchip.deploy.checks.limits import BRIEF, LIMITS
from onchip.deploy.costs.placement import REMEDIES, WORDS, CoreLimits, place
from onchip.program.graphs import AnyNetwork

QUANTITY = "cores by a greedy partition"


def _most(name: str) -> int:
    value = LIMITS[name].value
    assert isinstance(value, int)
    return value


LOIHI_2 = CoreLimits(
    chip="Loihi 2",
    cores=_most("neurocores"),
    neurons=_most("neurons per layer"),
    synapses=_most("synapses") // _most("neurocores"),
    synapse_bits=None,
    input_axons=None,
    output_axons=None,
    source=f"{BRIEF}; synapses: those of a chip, spread evenly",
)


def placement_findings(spec: AnyNetwork, limits: CoreLimits = LOIHI_2) -> Iterator[Finding]:
    """Yield whether a network fits a chip's cores; the layer that does not, and what would help."""
    try:
        placement = place(spec, limits)
    except ValueError as error:
        where, _, reason = str(error).partition(": ")
        problem, _, remedy = reason.rpartition("; ")
        yield demand(False, "error", where, QUANTITY, problem, "one core", remedy, limits.source)
        return
    largest = placement.largest()
    filled = placement.filled_by(largest)
    count = placement.by_group()[largest]
    yield demand(
        len(placement.cores) <= limits.cores,
        "error",
        NETWORK,
        QUANTITY,
        len(placement.cores),
        f"at most {limits.cores} per chip",
        f"use {placement.chips} chips, or make layer {largest!r} smaller, which takes {count} by "
        f"its {WORDS[filled]}: {REMEDIES[filled]}",
        limits.source,
    )
    for core in placement.sending_too_far()[:1]:
        yield demand(
            False,
            "error",
            f"layer {core.layer!r}",
            "output axons",
            core.output_axons or 0,
            f"at most {limits.output_axons:,} per core",
            "let fewer cores read it: a smaller layer above, or frozen convolutions",
            limits.source,
        )
