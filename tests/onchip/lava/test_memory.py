"""Whole Vars in and out of running processes, beside Lava's element-wise get and set."""

from __future__ import annotations

import numpy as np
import pytest
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.lif.process import LIF as StockLIF
from parity_cases import dense, random_events, two_hidden_layers

from onchip import LIF, Engine, NetworkSpec
from onchip.deploy.quantization.network import quantize
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.lava.runtime.memory import read_var, write_var
from onchip.lava.runtime.supervisor import Supervisor
from onchip.network.learning import with_learning

INPUTS = (2, 5, 5)


@pytest.fixture
def spec(rng):
    spec = two_hidden_layers(rng, INPUTS, recurrent=True)
    return with_learning(spec, learning_rate=0.3, feedback="symmetric", mode="accumulate")


@pytest.fixture(params=["float", "integers"])
def network(request, spec):
    with LavaNetwork(spec if request.param == "float" else quantize(spec)) as network:
        yield network


def variables(network: LavaNetwork) -> dict[str, object]:
    parts = [(la.neurons, la.synapses, la.recurrent) for la in network.layers]
    processes = [process for layer in parts for process in layer if process is not None]
    return {f"{process.name}.{var.name}": var for process in processes for var in process.vars}


def test_what_is_read_at_once_is_what_lava_reads_element_by_element(rng, network):
    network.learn(*random_events(rng, 2, INPUTS))
    state, all_variables = network.state(), variables(network)
    assert state.pop("samples", 2) == 2  # of integers, for their random numbers
    assert {name.rpartition(".")[2] for name in state} == {"u", "weights", "tag_1", "x1"}
    for name, values in state.items():
        assert np.array_equal(values, all_variables[name].get()), name
    assert all(state[f"{layer.population.name}.u"].any() for layer in network.layers)


def test_what_is_written_at_once_lava_reads_element_by_element(rng, network):
    weights = network.layers[0].synapses.weights
    values = rng.integers(-100, 100, weights.shape)
    write_var(weights, values)
    assert np.array_equal(weights.get(), values)
    assert read_var(weights).dtype == (np.int32 if network.dtype is np.int32 else np.float64)


def test_lavas_own_set_still_works(rng, network):
    weights = network.layers[-1].synapses.weights
    values = rng.integers(-100, 100, weights.shape).astype(float)
    weights.set(values)
    assert np.array_equal(read_var(weights), values)


@pytest.mark.parametrize("feedback", ["symmetric", "exact"])
def test_a_restored_network_learns_as_one_that_was_in_that_state(rng, spec, feedback):
    spec = with_learning(spec, learning_rate=0.3, feedback=feedback, mode="accumulate")
    frames, labels = random_events(rng, 6, INPUTS)
    with LavaNetwork(spec) as network:
        network.learn(frames[:2], labels[:2])
        state = network.state()
        first = network.learn(frames[2:4], labels[2:4]).outputs
        network.learn(frames[4:], labels[4:])
        network.restore(state)
        for name, values in network.state().items():
            assert np.array_equal(values, state[name])
        assert np.array_equal(network.learn(frames[2:4], labels[2:4]).outputs, first)
    with LavaNetwork(spec) as another:
        another.restore(state)
        assert np.array_equal(another.learn(frames[2:4], labels[2:4]).outputs, first)


@pytest.mark.parametrize("config", [None, FastSimCfg("fixed_pt")], ids=["stock", "fast"])
@pytest.mark.parametrize("decay", [0.5, 0.7])
def test_restoring_integers_leaves_their_rule_alone(rng, config, decay):
    """Lava reads the time constant of x1 again, out of an integer Var, when a Var is set."""
    layers = (dense(rng, "fc1", 12, 50, LIF(decay)), dense(rng, "readout", 10, 12, LIF(decay)))
    spec = with_learning(NetworkSpec(layers, INPUTS, 10), learning_rate=0.3, feedback="symmetric")
    fixed = quantize(spec)
    frames, labels = random_events(rng, 4, INPUTS)
    engine = Engine(fixed)
    with LavaNetwork(fixed, run_config=config) as network:
        for part in (slice(0, 2), slice(2, 4)):
            expected = engine.learn(frames[part], labels[part])
            assert np.array_equal(network.learn(frames[part], labels[part]).outputs, expected)
            network.restore(network.state())
        assert network.snapshot() == engine.snapshot() != fixed


def test_integers_are_not_restored_before_the_first_step(spec):
    with LavaNetwork(quantize(spec)) as network:
        with pytest.raises(ValueError, match="run a sample before"):
            network.restore(network.state())


def test_a_state_that_does_not_fit_changes_nothing(rng, network):
    network.run(random_events(rng, 1, INPUTS)[0])
    state = network.state()
    odd = {**state, "fc1.u": state["fc1.u"][:-1]}
    with pytest.raises(ValueError, match=r"'fc1.u' has shape \(23,\); it needs \(24,\)"):
        network.restore(odd)
    with pytest.raises(ValueError, match=r"fc1\.u is missing or not of this network"):
        network.restore({k: v for k, v in state.items() if k != "fc1.u"})
    with pytest.raises(ValueError, match="no finite number"):
        network.restore({**state, "fc1.u": np.full(24, np.nan)})
    if network.dtype is np.int32:
        with pytest.raises(ValueError, match="holds fractions; this network is in integers"):
            network.restore({**state, "fc1.u": np.full(24, 0.5)})
    assert all(np.array_equal(values, state[name]) for name, values in network.state().items())


def test_a_closed_network_has_no_state(spec):
    with LavaNetwork(spec) as network:
        weights = network.layers[0].synapses.weights
        with pytest.raises(ValueError, match=r"fc1.synapses.weights: values of shape \(2,\)"):
            write_var(weights, np.zeros(2))
    for use in (network.state, lambda: network.restore({}), lambda: read_var(weights)):
        with pytest.raises(RuntimeError, match=r"closed|not running"):
            use()


def test_the_snapshot_is_the_engines(rng, spec):
    frames, labels = random_events(rng, 3, INPUTS)
    engine = Engine(spec)
    with LavaNetwork(spec) as network:
        for i in range(3):
            engine.learn(frames[i : i + 1], labels[i : i + 1])
        network.learn(frames, labels)
        for ours, theirs in zip(network.snapshot().layers, engine.snapshot().layers, strict=True):
            np.testing.assert_allclose(ours.weight, theirs.weight, rtol=1e-9, atol=1e-12)


def test_numbers_of_stock_models_go_through_too():
    """Stock models hold some Vars as plain numbers; those that Lava set it cannot read again."""
    neurons = StockLIF(shape=(3,), du=4095, dv=7, vth=10, bias_mant=3)
    supervisor = Supervisor(neurons, Loihi2SimCfg(select_tag="fixed_pt"))
    supervisor.start()
    try:
        supervisor.run(1)
        assert read_var(neurons.bias_mant).tolist() == [3, 3, 3]
        assert read_var(neurons.du).item() == 4095 and read_var(neurons.dv).item() == 7
        write_var(neurons.dv, np.array([9]))
        assert read_var(neurons.dv).item() == 9
    finally:
        supervisor.close()


def test_state_is_refused_while_a_stream_runs(rng, spec):
    frames, _ = random_events(rng, 2, INPUTS)
    with LavaNetwork(spec) as network:
        samples = ((frame, None) for frame in frames)
        with pytest.raises(RuntimeError, match="ask between two runs or streams"):
            network.stream(samples, 2, lambda: network.state())


def test_integer_weights_beyond_their_range_are_refused(rng, spec):
    with LavaNetwork(quantize(spec)) as network:
        network.run(random_events(rng, 1, INPUTS)[0])
        state = network.state()
        for value, message in ((5000, r"beyond -256\.\.255"), (2**32 + 6, "more than 32 bits")):
            odd = np.full(state["fc1.synapses.weights"].shape, value)
            with pytest.raises(ValueError, match=message):
                network.restore({**state, "fc1.synapses.weights": odd})
