"""Networks with and without a learning section: plastic layers flagged, feedback drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from onchip.checks import require_choice
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.layer_spec import DenseSpec
from onchip.network.partition import trunk_names
from onchip.network.parts import Learning
from onchip.network.routes import feedback_routes
from onchip.network.spec import LearningSpec, NetworkSpec, is_convolution
from onchip.objectives.base import Objective
from onchip.objectives.classification import Classification
from onchip.rules.eligibility import Eligibility
from onchip.rules.feedback import FEEDBACKS, feedback_matrices
from onchip.rules.filtered import Instantaneous
from onchip.rules.presets import OTTT, RULES, Preset
from onchip.rules.rule import Rule

AnyNetwork = TypeVar("AnyNetwork", bound=NetworkSpec | Network)


def with_learning(
    network: AnyNetwork,
    *,
    learning_rate: float | Mapping[str, float],
    plastic: Iterable[str] | None = None,
    rule: str = OTTT,
    mode: str = "online",
    feedback: str | None = None,
    mse_weight: float = 0.05,
    objective: Objective | None = None,
    eligibility: Eligibility | None = None,
    update_delay: int = 0,
    seed: int = 0,
) -> AnyNetwork:
    """The network with a learning section: plastic layers flagged, feedback drawn or frozen.

    `plastic` are names of layers or populations, None for all but the convolutional ones (and, of a
    rule with local readouts, but these); of a `Network` those can be named, too. `learning_rate` of
    a `Network` may be one for each name. `rule` is a name of `onchip.rules.presets.RULES`;
    `feedback` ("exact" by default) and `objective` (classification with `mse_weight`) are the
    rule's own where it has some. `seed` draws the random matrices; "symmetric" freezes the present
    transposes. `eligibility`, of `onchip.rules.eligibilities`, stands in for the rule's. Raises
    ValueError for an unknown or convolutional layer, for an unknown rule, for surrogates other than
    the rule's own, and for a rule or objective that a `NetworkSpec` cannot hold.
    """
    require_choice("learning: rule", rule, RULES)
    preset = RULES[rule]
    if eligibility is not None:
        preset = replace(preset, eligibility=eligibility)
    if feedback is not None and preset.feedback is not None:
        raise ValueError(f"learning: rule {rule!r} has a feedback of its own; leave feedback out")
    if objective is not None and preset.objective is not None:
        raise ValueError(f"learning: rule {rule!r} has an objective of its own; leave it out")
    objective = objective or preset.objective
    feedback = feedback or (rule if preset.feedback else "exact")
    if isinstance(network, Network):
        chosen = objective or Classification(mse_weight)
        learning = Learning(chosen, (), mode, feedback, update_delay)
        graph = _graph_with_learning(network, learning, preset, learning_rate, plastic, seed)
        return cast("AnyNetwork", graph)
    if preset.kind != Instantaneous() or preset.feedback or objective is not None:
        raise ValueError(
            f"learning: rule {rule!r} or its objective has no place in a NetworkSpec; make the "
            "network with onchip.network.chain.chain"
        )
    if isinstance(learning_rate, Mapping):
        raise ValueError(
            "learning: a NetworkSpec has one learning rate; for others make the network with "
            "onchip.network.chain.chain"
        )
    options = (learning_rate, mode, feedback, mse_weight, update_delay)
    return cast("AnyNetwork", _spec_with_learning(network, options, plastic, seed))


def _graph_with_learning(
    network: Network,
    learning: Learning,
    preset: Preset,
    learning_rate: float | Mapping[str, float],
    plastic: Iterable[str] | None,
    seed: int,
) -> Network:
    names = [p.name for p in network.populations]
    convolved = {c.target for c in network.connections if isinstance(c.transform, Convolution)}
    usual = set(names) - convolved - trunk_names(without_learning(network))
    if preset.feedback is not None and preset.feedback.local:
        usual -= {p.name for p in network.populations if not p.neuron.spiking}
    chosen = [n for n in names if n in usual] if plastic is None else list(plastic)
    for name in chosen:
        require_choice("plastic population", name, names)
    check_surrogates(network, preset, chosen)
    rates = rates_by_name(learning_rate, chosen)
    if not chosen:
        raise ValueError(f"plastic populations: none was named; choose from {', '.join(names)}")
    kinds = {name: preset.kind.of(network.population(name).neuron) for name in chosen}
    rules = {name: Rule.of(rate, kinds[name]) for name, rate in rates.items()}
    kind = preset.feedback
    if kind is None:
        require_choice("learning: feedback", learning.feedback, FEEDBACKS)
        kind = FEEDBACKS[learning.feedback]
    connections = tuple(replace(c, rule=rules.get(c.target)) for c in network.connections)
    routes = feedback_routes(network, kind, chosen, seed)
    return replace(
        network, connections=connections, learning=replace(learning, routes=tuple(routes))
    )


def check_surrogates(network: Network, preset: Preset, names: Collection[str]) -> None:
    """Raise ValueError where a population's surrogate is not the one of a rule."""
    for name in names if preset.surrogate else ():
        surrogate = getattr(network.population(name).neuron, "surrogate", None)
        if surrogate is not None and surrogate.name != preset.surrogate:
            raise ValueError(
                f"population {name!r}: its surrogate is {surrogate.name!r}, but the rule is "
                f"defined with {preset.surrogate!r}; use that one, or a rule without one of its own"
            )


def rates_by_name(
    learning_rate: float | Mapping[str, float], names: Collection[str]
) -> dict[str, float]:
    """Return the rate of each population in `names`; ValueError where a mapping names others."""
    if not isinstance(learning_rate, Mapping):
        return dict.fromkeys(names, learning_rate)
    if set(learning_rate) != set(names):
        raise ValueError(
            f"learning rates of {', '.join(learning_rate)} were given, but {', '.join(names)} "
            "learn; name the same ones"
        )
    return dict(learning_rate)


def _spec_with_learning(
    spec: NetworkSpec,
    options: tuple[float, str, str, float, int],
    plastic: Iterable[str] | None,
    seed: int,
) -> NetworkSpec:
    learning_rate, mode, feedback, mse_weight, update_delay = options
    dense = [layer.name for layer in spec.layers if isinstance(layer, DenseSpec)]
    chosen = dense if plastic is None else list(plastic)
    for name in chosen:
        if any(layer.name == name for layer in spec.layers if is_convolution(layer)):
            raise ValueError(
                f"plastic layer {name!r} is a convolution, and those stay as they are in a "
                f"NetworkSpec; choose from {', '.join(dense)}, or make a graph with "
                "onchip.network.chain.graph_of"
            )
        require_choice("plastic layer", name, dense)
    require_choice("learning: feedback", feedback, FEEDBACKS)
    if not chosen:
        raise ValueError(f"plastic layers: none was named; choose from {', '.join(dense)}")
    layers = tuple(
        replace(layer, plastic=layer.name in chosen) if isinstance(layer, DenseSpec) else layer
        for layer in spec.layers
    )
    receiving = dense[min(dense.index(name) for name in chosen) :]
    weights = {layer.name: layer.weight for layer in layers if isinstance(layer, DenseSpec)}
    learning = LearningSpec(
        learning_rate=learning_rate,
        mode=mode,
        feedback=feedback,
        feedback_matrices=feedback_matrices(feedback, receiving, weights, seed),
        mse_weight=mse_weight,
        update_delay=update_delay,
    )
    return replace(spec, layers=layers, learning=learning)


def without_learning(network: AnyNetwork) -> AnyNetwork:
    """The same network for inference only: nothing plastic, no learning section.

    Raises ValueError for a graph in integers that learns.
    """
    if isinstance(network, Network):
        if any(c.plastic and c.rule is None for c in network.connections):
            raise ValueError(
                "network: its integers were made for its learning; quantize the network in "
                "floating point without learning instead"
            )
        frozen = tuple(replace(c, rule=None) for c in network.connections)
        return replace(network, connections=frozen, learning=None)
    layers = tuple(
        replace(layer, plastic=False) if isinstance(layer, DenseSpec) else layer
        for layer in network.layers
    )
    return replace(network, layers=layers, learning=None)
