"""Ways to learn after deployment, by the names that users choose."""

from __future__ import annotations

from dataclasses import dataclass

from onchip.rules.presets import OTTT

THREE_FACTOR, PROTOTYPES, MEANS, OFFLINE = "three-factor", "prototypes", "means", "offline"
LEARNERS = (THREE_FACTOR, PROTOTYPES, MEANS, OFFLINE)

OWN, DIRECT = "own", "direct"
"""Heads: the dense layers that the network was trained with, or one dense readout on the trunk."""


@dataclass(frozen=True)
class Way:
    """A way to learn: a row of `WAYS`.

    `about` describes it in a few words; `learner` is one of `LEARNERS`. Of a three-factor head:
    `head` (`OWN` or `DIRECT`), `plastic` its populations that learn, `rate` the learning rate,
    `replays` the stored samples that are learned from after each new one, out of `kept` for each
    class, and `feedback` or the `rule` that has one of its own, as in
    `onchip.network.learning.with_learning`; `known_share` in 0..1 is the share of the rate at which
    outputs of known classes learn while new ones come, `importance` >= 0 how much weights that
    matter to known classes are slowed (`onchip.deploy.lifelong.importance`), `local_scale` that of
    random readouts of the hidden populations, for a rule that learns from those. Of prototypes:
    `novelty`. `chip` says which part of it a chip holds.
    """

    about: str
    learner: str
    chip: str
    head: str = OWN
    plastic: tuple[str, ...] = ("readout",)
    rate: float = 0.01
    replays: int = 0
    kept: int = 40
    feedback: str = "symmetric"
    novelty: float = 0.0
    rule: str = OTTT
    known_share: float = 1.0
    importance: float = 0.0
    local_scale: float = 1.0


ALL_HELD = "all of it (onchip check)"
BUFFER_OUTSIDE = "network and rule (onchip check); the buffer is the host's memory"
IN_GATES = "all of it (onchip check): y3 of each output is its rate"
IN_TAGS = "network and rule (onchip check), the tag of each synapse its rate; the host computes it"
AND_BUFFER = "; the buffer is the host's memory"

WAYS: dict[str, Way] = {
    "direct-replay": Way(
        "a readout on the trunk's spikes, three-factor rule, latent replay",
        THREE_FACTOR,
        BUFFER_OUTSIDE,
        head=DIRECT,
        replays=80,
        kept=80,
    ),
    "direct": Way("the same readout without replay", THREE_FACTOR, ALL_HELD, head=DIRECT),
    "class-rates-replay": Way(
        "direct-replay, outputs of known classes at a share of the rate",
        THREE_FACTOR,
        IN_GATES + AND_BUFFER,
        head=DIRECT,
        rate=0.06,
        replays=80,
        kept=80,
        known_share=0.3,
    ),
    "class-rates": Way(
        "the same without replay", THREE_FACTOR, IN_GATES, head=DIRECT, known_share=0.3
    ),
    "importance-replay": Way(
        "direct-replay, weights slowed by what they matter to known classes",
        THREE_FACTOR,
        IN_TAGS + AND_BUFFER,
        head=DIRECT,
        rate=0.03,
        replays=80,
        kept=80,
        importance=3.0,
    ),
    "importance": Way(
        "the same without replay",
        THREE_FACTOR,
        IN_TAGS,
        head=DIRECT,
        rate=0.015,
        importance=3.0,
    ),
    "head-replay": Way(
        "all dense layers by OTTT, symmetric feedback, latent replay",
        THREE_FACTOR,
        BUFFER_OUTSIDE,
        plastic=("fc1", "readout"),
        rate=0.05,
        replays=40,
    ),
    "head": Way(
        "all dense layers by OTTT without replay",
        THREE_FACTOR,
        ALL_HELD,
        plastic=("fc1", "readout"),
    ),
    "decolle-replay": Way(
        "all dense layers, the hidden one by DECOLLE from a random readout of its own, replay",
        THREE_FACTOR,
        BUFFER_OUTSIDE,
        plastic=("fc1", "readout"),
        rate=0.15,
        replays=40,
        rule="decolle",
        local_scale=4.0,
    ),
    "decolle": Way(
        "the same without replay",
        THREE_FACTOR,
        ALL_HELD,
        plastic=("fc1", "readout"),
        rule="decolle",
        local_scale=4.0,
    ),
    "readout": Way("the trained readout alone, without replay (control)", THREE_FACTOR, ALL_HELD),
    "prototypes": Way(
        "a neuron for each class, moved by a self-normalizing local rule",
        PROTOTYPES,
        "weights and rule (u0*x1*y1 - u0*w*y2); norm and similarity come from the host",
        head=DIRECT,
    ),
    "prototypes-novelty": Way(
        "the same, and a new neuron for what resembles no neuron of its class",
        PROTOTYPES,
        "weights and rule (u0*x1*y1 - u0*w*y2); norm and similarity come from the host",
        head=DIRECT,
        novelty=0.8,
    ),
    "class-mean": Way(
        "nearest mean of the trunk's spike counts (baseline)",
        MEANS,
        "the readout; the host computes the means",
        head=DIRECT,
    ),
    "offline": Way(
        "trained offline on all classes with all samples (upper bound)", OFFLINE, "nothing learns"
    ),
}
"""A way of one's own is a row more: `onchip lifelong --ways NAME` knows it too."""
