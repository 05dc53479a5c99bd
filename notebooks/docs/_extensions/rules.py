"""The directive `rules`: the learning rules, made from `RULES` and their lowering.

A table of all, and a section for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from onchip.deploy import quantize
from onchip.lava.rules import rule_text
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.alif import ALIF
from onchip.neurons.base import Neuron
from onchip.neurons.cuba import CuBa
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.neurons.surrogates import Surrogate
from onchip.program.lower import lower
from onchip.program.program import Neurons, Synapses
from onchip.rules.eligibility import TRACE
from onchip.rules.feedback import FEEDBACKS, FeedbackKind
from onchip.rules.presets import RULES, Preset

HEADING = (
    "rule",
    "eligibility",
    "third factor",
    "products in Lava",
    "of CuBa neurons",
    "cost",
    "in the chip's integers",
)


class Rules(SphinxDirective):
    """`.. rules::`: a row for each of `RULES`; with the argument `sections` a section for each."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table, or the sections."""
        text = rule_sections() if self.arguments == ["sections"] else rules_table()
        lines = StringList(text.splitlines(), "rules")
        return self.parse_text_to_nodes(lines, allow_section_headings=True)


def rules_table() -> str:
    """A list-table in reStructuredText."""
    rows = [HEADING, *(rule_row(name, preset) for name, preset in RULES.items())]
    lines = [".. list-table::", "   :class: wide", "   :header-rows: 1", ""]
    for row in rows:
        first, *others = row
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return "\n".join(lines)


def rule_row(name: str, preset: Preset) -> tuple[str, ...]:
    """The cells of one rule."""
    neurons, synapses = lowered(name, preset, LIF)
    current_based = lowered(name, preset, CuBa)[1]
    return (
        f"``{name}``: {preset.about}",
        equation(preset),
        third_factor(preset),
        products(synapses),
        products(current_based),
        f"{cost(neurons, synapses)}; CuBa: {size(current_based)}",
        integers(name, preset),
    )


def equation(preset: Preset) -> str:
    """The eligibility of a synapse, of one filter with its decay."""
    kappa = preset.eligibility_decay
    if not kappa:
        return f":math:`{preset.kind.equation}`"
    return rf":math:`e[n] = {kappa}\, e[n-1] + \psi[n]\, a[n]`"


def third_factor(preset: Preset) -> str:
    """The objective, the feedback and the surrogate that a rule is defined with."""
    objective, feedback = preset.objective, preset.feedback
    parts = [
        "error of any objective" if objective is None else f"error of ``{objective!r}``",
        paths(feedback),
    ]
    if preset.surrogate:
        parts.append(f"surrogate ``{preset.surrogate}``")
    return "; ".join(parts)


def paths(feedback: FeedbackKind | None) -> str:
    """The ways by which the third factor comes to hidden populations."""
    if feedback is None:
        return f"by feedback {', '.join(FEEDBACKS)}"
    if feedback.local:
        return "of a fixed random readout of each population's own"
    names = [name for name, kind in FEEDBACKS.items() if kind == feedback]
    return f"by feedback {names[0]}" if names else "the first output's, to every neuron"


def example(name: str, preset: Preset, kind: type[Neuron]) -> Network:
    """The smallest network with a hidden population that learns by a rule."""
    surrogate = Surrogate(preset.surrogate or "triangle")
    options: dict[str, Any] = {"surrogate": surrogate}
    populations = [Population(n, (2,), kind(**options)) for n in ("hidden", "out")]
    if preset.feedback is not None and preset.feedback.local:
        populations[1] = Population("out", (2,), LeakyIntegrator())
    network = Network(
        tuple(populations),
        (
            Connection(INPUT, "hidden", Dense(np.eye(2))),
            Connection("hidden", "out", Dense(np.eye(2))),
        ),
        (2,),
        10,
    )
    feedback = None if preset.feedback else "symmetric"
    return with_learning(network, learning_rate=0.1, rule=name, feedback=feedback)


def lowered(name: str, preset: Preset, kind: type[Neuron]) -> tuple[Neurons, Synapses]:
    """A hidden population and its synapses, as every Lava network gets them."""
    program = lower(example(name, preset, kind), "sequenced")
    return program.populations[0], program.into("hidden")[0]


def products(synapses: Synapses) -> str:
    """The rule's targets in Lava's notation."""
    plasticity = synapses.plasticity
    assert plasticity is not None
    targets = {"dd": plasticity.dd, "dt": plasticity.dt, "dw": plasticity.dw}
    return ", ".join(f"``{k} = {rule_text(terms)}``" for k, terms in targets.items() if terms)


def cost(neurons: Neurons, synapses: Synapses) -> str:
    """What it needs a synapse, an input and a neuron."""
    plasticity, teacher = synapses.plasticity, neurons.teacher
    assert plasticity is not None and teacher is not None
    return (
        f"{size(synapses)}, {counted(bool(plasticity.dt) + bool(plasticity.dd), 'tag')} a synapse, "
        f"{counted(len(teacher.used), 'factor')} a neuron"
    )


def size(synapses: Synapses) -> str:
    """Products and traces."""
    plasticity = synapses.plasticity
    assert plasticity is not None
    terms = (*plasticity.dw, *plasticity.dt, *plasticity.dd)
    traces = {name for term in terms for name in term.factors} & {"x1", "x2"}
    return f"{counted(len(terms), 'product')} a synapse, {counted(len(traces), 'trace')} an input"


def counted(number: int, noun: str) -> str:
    """`no tags`, `1 tag`, `2 tags`."""
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"


def integers(name: str, preset: Preset) -> str:
    """Whether the quantizer takes it, else its reason."""
    try:
        quantize(example(name, preset, LIF))
    except ValueError as error:
        return f"no: {reason(error)}"
    return "yes"


# -- a section for each ---------------------------------------------------------------------------


def rule_sections() -> str:
    """A section for each rule in reStructuredText."""
    return "\n\n".join(rule_section(name, preset) for name, preset in RULES.items())


def rule_section(name: str, preset: Preset) -> str:
    """What one rule computes, its products, its cost and where it does not hold."""
    kind, about = preset.kind, preset.about
    rows = {
        "constants": ", ".join(f"``{part!r}``" for part in (kind, preset.objective) if part),
        "third factor": third_factor(preset),
        "it applies": applies(preset),
        **{f"products, {n.__name__}": products_or_reason(name, preset, n) for n in NEURONS},
        "cost, LIF": cost(*lowered(name, preset, LIF)),
        "accumulated in Lava": possible(name, preset, mode="accumulate"),
        "schedule pipelined": possible(name, preset, "pipelined", update_delay=1),
        "convolutions": convolutions(preset),
        "on the chip": chip(name, preset),
    }
    lines = [name, "^" * len(name), "", f"{about[0].upper()}{about[1:]}.", "", ".. math::", ""]
    lines += [f"   {kind.equation}", "", ".. list-table::", "   :stub-columns: 1", ""]
    for label, text in rows.items():
        lines += [f"   * - {label}", f"     - {text}"]
    return "\n".join(lines)


NEURONS: tuple[type[Neuron], ...] = (LIF, CuBa, ALIF)


def applies(preset: Preset) -> str:
    """Whether a step's own input is in the step's own update."""
    own = any(TRACE in term.factors for term in preset.kind.recipe().dw)
    return "in the epoch of the step itself" if own else "an epoch late"


def products_or_reason(name: str, preset: Preset, kind: type[Neuron]) -> str:
    """The products for neurons of a kind, or why there are none."""
    try:
        return products(lowered(name, preset, kind)[1])
    except ValueError as error:
        return f"none: {reason(error)}"


def possible(name: str, preset: Preset, schedule: str = "sequenced", **options: Any) -> str:
    """Whether Lava does it with other options, else its reason; pipelined the readout learns."""
    try:
        network = without_learning(example(name, preset, LIF))
        plastic = ["out"] if schedule == "pipelined" else None
        feedback = None if preset.feedback else "symmetric"
        network = with_learning(
            network, learning_rate=0.1, rule=name, feedback=feedback, plastic=plastic, **options
        )
        lower(network, schedule)
    except ValueError as error:
        return f"no: {reason(error)}"
    return "yes" if schedule == "sequenced" else "yes, of the readout"


def convolutions(preset: Preset) -> str:
    """Whether kernels learn by it."""
    if preset.kind.variables:
        return "no: an eligibility is kept for each synapse, and kernels share theirs"
    return "yes"


def chip(name: str, preset: Preset) -> str:
    """What a chip can hold of it."""
    text = integers(name, preset)
    if preset.kind.recipe().dd:
        of_all = preset.kind.of(LIF()).recipe().dd
        whose = "" if of_all else ", which it takes of adaptive neurons,"
        text += f"; the second tag{whose} is the synapse's delay there"
    return text


def reason(error: ValueError) -> str:
    """A refusal without the name of the part."""
    return str(error).partition(": ")[2].partition(";")[0]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("rules", Rules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
