"""Prototypes that learn in a running Lava network do what the host's do, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from prototype_cases import STEPS, TAGS, prototype_case, same_state

from onchip.lava.prototypes import PrototypeNetwork
from onchip.lava.run_config import FastSimCfg


def on_the_host(head, samples):
    """(prediction, prototype that learned, state) of each sample."""
    head, found = head.copy(), []
    for frames, label in samples:
        predicted, learned = int(head.predict(frames.sum(axis=0)[np.newaxis])[0]), -1
        if label is None:
            head.idle()
        else:
            learned = head.learn(frames, label)
        found.append((predicted, learned, head.state()))
    return found


@pytest.mark.parametrize("fast", [False, True], ids=["stock", "fast"])
@pytest.mark.parametrize("precision", TAGS)
def test_winner_learner_new_neuron_and_weights_are_the_hosts_after_each_sample(precision, fast):
    head, samples = prototype_case(precision)
    expected = on_the_host(head, samples)
    config = FastSimCfg(TAGS[precision]) if fast else None
    with PrototypeNetwork(head, STEPS, run_config=config) as network:
        for sample, (predicted, learned, state) in zip(samples, expected, strict=True):
            answer = network.outcomes([sample], 1)
            assert (answer.predictions[0], answer.learned[0]) == (predicted, learned)
            same_state(state, network.state(), precision)
    labels = expected[-1][2]["labels"]
    assert (np.bincount(labels[labels >= 0], minlength=4) >= 1).all()
    assert (labels >= 0).sum() > 4  # a class has two neurons, by novelty
    assert len({s["weights"].tobytes() for _, _, s in expected}) > len(samples) / 2


@pytest.mark.parametrize("precision", TAGS)
def test_many_samples_stream_through_one_run_as_one_by_one(precision):
    head, samples = prototype_case(precision)
    expected = on_the_host(head, samples)
    with PrototypeNetwork(head, STEPS) as network:
        found = network.outcomes(samples, len(samples))
        same_state(expected[-1][2], network.state(), precision)
        learned = network.snapshot()
    assert found.predictions.tolist() == [predicted for predicted, _, _ in expected]
    assert found.learned.tolist() == [index for _, index, _ in expected]
    similar = head.similarities(samples[0][0].sum(axis=0)[np.newaxis])[0]
    np.testing.assert_allclose(found.similarities[0, : len(similar)], similar, rtol=1e-12)
    same_state(learned.state(), expected[-1][2], precision)
    with pytest.raises(RuntimeError):
        network.state()


def test_integers_and_their_random_numbers_go_on_where_the_host_is():
    head, samples = prototype_case("integers")
    host = head.copy()
    for frames, label in samples[:30]:
        host.idle() if label is None else host.learn(frames, label)
    assert (host.weights & 1).any()  # odd ones, whose lowest bit a new network would drop
    expected = on_the_host(host, samples[30:])
    with PrototypeNetwork(host, STEPS) as network:
        found = network.outcomes(samples[30:], len(samples) - 30)
        same_state(expected[-1][2], network.state(), "integers")
    assert found.learned.tolist() == [index for _, index, _ in expected]
