from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip import ALIF, LIF, Connection, DenseSpec, Engine, Network, Population, Surrogate
from onchip.arithmetic.real import REAL
from onchip.deploy.files.hdf5 import load_spec, save_spec
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT
from onchip.network.transforms import Dense


def run(neuron, currents, like=np.asarray):
    state, found = neuron.start(like(np.zeros(1))), []
    for current in currents:
        spikes, state = neuron.step(like(np.full(1, current)), state, REAL)
        found.append((float(state.u[0]), float(state.b[0]), float(spikes[0])))
    return found


# Decays 1/2, strength 1/2 and dyadic currents: every number below is exact in binary.
CURRENTS = [1.0, 1.0, 1.0, 1.0]
BY_HAND = {
    # threshold 1, 1.5, 1.25, 1.125:  1 fires | .5 0 + 1 | .5 1 + 1 fires | .5 .5 + 1, b .25 + 1
    "soft": [(1.0, 0.0, 1), (1.0, 1.0, 0), (1.5, 0.5, 1), (1.25, 1.25, 0)],
    "hard": [(1.0, 0.0, 1), (1.0, 1.0, 0), (1.5, 0.5, 1), (1.0, 1.25, 0)],
}


@pytest.mark.parametrize("reset", BY_HAND)
@pytest.mark.parametrize("like", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_it_follows_the_trajectory_worked_by_hand(reset, like):
    assert run(ALIF(0.5, 0.5, 0.5, reset=reset), CURRENTS, like) == BY_HAND[reset]


def test_without_strength_it_is_a_lif(rng):
    currents, plain, state = rng.normal(0.5, 1, 50), LIF(0.7), None
    state = plain.start(np.zeros(1))
    for current, (u, _, s) in zip(currents, run(ALIF(0.7, strength=0), currents), strict=True):
        spikes, state = plain.step(np.full(1, current), state, REAL)
        assert (u, s) == (float(state.u[0]), float(spikes[0]))


def test_the_surrogate_is_taken_at_the_distance_to_the_raised_threshold():
    neuron = ALIF(0.5, 0.5, 0.5, 2.0, surrogate=Surrogate("triangle"))
    state = neuron.start(np.zeros(1))._replace(u=np.full(1, 2.5), b=np.full(1, 3.0))
    # u - 1.5 is 1 below the threshold 2: half a threshold, of which the triangle keeps a half
    assert neuron.derivative(state, REAL).tolist() == [0.25]


def test_its_spikes_become_rarer_under_a_constant_current():
    spikes = [s for _, _, s in run(ALIF(0.9, 0.99, 0.2), [0.6] * 200)]
    assert sum(spikes[:50]) > 1.5 * sum(spikes[-50:]) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 0}, r"ALIF: decay is 0; it must lie in \(0, 1\]"),
        ({"threshold_decay": 1.5}, r"ALIF: threshold_decay is 1.5; it must lie in \(0, 1\]"),
        ({"strength": -0.1}, "ALIF: strength is -0.1"),
        ({"v_threshold": 0}, "ALIF: v_threshold is 0"),
        ({"reset": "odd"}, "ALIF: reset 'odd' is unknown; choose one of soft, hard"),
    ],
)
def test_constants_out_of_range_are_named_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as found:
        ALIF(**options)
    assert "\n" not in str(found.value)


def test_a_chain_of_layers_refuses_it_by_name():
    with pytest.raises(ValueError, match="layer 'fc' has ALIF neurons; it needs LIF or Leaky"):
        DenseSpec("fc", np.eye(3), ALIF())


def test_a_file_brings_it_back_with_what_it_computes(rng, tmp_path):
    connections = (Connection(INPUT, "out", Dense(rng.normal(0.5, 1, size=(2, 3)))),)
    network = Network((Population("out", (2,), ALIF(0.9, 0.8, 0.4)),), connections, (3,), 9)
    network = with_learning(network, learning_rate=0.1)
    save_spec(tmp_path / "network.h5", network)
    loaded = load_spec(tmp_path / "network.h5")
    assert loaded == network
    frames = (rng.random((2, 9, 3)) < 0.5) * 1.0
    found = [Engine(one).learn(frames, np.array([0, 1])) for one in (network, loaded)]
    assert found[0].any() and np.array_equal(*found)
