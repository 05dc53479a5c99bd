"""Networks of Lava's own LIF and Dense, imported: every spike is Lava's over 200 steps."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import Engine
from onchip.deploy import load_spec, save_spec
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.graphs import run
from onchip.lava.imports import from_lava
from onchip.models.torch_graph import TorchGraph
from onchip.neurons.lava_lif import LavaLIF

# isort: split
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF

from onchip.arithmetic.membrane import LOIHI
from onchip.arithmetic.real import REAL

STEPS, INPUTS = 200, 6
FLOATS = {
    "leak": {"du": 0.3, "dv": 0.2, "vth": 1.0},
    "no leak, as by default": {"vth": 4.0},
    "no current": {"du": 1, "dv": 0.4, "vth": 0.8},
    "equal decays and a bias": {"du": 0.5, "dv": 0.5, "vth": 1.0, "bias_mant": 0.1},
}
INTEGERS = {
    "leak": {"du": 1000, "dv": 700, "vth": 700},
    "no leak, as by default": {"vth": 4000},
    "no current": {"du": 4095, "dv": 1500, "vth": 300},
    "a bias": {"du": 2000, "dv": 900, "vth": 500, "bias_mant": 90, "bias_exp": 6},
}


def stock(rng, options, fixed):
    """Two populations, each with synapses from itself, the second also back to the first."""
    sent = rng.random((INPUTS, STEPS)) < 0.3
    sizes = {"one": 9, "two": 7}

    def dense(post, pre, spread):
        weights = rng.normal(0, spread, (post, pre))
        if fixed:
            return Dense(weights=np.rint(150 * weights).astype(int), weight_exp=1)
        return Dense(weights=weights)

    source = Source(data=sent.astype(int))
    one, two = (LIF(shape=(n,), name=name, **options) for name, n in sizes.items())
    wires = (
        (source, one, dense(9, INPUTS, 0.8)),
        (one, one, dense(9, 9, 0.2)),
        (one, two, dense(7, 9, 0.6)),
        (two, one, dense(9, 7, 0.2)),
    )
    for before, after, synapses in wires:
        before.s_out.connect(synapses.s_in)
        synapses.a_out.connect(after.a_in)
    sinks = []
    for neurons in (one, two):
        sink = Sink(shape=neurons.s_out.shape, buffer=STEPS + 1)
        neurons.s_out.connect(sink.a_in)
        sinks.append(sink)
    return sent, two, sinks


def frames_of(sent):
    """What the source sends in Lava's step n is the frame of step n + 1."""
    return np.vstack((np.zeros((1, INPUTS)), sent.T[:-1]))[np.newaxis]


def recorded(spec, frames):
    found = {}
    engine = Engine(spec)
    engine.run(
        frames.astype(engine.dtype), lambda n, s: found.setdefault(n, []).append(s[0].copy())
    )
    return {name: np.array(steps) for name, steps in found.items()}


@pytest.mark.parametrize(
    ("precision", "options"),
    [("floating_pt", case) for case in FLOATS] + [("fixed_pt", case) for case in INTEGERS],
)
def test_every_spike_is_that_of_the_stock_processes(rng, precision, options):
    fixed = precision == "fixed_pt"
    sent, readout, sinks = stock(rng, (INTEGERS if fixed else FLOATS)[options], fixed)
    spec = from_lava(readout, time_steps=STEPS, precision=precision)
    run(readout, RunSteps(STEPS), Loihi2SimCfg(select_tag=precision))
    theirs = [np.array(sink.data.get())[:, :STEPS].T for sink in sinks]
    readout.stop()
    ours = recorded(spec, frames_of(sent))
    for name, spikes in zip(("one", "two"), theirs, strict=True):
        np.testing.assert_array_equal(ours[name], spikes, name)
        assert 0.02 < spikes.mean() < 0.98, (name, spikes.mean())
    with FusedLavaNetwork(spec) as fused:
        outputs = fused.run(frames_of(sent)).outputs[0]
    np.testing.assert_array_equal(outputs, theirs[1])
    if not fixed:
        outputs = TorchGraph(spec).run(frames_of(sent))[0]
        np.testing.assert_array_equal(np.asarray(outputs), theirs[1])


@pytest.mark.parametrize("sign", [1, -1])
def test_odd_weights_of_one_sign_are_held_exactly(rng, sign):
    source = Source(data=(rng.random((3, 50)) < 0.5).astype(int))
    dense = Dense(weights=sign * np.array([[1, 3, 127], [5, 0, 21]]), weight_exp=2)
    neurons = LIF(shape=(2,), vth=100, bias_mant=0 if sign > 0 else 2000, bias_exp=6, name="n")
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(neurons.a_in)
    (connection,) = from_lava(neurons, time_steps=50, precision="fixed_pt").connections
    expected = sign * np.array([[1, 3, 127], [5, 0, 21]]) * 4
    held = connection.transform.weight * 2.0**connection.exponent
    if sign > 0:
        np.testing.assert_array_equal(held, expected)
    else:  # an inhibitory synapse holds what Lava's model truncates
        assert np.abs(held - expected).max() <= 4
    assert (connection.transform.weight % 2 == 0).all()


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("comparison", [">", ">="])
@pytest.mark.parametrize("numbers", [REAL, LOIHI])
def test_reset_and_threshold_follow_hand_worked_trajectories(reset, comparison, numbers):
    neuron = LavaLIF(0.5, 0.0, 128, (), reset, comparison)
    state, found = neuron.start(np.zeros(1, int if numbers is LOIHI else float)), []
    for current in (128, 64, 128, 0):
        spikes, state = neuron.step(np.full(1, current), state, numbers)
        found.append((int(spikes[0]), float(state.u[0])))
    after = {
        (">", "hard"): [(0, 128), (0, 128), (1, 192), (0, 0)],
        (">", "soft"): [(0, 128), (0, 128), (1, 192), (0, 32)],
        (">=", "hard"): [(1, 128), (0, 64), (1, 160), (0, 0)],
        (">=", "soft"): [(1, 128), (0, 64), (1, 160), (0, 16)],
    }
    assert found == after[comparison, reset]


def test_a_file_brings_an_imported_network_back(rng, tmp_path):
    _, readout, _ = stock(rng, FLOATS["equal decays and a bias"], False)
    spec = from_lava(readout, time_steps=5)
    save_spec(tmp_path / "n.h5", spec)
    assert load_spec(tmp_path / "n.h5") == spec


def test_what_is_not_a_network_of_lif_and_dense_is_refused_in_one_line(rng):
    lif = LIF(shape=(2, 2, 3), name="map")
    conv = Conv(weight=np.ones((3, 1, 1, 1)), input_shape=(2, 2, 1), name="conv")
    conv.a_out.connect(lif.a_in)
    two = LIF(shape=(2,), name="two")
    for size in (2, 3):
        source, dense = Source(data=np.ones((size, 4))), Dense(weights=np.ones((2, size)))
        source.s_out.connect(dense.s_in)
        dense.a_out.connect(two.a_in)
    odd = Dense(weights=np.array([[255, 1]]), name="odd")
    one = LIF(shape=(1,), name="one", v=3)
    last = LIF(shape=(1,), name="last")
    Source(data=np.ones((2, 4))).s_out.connect(odd.s_in)
    odd.a_out.connect(last.a_in)
    started = Dense(weights=np.ones((1, 2)))
    Source(data=np.ones((2, 4))).s_out.connect(started.s_in)
    started.a_out.connect(one.a_in)
    cases = [
        (lambda: from_lava(conv, time_steps=4), "process 'conv' is no LIF process"),
        (lambda: from_lava(lif, time_steps=4), "process 'conv' is a Conv; use Dense"),
        (lambda: from_lava(LIF(shape=(1,), name="x"), time_steps=4), "'x' has nothing connected"),
        (lambda: from_lava(two, time_steps=4), "process 'two' is reached from these sources"),
        (lambda: from_lava(one, time_steps=4), "process 'one' starts with v other than 0"),
        (lambda: from_lava(last, time_steps=4, precision="fixed_pt"), "'odd' has odd weights of"),
        (lambda: from_lava(last, time_steps=4, precision="int8"), "precision 'int8' is unknown"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            call()
        assert "\n" not in str(error.value)
