"""The integer rule of prototypes is the one that Lava's stock `LearningDense` computes."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from onchip.lava.runtime.supervisor import (
    Supervisor,  # settles Lava's start method, so it comes first
)

# isort: split
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import LearningDense
from lava.proc.io.source import RingBuffer

from onchip.deploy.lifelong.integer_prototypes import IntegerPrototypes, calibrate
from onchip.deploy.lifelong.prototypes import base_prototypes
from onchip.lava.rules import learning_rule

STEPS, FEATURES, LIMIT, SAMPLES = 4, 10, 5, 30


def test_every_sample_changes_the_weights_as_stock_lava_does():
    rng = np.random.default_rng(2)
    centres = rng.random((4, FEATURES)) ** 2
    labels = np.concatenate([np.repeat([0, 1], 10), rng.integers(0, 4, SAMPLES)])
    spikes = (rng.random((len(labels), STEPS, FEATURES)) < centres[labels][:, None]).astype(int)
    spikes[:, 0, 0] = 1  # no sample without a spike
    base, counts = slice(0, 20), spikes.sum(axis=1)
    weights = base_prototypes(counts[base], labels[base], [0, 1])
    scales = calibrate(weights, counts[base], STEPS, seed=3)
    head = IntegerPrototypes(weights, [0, 1], [20, 20], scales, limit=LIMIT)
    first, sent = _all_weights(head), _factors_sent(head)
    ours = []
    for sample, label in zip(spikes[20:], labels[20:], strict=True):
        head.learn(sample, int(label))
        ours.append(_all_weights(head))
    lavas = _in_lava(first, spikes[20:], np.array(sent), scales.plasticity)
    for index, (our, lava) in enumerate(zip(ours, lavas, strict=True)):
        np.testing.assert_array_equal(our, lava, f"after sample {index}")
    assert len(np.unique([w.tobytes() for w in ours])) > SAMPLES / 2
    assert len(head.labels) == 4


def _all_weights(head: IntegerPrototypes) -> np.ndarray:
    return head._state.weights.copy()


def _factors_sent(head: IntegerPrototypes) -> list:
    """What the host sends for each sample, filled while the head learns."""
    sent, factors = [], head.factors

    def noted(*given):
        sent.append(factors(*given))
        return sent[-1]

    head.factors = noted
    return sent


def _in_lava(weights, spikes, factors, plasticity):
    """The weights after each sample; the trace is cleared between samples, as on deployment."""
    dense = LearningDense(weights=weights, learning_rule=learning_rule(plasticity))
    sent = np.zeros((len(spikes) * (STEPS + 1), 3, LIMIT), int)
    sent[STEPS :: STEPS + 1] = factors
    shown = np.concatenate([spikes, np.zeros_like(spikes[:, :1])], axis=1)
    inputs = [shown.reshape(-1, FEATURES).T, *sent.transpose(1, 2, 0)]
    ports = [dense.s_in, dense.s_in_y1, dense.s_in_y2, dense.s_in_y3]
    for data, port in zip(inputs, ports, strict=True):
        RingBuffer(data=data).s_out.connect(port)
    found = []
    with closing(Supervisor(dense, Loihi2SimCfg(select_tag="fixed_pt"))) as supervisor:
        supervisor.start()
        for _ in spikes:
            supervisor.run(STEPS + 1)
            dense.x1.set(np.zeros(FEATURES, int))
            found.append(np.array(dense.weights.get()))
    return found
