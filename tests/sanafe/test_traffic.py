"""Spike traffic in SANA-FE's Loihi 1: the recorded spikes, at their steps, for their prices."""

from __future__ import annotations

import numpy as np
import pytest
from convolution_cases import network as convolutions
from convolution_cases import pairs_of
from graph_cases import recurrent, residual

from onchip import Engine
from onchip.deploy.costs.counting import count
from onchip.deploy.costs.replay import links_of
from onchip.deploy.costs.traffic import traffic_of
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.learning import with_learning, without_learning
from onchip.network.parts import ALWAYS_ON

SYNAPSE, UPDATE, SPIKE, PACKET = 35.5e-12, (51.2 + 21.6) * 1e-12, 69.3e-12, 111e-12
"""Joules in SANA-FE's description of Loihi 1."""


def events(network, rng, samples: int = 2):
    shape = (samples, network.time_steps, *network.input_shape)
    return (rng.random(shape) < 0.4).astype(float)


def sent_after_the_last_step(network, frames) -> float:
    """Synapses that spikes of a sample's last step reach by connections with a delay."""
    found, last = 0, {}
    Engine(network).run(frames, lambda name, output: last.update({name: output.copy()}))
    for c in network.connections:
        if c.delay:
            found += int(last[c.source].sum()) * c.transform.weight.shape[0]
    return found / len(frames)


@pytest.mark.parametrize("graph", [residual, recurrent, convolutions])
@pytest.mark.parametrize("learning", [False, True])
def test_energy_is_the_counted_events_times_their_prices(graph, learning, rng):
    network = graph(rng)
    if learning:
        network = with_learning(network, learning_rate=0.1, feedback="symmetric")
    frames = events(network, rng)
    counted = count(without_learning(network), frames)
    found, total = traffic_of(network, frames, learning), counted.per_sample()
    neurons = sum(p.neurons for p in counted.populations)
    reached = total["synaptic_effective"] + sent_after_the_last_step(network, frames)
    assert found.events == reached
    assert found.spikes == total["spikes"] + frames.sum() / len(frames)
    assert found.synapses == pytest.approx(reached * SYNAPSE, rel=1e-9)
    expected = neurons * found.steps * UPDATE + total["spikes"] * SPIKE
    assert found.neurons == pytest.approx(expected, rel=1e-9)
    assert found.network >= found.packets * PACKET and found.packets <= found.events
    assert found.joules == pytest.approx(found.synapses + found.neurons + found.network)
    assert found.seconds > 0 and found.as_json()["estimate"]


def test_integers_are_replayed_too_and_learning_takes_more_steps(rng):
    network = with_learning(recurrent(rng), learning_rate=0.5, feedback="direct")
    chip, frames = quantize(network, Quantization("sequenced")), events(network, rng)
    frozen, learned = traffic_of(chip, frames, False), traffic_of(chip, frames, True)
    assert learned.steps > frozen.steps and learned.seconds > frozen.seconds
    assert learned.events == frozen.events and learned.neurons > frozen.neurons


def test_synapses_are_those_of_a_loop(rng):
    network = convolutions(rng)
    named = [c for c in network.connections if c.source != ALWAYS_ON]
    for c, link in zip(named, links_of(network), strict=True):
        if c.transform.shares_weights:
            expected = {(post, pre) for post, pre, _ in pairs_of(c.transform)}
        else:
            expected = set(np.ndindex(c.transform.weight.shape))
        pairs = list(zip(link.post.tolist(), link.pre.tolist(), strict=True))
        assert len(pairs) == len(set(pairs)) and set(pairs) == expected


def test_graded_frames_and_networks_beyond_a_chip_are_refused(rng):
    network = convolutions(rng)
    with pytest.raises(ValueError, match="no spikes of Loihi 1"):
        traffic_of(network, 0.5 * events(network, rng), False)
