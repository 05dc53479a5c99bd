"""What of the plasticity of integer synapses Loihi 2 cannot hold: traces, rates, rules."""

from __future__ import annotations

from collections.abc import Iterator

from onchip.arithmetic.loihi import TRACE_MAX
from onchip.deploy.checks.findings import Finding, compare, demand
from onchip.program.integer_layer_spec import FixedPlasticity
from onchip.program.plasticity import LATE, TAGGED, rule_products
from onchip.program.rates import PAIR_SHIFT, FixedRate
from onchip.program.timetable import Schedule

RATE_TOLERANCE = 0.125
"""A realised learning rate further than this from the wanted one is warned of."""


def plasticity_findings(
    where: str, plasticity: FixedPlasticity, decay: float, mode: str, schedule: Schedule
) -> Iterator[Finding]:
    """Findings about the trace, the rate and the rule of synapses onto neurons of this `decay`."""
    impulse, rate = plasticity.impulse, plasticity.rate
    yield compare("trace impulse", where, impulse)
    lost = 1 - decay
    peak = impulse / lost if lost > 0 else impulse * schedule.time_steps
    yield compare("trace", where, peak)
    scale = [
        compare("rate mantissa", where, rate.mantissa),
        compare("rate exponent", where, rate.exponent),
    ]
    yield from scale
    yield _realised_rate(where, rate)
    if plasticity.filter is not None:
        pass  # the tag is an eligibility, which forgets
    elif mode in ("online", TAGGED):
        yield compare("rate gate", where, rate.gate)
    elif mode == LATE:
        yield compare("tag", where, _largest_tag(rate, 1), "warning")
    else:
        yield compare("tag", where, _largest_tag(rate, schedule.time_steps), "warning")
    if all(finding.severity == "ok" for finding in scale):
        yield _products(where, plasticity, mode, schedule)


def _realised_rate(where: str, rate: FixedRate) -> Finding:
    text = f"within {RATE_TOLERANCE:.1%} of {rate.wanted:.4g}"
    if rate.wanted == 0 or rate.realised == 0:
        remedy = "quantize the network again: its rate in float units was not kept"
        return Finding("unknown", where, "learning rate", rate.realised, text, remedy)
    return demand(
        abs(rate.realised / rate.wanted - 1) <= RATE_TOLERANCE,
        "warning",
        where,
        "learning rate",
        rate.realised,
        text,
        "change the learning rate, or scale the layer",
    )


def _largest_tag(rate: FixedRate, time_steps: int) -> float:
    """The tag of a sample in which full traces meet full errors of one sign at every step."""
    per_step = rate.mantissa * TRACE_MAX**2 * 2.0 ** (rate.exponent - PAIR_SHIFT)
    return per_step * time_steps


def _products(where: str, plasticity: FixedPlasticity, mode: str, schedule: Schedule) -> Finding:
    try:
        rules = rule_products(schedule, plasticity, mode)
    except ValueError as error:
        text, remedy = "a rule that integers hold", "plan the learning rate anew"
        return Finding("error", where, "learning rule", str(error), text, remedy)
    return compare("products of a rule", where, max(map(len, rules)))
