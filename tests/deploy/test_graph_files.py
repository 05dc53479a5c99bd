"""Networks that are graphs, and parts of one's own, come back from a file as they were."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fixed_networks import conv_integers, dense_integers, float_twin
from graph_networks import (
    convolutional_residual,
    learning_residual,
    residual_network,
    with_other_weight,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from onchip import Engine, Surrogate
from onchip.deploy import Bundle, load_bundle, load_spec, save_bundle, save_spec
from onchip.deploy.files.hdf5_tree import read_tree, write_tree
from onchip.deploy.files.tree import digest
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import TRANSFORMS, Bias, Dense, OneToOne
from onchip.neurons.base import Neuron, NeuronState
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.table import NEURONS
from onchip.objectives.base import Objective
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.table import OBJECTIVES
from onchip.program.chip_network import ChipConnection, ChipNetwork
from onchip.program.graphs import as_graph
from onchip.rules.feedback import GLOBAL
from onchip.rules.presets import RULES, Preset

FEEDBACKS = ("exact", "symmetric", "random", "direct")
OBJECTIVES_DRAWN = (None, Regression(), Reward())


@st.composite
def graphs(draw: st.DrawFn) -> Network:
    """A feedforward path and connections drawn beside it, up, down and in place."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = [f"p{i}/.." for i in range(draw(st.integers(1, 3)))]
    sizes = {INPUT: 4} | {name: int(rng.integers(2, 5)) for name in names} | {"out": 3}
    order = [INPUT, *names, "out"]
    pairs = {(a, b, 0) for a, b in itertools.pairwise(order)}
    for _ in range(draw(st.integers(0, 4))):
        a, b = (draw(st.sampled_from(order[:-1])), draw(st.sampled_from(order[1:])))
        delay = 0 if order.index(a) < order.index(b) else 1
        pairs.add((a, b, delay))
    connections = []
    for a, b, delay in sorted(pairs):
        weight = rng.normal(size=(sizes[b], sizes[a])) * 10.0 ** rng.integers(-12, 1)
        connections.append(Connection(a, b, Dense(weight), delay))
    if draw(st.booleans()):
        connections.append(Connection(ALWAYS_ON, "out", Bias(rng.normal(size=3), (3,))))
    neuron = LIF(draw(st.floats(0.1, 1)), 0.9, "hard", Surrogate("triangle", 1.5))
    readout = draw(st.sampled_from([LeakyIntegrator(0.25), LinearReadout(), neuron]))
    populations = [Population(name, (sizes[name],), neuron) for name in names]
    populations.append(Population("out", (3,), readout))
    network = Network(tuple(populations), tuple(connections), (2, 2), 3, None, {"drawn": True})
    if draw(st.booleans()):
        return network
    return with_learning(
        network,
        learning_rate=draw(st.floats(1e-9, 1)),
        mode=draw(st.sampled_from(["online", "accumulate"])),
        feedback=draw(st.sampled_from(FEEDBACKS)),
        objective=draw(st.sampled_from(OBJECTIVES_DRAWN)),
        rule=draw(st.sampled_from(["ottt", "e-prop"])),
    )


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_a_graph_comes_back_by_value_and_by_output(
    tmp_path_factory: pytest.TempPathFactory, network: Network
) -> None:
    path = tmp_path_factory.mktemp("round") / "network.h5"
    save_spec(path, network)
    loaded = load_spec(path)
    assert loaded == network and type(loaded) is Network
    frames = np.random.default_rng(1).random((2, 3, 2, 2)) < 0.5
    assert np.array_equal(Engine(network).run(frames), Engine(loaded).run(frames))


@pytest.mark.parametrize("make", [residual_network, learning_residual, convolutional_residual])
def test_residual_networks_come_back_and_learn_the_same(make, rng, tmp_path: Path) -> None:
    network = make(rng)
    save_spec(tmp_path / "network.h5", network)
    loaded = load_spec(tmp_path / "network.h5")
    assert loaded == network and loaded != with_other_weight(network, "out.synapses")
    if network.learning is not None:
        frames = (rng.random((2, network.time_steps, *network.input_shape)) < 0.5) * 1.0
        engines = Engine(network), Engine(loaded)
        for engine in engines:
            engine.learn(frames, np.array([0, 2]))
        ours, theirs = (engine.snapshot() for engine in engines)
        assert ours == theirs and ours != network


@pytest.mark.parametrize("make", [conv_integers, dense_integers])
def test_graphs_of_integers_come_back_by_value_and_by_output(make, rng, tmp_path: Path) -> None:
    fixed = make(rng)
    graph = as_graph(fixed)
    bundle = Bundle(as_graph(float_twin(fixed)), graph)
    save_bundle(tmp_path / "network.h5", bundle)
    loaded = load_bundle(tmp_path / "network.h5")
    assert loaded == bundle and type(loaded.fixed) is ChipNetwork
    frames = (rng.random((2, fixed.time_steps, *fixed.input_shape)) < 0.5).astype(np.int64)
    expected, found = Engine(fixed).run(frames), Engine(loaded.fixed).run(frames)
    assert found.dtype == np.int64 and np.array_equal(found, expected)
    biases = [p.bias for p in loaded.fixed.populations if p.bias is not None]
    assert biases and all(b.dtype == np.int64 and not b.flags.writeable for b in biases)


def test_floats_and_integers_must_be_the_same_graph(rng) -> None:
    fixed = as_graph(dense_integers(rng))
    spec = as_graph(float_twin(dense_integers(rng)))
    first = fixed.connections[0]
    taller = Dense(np.zeros((first.transform.output_shape[0], first.transform.inputs)))
    skip = ChipConnection(INPUT, fixed.populations[-1].name, Dense(np.ones((4, 12))), 0)
    assert Bundle(spec, replace(fixed, connections=(replace(first, transform=taller),
        *fixed.connections[1:])))  # fmt: skip
    with pytest.raises(ValueError, match="the connections of the float network"):
        Bundle(spec, replace(fixed, connections=(*fixed.connections, skip)))


# -- parts of one's own ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Adaptation:
    """Constants of a part in a part."""

    strengths: tuple[float, ...]
    steps: tuple[int, int]


@dataclass(frozen=True, eq=False)
class AdaptiveLIF(Neuron):
    """A LIF with constants of every kind that a file holds."""

    decay: float
    gains: np.ndarray
    order: np.ndarray
    adaptation: Adaptation
    label: str = "a/b"
    clamped: bool = False
    count: int = 3
    surrogate: Surrogate | None = None
    named: dict[str, np.ndarray] | None = None

    spiking = True

    def step(self, current: Any, state: NeuronState, numbers: Any) -> tuple[Any, NeuronState]:
        u = numbers.decay(state.u, self.decay) + current * self.gains
        spikes = numbers.fires(u, 1.0)
        return spikes, NeuronState(u * (1 - spikes), spikes)

    def derivative(self, state: NeuronState, numbers: Any) -> float:
        return 1.0


@dataclass(frozen=True, eq=False)
class Scattered(OneToOne):
    """One to one in an order of its own."""

    order: np.ndarray = ()  # type: ignore[assignment]


@dataclass(frozen=True)
class Margin(Objective):
    """The distance from a margin."""

    margin: float = 0.5

    def targets(self, given: Any, samples: int, time_steps: int, outputs: int) -> Any:
        return np.zeros((samples, time_steps, outputs))

    def error(self, output: Any, target: Any, time_steps: int) -> Any:
        return output - self.margin


@contextmanager
def row(table: dict, name: str, kind: object) -> Iterator[None]:
    table[name] = kind
    try:
        yield
    finally:
        del table[name]


def own_parts(named: dict[str, np.ndarray] | None) -> Network:
    neuron = AdaptiveLIF(
        0.5,
        np.array([1.0, 2.0, 3.0]),
        np.array([2, 0, 1]),
        Adaptation((0.1, 1e-9), (3, 4)),
        surrogate=Surrogate("rectangle"),
        named=named,
    )
    network = Network(
        (Population("own", (3,), neuron), Population("out", (3,), LeakyIntegrator())),
        (
            Connection(INPUT, "own", Dense(np.eye(3))),
            Connection("own", "out", Scattered(np.ones(3), np.array([1, 2, 0]))),
        ),
        (3,),
        4,
    )
    return with_learning(network, learning_rate=0.1, rule="own", objective=Margin(0.75))


def test_a_neuron_a_transform_an_objective_and_a_rule_of_ones_own_need_only_their_rows(
    tmp_path: Path,
) -> None:
    named = {"../x": np.array([1.5]), "y": np.array([[2, 3]])}
    with (
        row(NEURONS, "adaptive", AdaptiveLIF),
        row(TRANSFORMS, "scattered", Scattered),
        row(OBJECTIVES, "margin", Margin),
        row(RULES, "own", Preset("filtered", 0.25, feedback=GLOBAL)),
    ):
        network = own_parts(named)
        save_spec(tmp_path / "own.h5", network)
        loaded = load_spec(tmp_path / "own.h5")
        ours, theirs = network.populations[0].neuron, loaded.populations[0].neuron
        assert type(theirs) is AdaptiveLIF and theirs.order.dtype.kind == "i"
        for name in ("gains", "order"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        plain = ("decay", "adaptation", "label", "clamped", "count", "surrogate")
        assert all(getattr(ours, name) == getattr(theirs, name) for name in plain)
        assert theirs.named.keys() == named.keys()
        assert all(np.array_equal(theirs.named[key], named[key]) for key in named)
        assert loaded.connections[1] == network.connections[1]
        assert loaded.learning == network.learning and loaded.learning.feedback == "own"
        assert loaded.connections[0].rule.eligibility_decay == 0.25
    with pytest.raises(ValueError, match="unknown type 'adaptive'; known: lif, leaky_integrator"):
        load_spec(tmp_path / "own.h5")
    with pytest.raises(ValueError, match="AdaptiveLIF has no place in a network file; known: LIF"):
        save_spec(tmp_path / "other.h5", network)
    assert not (tmp_path / "other.h5").exists()


@dataclass(frozen=True)
class Odd(Neuron):
    """A neuron with a field that a file cannot hold."""

    decay: float = 0.5
    odd: Any = None
    spiking = True
    step = derivative = None  # type: ignore[assignment]


def test_fields_that_a_file_cannot_hold_are_named(rng, tmp_path: Path) -> None:
    network = residual_network(rng)
    odd = replace(network.populations[0], neuron=Odd(odd=object()))
    with (
        row(NEURONS, "odd", Odd),
        pytest.raises(ValueError, match="Odd: a file cannot hold its field 'odd' of type"),
    ):
        save_spec(tmp_path / "x.h5", replace(network, populations=(odd, *network.populations[1:])))


# -- what does not fit ----------------------------------------------------------------------------


@pytest.fixture
def path(rng, tmp_path: Path) -> Path:
    save_spec(tmp_path / "network.h5", learning_residual(rng))
    return tmp_path / "network.h5"


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        load_bundle(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("place", "name", "value", "message"),
    [
        ("", "type", np.bytes_("tree"), "unknown type 'tree'; known: chain, graph"),
        ("", "time_steps", 0, "time_steps is 0"),
        ("populations/000", "name", np.bytes_("b2"), "must be distinct"),
        ("populations/000", "shape", np.array([-2, -4]), "shape's smallest side is -4"),
        ("populations/001", "shape", np.array([7]), "'a1' has shape (7,)"),
        ("populations/001/neuron", "decay", True, "expected float"),
        ("populations/001/neuron", "decay", 2.0, "LIF: decay is 2.0"),
        ("populations/001/neuron", "type", np.bytes_("rf"), "known: lif, leaky_integrator"),
        ("populations/001/neuron/surrogate", "name", np.bytes_("step"), "surrogate 'step'"),
        ("connections/000", "source", np.bytes_("up"), "there is no population 'up'"),
        ("connections/000", "delay", 1, "only spikes of populations can be delayed"),
        ("connections/008", "delay", 0, "cycle without delay"),
        ("connections/008", "delay", 1.0, "expected int"),
        ("connections/000/rule", "learning_rate", -1.0, "learning_rate is -1.0"),
        ("connections/000/transform", "type", np.bytes_("sparse"), "known: dense, one_to_one"),
        ("connections/009/transform", "shape", np.array([2.0, 4.0]), "unexpected type float64"),
        ("learning", "mode", np.bytes_("batch"), "'batch' is unknown"),
        ("learning/objective", "mse_weight", 1.5, "mse_weight is 1.5"),
        ("learning/routes/000", "target", np.bytes_("out"), "not the readout"),
        ("learning/routes/000", "is_error", 1, "expected bool"),
    ],
)
def test_what_does_not_fit_is_named(path: Path, place, name, value, message) -> None:
    with h5py.File(path, "r+") as file:
        (file[place] if place else file).attrs[name] = value
    assert message in refusal(path)


def test_what_is_missing_is_named(path: Path) -> None:
    for gone, message in (
        ("learning/objective", "group 'objective' is missing in '/learning'"),
        ("connections/003/transform/weight", "dataset 'weight' is missing in '/connections/003/tr"),
        ("connections/003", "group '003' is missing in '/connections'"),
        ("populations", "group 'populations' is missing in '/'"),
    ):
        with h5py.File(path, "r+") as file:
            del file[gone]
        assert message in refusal(path)


def test_integers_in_the_place_of_floats_are_not_taken(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["connections/001/transform/weight"]
        file["connections/001/transform/weight"] = np.ones((8, 8), np.int32)
    assert "'/connections/001/transform' has type int32; it must be float64" in refusal(path)


@pytest.mark.parametrize(
    "where",
    ["populations/000", "populations/001/neuron", "connections/002", "connections/002/transform",
     "connections/002/rule", "learning", "learning/routes/001", "learning/objective"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["attribute", "array", "group"])
def test_what_nothing_reads_is_refused_even_where_the_checksum_is_right(
    path: Path, where: str, kind: str
) -> None:
    root = read_tree(path)
    node = root
    for name in where.split("/"):
        node = node.child(name)
    if kind == "attribute":
        node.attributes["extra"] = 1
    elif kind == "array":
        node.arrays["extra"] = np.zeros(2)
    else:
        node.add("extra").attributes["x"] = 2.5
    root.attributes["checksum"] = digest(root, leave_out=("checksum",))
    write_tree(path, root)
    assert f"'/{where}/extra' is unknown here; export the network again" in refusal(path)


def test_damaged_bytes_give_the_same_network_or_one_line(path: Path) -> None:
    data, network, rng = path.read_bytes(), load_spec(path), np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        start = int(rng.integers(len(data)))
        damaged[start : start + int(rng.integers(1, 40))] = rng.bytes(int(rng.integers(1, 40)))
        path.write_bytes(damaged)
        try:
            assert load_spec(path) == network
        except ValueError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 250
