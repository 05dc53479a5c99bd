from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip import (
    Connection,
    CuBa,
    DenseSpec,
    Engine,
    LeakyIntegrator,
    Network,
    Population,
    with_learning,
)
from onchip.arithmetic.real import REAL
from onchip.deploy.files.hdf5 import load_spec, save_spec
from onchip.network.parts import INPUT
from onchip.network.transforms import Dense


def run(neuron, currents, like=np.asarray):
    state, found = neuron.start(like(np.zeros(1))), []
    for current in currents:
        spikes, state = neuron.step(like(np.full(1, current)), state, REAL)
        found.append((float(state.i[0]), float(state.u[0]), float(spikes[0])))
    return found


# Decays 1/2 and 1/4 and dyadic currents: every number below is exact in binary.
CURRENTS = [0.75, 0.5, 0.0, 1.0]
BY_HAND = {
    # i .75 .6875 .171875 1.04296875;  u .75, .375+.6875 fires, .5(.0625)+.171875
    "soft": [
        (0.75, 0.75, 0),
        (0.6875, 1.0625, 1),
        (0.171875, 0.203125, 0),
        (1.04296875, 1.14453125, 1),
    ],
    "hard": [
        (0.75, 0.75, 0),
        (0.6875, 1.0625, 1),
        (0.171875, 0.171875, 0),
        (1.04296875, 1.12890625, 1),
    ],
}


@pytest.mark.parametrize("reset", BY_HAND)
@pytest.mark.parametrize("like", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_it_follows_the_trajectory_worked_by_hand(reset, like):
    assert run(CuBa(0.5, 0.25, reset=reset), CURRENTS, like) == BY_HAND[reset]


@pytest.mark.parametrize(("slow", "fast"), [(0.8, 0.5), (0.5, 0.9), (1.0, 0.3), (0.6, 1.0)])
def test_its_traces_are_the_response_of_its_membrane_to_one_spike(slow, fast):
    silent = CuBa(slow, fast, v_threshold=1e9)
    response = [u for _, u, _ in run(silent, [1.0, *[0.0] * 30])]
    traces = [sum(amplitude * decay**k for amplitude, decay in silent.traces) for k in range(31)]
    np.testing.assert_allclose(traces, response, rtol=1e-12)


def test_the_double_exponential_is_exact_down_to_the_smallest_difference_of_the_decays():
    near = CuBa(0.8, 0.8 - 1.01e-6, v_threshold=1e9)
    response = [u for _, u, _ in run(near, [1.0, *[0.0] * 30])]
    traces = [sum(amplitude * decay**k for amplitude, decay in near.traces) for k in range(31)]
    np.testing.assert_allclose(traces, response, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 0}, r"CuBa: decay is 0; it must lie in \(0, 1\]"),
        ({"current_decay": 1.5}, r"CuBa: current_decay is 1.5; it must lie in \(0, 1\]"),
        ({"v_threshold": -1}, "CuBa: v_threshold is -1"),
        ({"reset": "odd"}, "CuBa: reset 'odd' is unknown; choose one of soft, hard"),
        ({"decay": 0.5}, r"current_decay 0\.5 is decay 0\.5 or nearly, .* two exponentials"),
        ({"decay": 0.5 + 1e-9}, "let them differ by at least 1e-06"),
    ],
)
def test_constants_out_of_range_are_named_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as found:
        CuBa(**options)
    assert "\n" not in str(found.value)


def test_a_chain_of_layers_refuses_it_by_name():
    with pytest.raises(ValueError, match="layer 'fc' has CuBa neurons; it needs LIF or Leaky"):
        DenseSpec("fc", np.eye(3), CuBa())


def test_a_file_brings_it_back_with_what_it_computes(rng, tmp_path):
    network = Network(
        (
            Population("one", (4,), CuBa(0.9, 0.3, 0.8, "hard")),
            Population("out", (2,), LeakyIntegrator()),
        ),
        (
            Connection(INPUT, "one", Dense(rng.normal(size=(4, 3)))),
            Connection("one", "out", Dense(rng.normal(size=(2, 4)))),
        ),
        (3,),
        9,
    )
    network = with_learning(network, learning_rate=0.1, rule="e-prop")
    save_spec(tmp_path / "network.h5", network)
    loaded = load_spec(tmp_path / "network.h5")
    assert loaded == network
    frames = (rng.random((2, 9, 3)) < 0.5) * 1.0
    found = [Engine(one).learn(frames, np.array([0, 1])) for one in (network, loaded)]
    assert found[0].any() and np.array_equal(*found)


def test_an_engine_goes_on_from_a_saved_current(rng):
    connections = (Connection(INPUT, "out", Dense(rng.normal(size=(2, 3)))),)
    network = Network((Population("out", (2,), CuBa()),), connections, (3,), 4)
    frames = rng.random((1, 8, 3))
    whole, halves = Engine(network), Engine(network)
    whole.reset(1)
    expected = [whole.step(frames[:, n], None) for n in range(8)]
    halves.reset(1)
    found = [halves.step(frames[:, n], None) for n in range(4)]
    later = Engine(network)
    later.restore(halves.state())
    found += [later.step(frames[:, n], None) for n in range(4, 8)]
    assert np.array(expected).any() and np.array_equal(found, expected)
