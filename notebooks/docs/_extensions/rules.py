"""The directive `rules`: the table of learning rules, made from `RULES` and their lowering."""

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
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.base import Neuron
from onchip.neurons.cuba import CuBa
from onchip.neurons.lif import LIF
from onchip.neurons.surrogates import Surrogate
from onchip.program.lower import lower
from onchip.program.program import Neurons, Synapses
from onchip.rules.feedback import FEEDBACKS
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
    """`.. rules::`: a row for each of `RULES`."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        return self.parse_text_to_nodes(StringList(rules_table().splitlines(), "rules"))


def rules_table() -> str:
    """A list-table in reStructuredText."""
    rows = [HEADING, *(rule_row(name, preset) for name, preset in RULES.items())]
    lines = [".. list-table::", "   :header-rows: 1", ""]
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
    """The eligibility of a synapse."""
    kappa = preset.eligibility_decay
    past = rf"{kappa}\, e[n-1] + " if kappa else ""
    return rf":math:`e[n] = {past}\psi[n]\, a[n]`"


def third_factor(preset: Preset) -> str:
    """The objective, the feedback and the surrogate that a rule is defined with."""
    objective, feedback = preset.objective, preset.feedback
    parts = [
        "error of any objective" if objective is None else f"error of ``{objective!r}``",
        f"by feedback {', '.join(FEEDBACKS)}"
        if feedback is None
        else "the first output's, to every neuron",
    ]
    if preset.surrogate:
        parts.append(f"surrogate ``{preset.surrogate}``")
    return "; ".join(parts)


def example(name: str, preset: Preset, kind: type[Neuron]) -> Network:
    """The smallest network with a hidden population that learns by a rule."""
    surrogate = Surrogate(preset.surrogate or "triangle")
    options: dict[str, Any] = {"surrogate": surrogate}
    populations = [Population(n, (2,), kind(**options)) for n in ("hidden", "out")]
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
    targets = {"dt": plasticity.dt, "dw": plasticity.dw}
    return ", ".join(f"``{k} = {rule_text(terms)}``" for k, terms in targets.items() if terms)


def cost(neurons: Neurons, synapses: Synapses) -> str:
    """What it needs a synapse, an input and a neuron."""
    plasticity, teacher = synapses.plasticity, neurons.teacher
    assert plasticity is not None and teacher is not None
    return (
        f"{size(synapses)}, {counted(int(bool(plasticity.dt)), 'tag')} a synapse, "
        f"{counted(len(teacher.used), 'factor')} a neuron"
    )


def size(synapses: Synapses) -> str:
    """Products and traces."""
    plasticity = synapses.plasticity
    assert plasticity is not None
    traces = 1 if plasticity.second is None else 2
    terms = len(plasticity.dt) + len(plasticity.dw)
    return f"{counted(terms, 'product')} a synapse, {counted(traces, 'trace')} an input"


def counted(number: int, noun: str) -> str:
    """`no tags`, `1 tag`, `2 tags`."""
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"


def integers(name: str, preset: Preset) -> str:
    """Whether the quantizer takes it, else its reason."""
    try:
        quantize(example(name, preset, LIF))
    except ValueError as error:
        return f"no: {str(error).partition(': ')[2].partition(';')[0]}"
    return "yes"


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("rules", Rules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
