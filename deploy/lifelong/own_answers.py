"""Learning from few labels and from one's own answers to samples without labels.

First the labelled samples, several times over. Then, round by round, the network answers all
samples without a label; of those that it takes for a class it keeps the `share` with the largest
margin (the best sum of outputs less the second best), and learns from them, their answers for
labels, among as many labelled ones. Self-training, after Lee 2013 ("Pseudo-Label"), class by class
so that no class takes over. What learns is the part behind the frozen convolutions: a host keeps
their spikes, T x features bits for each sample, and presents them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.checks import require_between
from onchip.deploy.backends.host import trunk_spikes
from onchip.deploy.backends.inputs import check_given, check_inputs, require_learning
from onchip.deploy.backends.online import learn_in_stages
from onchip.deploy.backends.rates import Rate
from onchip.deploy.backends.table import build
from onchip.network.partition import join_trunk, split_trunk
from onchip.program.graphs import AnyNetwork, as_graph

Array = np.ndarray

Spec = TypeVar("Spec", bound=AnyNetwork)


@dataclass(frozen=True)
class OwnAnswers:
    """How often is learned from what; chosen on held out training samples, as the numbers below.

    `passes` over the labelled samples; then `rounds` in which the `share` of surest answers of each
    class are learned from `repeats` times. Orders come from `seed`. Raises ValueError outside of
    the ranges.
    """

    passes: int = 20
    rounds: int = 6
    share: float = 0.8
    repeats: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_integer("own answers: passes", self.passes, 1, 10_000)
        require_integer("own answers: rounds", self.rounds, 0, 10_000)
        require_between("own answers: share", self.share, 0, 1, open_low=True)
        require_integer("own answers: repeats", self.repeats, 1, 10_000)
        require_integer("own answers: seed", self.seed, 0, 2**32 - 1)


def learn_from_few(
    spec: Spec,
    frames: Array,
    labels: Array,
    unlabelled: Array,
    learning_rates: Sequence[Rate],
    own_rates: Sequence[Rate],
    settings: OwnAnswers | None = None,
    backend: str = "lava-fused",
) -> Spec:
    """Return the network after learning from `frames` with `labels`, and from `unlabelled` ones.

    Frames are [samples, T, *input_shape], labels classes [samples]. The passes go through the
    stages of `learning_rates` as in `learn_in_stages`, each round through those of `own_rates`;
    without unlabelled samples, or with 0 rounds, it learns from the labels alone. Raises ValueError
    for what does not fit, before anything is learned.
    """
    settings = settings or OwnAnswers()
    graph = as_graph(spec)
    require_learning(graph)
    labels = np.asarray(check_given(labels, graph, len(frames)))
    if labels.ndim != 1:
        raise ValueError(
            f"own answers: labels have shape {labels.shape}; give a class for each sample, for an "
            "answer is a class"
        )
    known = trunk_spikes(spec, frames)
    head: Any = split_trunk(spec)[1]
    order = _orders(len(labels), settings.passes, [settings.seed, 0])
    head = learn_in_stages(
        head, known[order], labels[order], learning_rates, backend, measure=0
    ).spec
    if len(unlabelled) and settings.rounds:
        rest = trunk_spikes(spec, check_inputs(unlabelled, graph))
        for number in range(settings.rounds):
            head = _round(head, known, labels, rest, own_rates, settings, number, backend)
    joined: Spec = join_trunk(spec, head)
    return joined


def surest(outputs: Array, share: float) -> tuple[Array, Array]:
    """Return (indices, answers) of the surest answers of each class.

    `outputs` [samples, classes], summed over the steps. Of the n samples that are taken for a class
    the ceil(share n) with the largest margins are kept, those of the first class first.
    """
    ordered = np.sort(outputs, axis=1)
    margins, answers = ordered[:, -1] - ordered[:, -2], outputs.argmax(axis=1)
    kept = []
    for answer in np.unique(answers):
        own = np.flatnonzero(answers == answer)
        kept.append(own[np.argsort(-margins[own], kind="stable")[: int(np.ceil(share * len(own)))]])
    chosen = np.concatenate(kept)
    return chosen, answers[chosen]


def _round(
    head: Any,
    known: Array,
    labels: Array,
    rest: Array,
    rates: Sequence[Rate],
    settings: OwnAnswers,
    number: int,
    backend: str,
) -> Any:
    """The head after its own answers, among the labelled samples as often as they fit in."""
    with build(head, backend) as network:
        outputs = network.run(rest).outputs.sum(axis=1)
    chosen, answers = surest(outputs, settings.share)
    times = max(1, len(chosen) // len(labels))
    spikes = np.concatenate([rest[chosen], np.tile(known, (times, *[1] * (known.ndim - 1)))])
    given = np.concatenate([answers, np.tile(labels, times)])
    order = _orders(len(given), settings.repeats, [settings.seed, 1 + number])
    return learn_in_stages(head, spikes[order], given[order], rates, backend, measure=0).spec


def _orders(samples: int, passes: int, seed: list[int]) -> Array:
    """Indices of the passes one after the other, each in an order of its own but the first."""
    shuffled = [
        np.random.default_rng([*seed, number]).permutation(samples) for number in range(1, passes)
    ]
    return np.concatenate([np.arange(samples), *shuffled])
