"""A network that learns by another rule than it was made with."""

from __future__ import annotations

from dataclasses import replace

from onchip.checks import require_choice
from onchip.network.graph import Network
from onchip.network.learning import check_surrogates, without_learning
from onchip.network.routes import feedback_routes
from onchip.rules.presets import RULES
from onchip.rules.rule import Rule


def with_rule(network: Network, rule: str, seed: int = 0) -> Network:
    """Return the network with another rule of `onchip.rules.presets.RULES`.

    What learns, the rates, mode and feedback stay; the objective and the feedback are the rule's
    own where it has some (`seed` draws its matrices). Raises ValueError for an unknown rule, for a
    network of integers or without learning, and for parts that the rule is not defined with.
    """
    require_choice("learning: rule", rule, RULES)
    if network.learning is None:
        raise ValueError(
            "network: it has no learning section; use onchip.network.learning.with_learning"
        )
    if all(c.rule is None for c in network.connections):
        raise ValueError(
            "network: integers learn by the rule that they were quantized with; change the rule of "
            "the network in floating point"
        )
    preset, names = RULES[rule], network.plastic_names
    check_surrogates(network, preset, names)
    learning = replace(network.learning, objective=preset.objective or network.learning.objective)
    if preset.feedback is not None:
        routes = feedback_routes(without_learning(network), preset.feedback, names, seed)
        learning = replace(learning, routes=tuple(routes), feedback=rule)
    kinds = {name: preset.kind.of(network.population(name).neuron) for name in names}
    connections = tuple(
        c if c.rule is None else replace(c, rule=Rule.of(c.rule.learning_rate, kinds[c.target]))
        for c in network.connections
    )
    return replace(network, connections=connections, learning=learning)
