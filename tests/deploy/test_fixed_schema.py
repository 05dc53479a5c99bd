"""Integer networks come back from a file by value, by output and by what they learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from fixed_networks import conv_integers, dense_integers, float_twin
from hypothesis import given, settings
from hypothesis import strategies as st
from integer_neurons import integer_integrator, integer_lif, integer_linear

from onchip import NetworkSpec
from onchip.arithmetic.integer_softmax import FixedError, make_error
from onchip.deploy.files.codec import network_to_tree, tree_to_fixed
from onchip.deploy.files.hdf5 import Bundle, load_bundle, load_spec, save_bundle, save_spec
from onchip.deploy.files.tables import OF_BASES, OF_UNIONS
from onchip.engine.engine import Engine
from onchip.network.learning import with_learning
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec, FixedPlasticity
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec, FixedNetworkSpec
from onchip.program.rates import FixedRate

decays = st.integers(1024, 4095)
errors = st.builds(
    FixedError,
    st.integers(0, 2**32),
    st.integers(0, 62),
    st.integers(0, 2**16),
    st.integers(0, 2**37),
    st.integers(0, 2**24),
) | st.floats(2.0**-20, 1).map(lambda unit: make_error(unit, 0.1, 3))
rates = st.builds(
    FixedRate,
    st.integers(1, 7),
    st.integers(-7, 8),
    st.integers(1, 127),
    st.integers(0, 6),
    st.floats(0, 10),
    st.floats(0, 10),
)
units = st.floats(1e-9, 10)
plasticities = st.none() | st.builds(FixedPlasticity, st.integers(1, 31), rates)


@st.composite
def lifs(draw: st.DrawFn) -> LIF:
    reset = draw(st.sampled_from(["soft", "hard"]))
    return integer_lif(draw(decays), draw(st.integers(1, 4000)), reset, Surrogate("triangle", 1.5))


def integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-256, 256, shape)


@st.composite
def denses(
    draw: st.DrawFn, name: str, post: int, pre: int, neuron: Neuron, recurrent: bool
) -> FixedDenseSpec:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    plasticity = draw(plasticities)
    bias = rng.integers(-4096, 4096, post) << rng.integers(0, 8, post)
    with_bias, with_weight = draw(st.booleans()), draw(st.booleans())
    return FixedDenseSpec(
        name,
        integers(rng, post, pre),
        neuron,
        draw(units),
        draw(st.integers(-8, 7)),
        bias if with_bias else None,
        integers(rng, post) if with_weight and plasticity is not None else None,
        integers(rng, post, post) if recurrent and draw(st.booleans()) else None,
        plasticity,
    )


@st.composite
def sections(draw: st.DrawFn, layers: tuple[FixedDenseSpec, ...]) -> FixedLearningSpec:
    """A learning section with direct or exact feedback for the plastic ones of `layers`."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    feedback = draw(st.sampled_from(["exact", "direct"]))
    factors = {}
    for layer in layers:
        needs = feedback == "direct" and layer is not layers[-1]
        matrix = integers(rng, layer.output_shape[0], 3) if needs else None
        factors[layer.name] = FixedFactor(draw(st.integers(0, 40)), draw(units), matrix)
    return FixedLearningSpec(
        draw(st.sampled_from(["online", "accumulate"])),
        feedback,
        draw(st.sampled_from(["sequenced", "pipelined"])),
        draw(errors),
        factors,
        draw(st.integers(0, 2**31)),
    )


@st.composite
def networks(draw: st.DrawFn) -> FixedNetworkSpec:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers: tuple[FixedConvSpec | FixedDenseSpec, ...] = ()
    shape: tuple[int, ...] = (2, 5, 4)
    if draw(st.booleans()):
        stride = draw(st.sampled_from([(1, 1), (2, 1)]))
        kernels, neuron = integers(rng, 3, 2, 3, 2), replace(draw(lifs()), surrogate=None)
        conv = FixedConvSpec("a/b", kernels, neuron, 0.5, (2, 5, 4), -2, None, stride, (1, 0))
        layers, shape = (conv,), conv.output_shape
    size = int(np.prod(shape))
    hidden = draw(denses("..", 4, size, draw(lifs()), True))
    ends = st.builds(integer_integrator, decays) | st.builds(integer_linear, decays) | lifs()
    layers = (*layers, hidden, draw(denses("ü out", 3, 4, draw(ends), False)))
    plastic = [i for i, layer in enumerate(layers) if layer.plastic]
    learning = draw(sections(layers[plastic[0] :])) if plastic else None
    metadata = {"split": "test", "seed": draw(st.integers(0, 2**40))}
    return FixedNetworkSpec(layers, (2, 5, 4), 3, learning, metadata)


@given(networks(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_integers_come_back_by_value_by_output_and_by_what_they_learn(
    tmp_path_factory: pytest.TempPathFactory, fixed: FixedNetworkSpec, seed: int
) -> None:
    path = tmp_path_factory.mktemp("round") / "network.h5"
    bundle = Bundle(float_twin(fixed), fixed)
    save_bundle(path, bundle)
    loaded = load_bundle(path)
    assert loaded == bundle and loaded.fixed is not None
    if fixed.learning is not None and fixed.learning.schedule == "pipelined":
        return  # not every drawn rate can be corrected on that schedule
    frames = (np.random.default_rng(seed).random((2, 3, 2, 5, 4)) < 0.5).astype(np.int64)
    ours, theirs = Engine(fixed), Engine(loaded.fixed)
    assert np.array_equal(ours.run(frames), theirs.run(frames))
    if fixed.learning is not None:
        labels = np.array([0, 2])
        assert np.array_equal(ours.learn(frames, labels), theirs.learn(frames, labels))
        assert ours.snapshot() == theirs.snapshot()


def test_every_type_of_layer_and_neuron_has_a_row() -> None:
    rows = OF_UNIONS[frozenset((FixedDenseSpec, FixedConvSpec))]
    assert set(rows.values()) == {FixedDenseSpec, FixedConvSpec}
    ours = {kind for kind in _kinds(Neuron) if kind.__module__.startswith("onchip.neurons")}
    public = {kind for kind in ours if not kind.__name__.startswith("_")}
    assert set(OF_BASES[Neuron].values()) == public >= {LIF, LeakyIntegrator, LinearReadout}


def _kinds(base: type) -> set[type]:
    return {base, *(k for kind in base.__subclasses__() for k in _kinds(kind))} - {Neuron}


def test_arrays_are_int64_and_read_only_again(rng: np.random.Generator) -> None:
    root = network_to_tree(conv_integers(rng))
    assert root.child("layers").child("000").arrays["weight"].dtype == np.dtype("<i4")
    weight = tree_to_fixed(root).layers[0].weight
    assert weight.dtype == np.int64 and not weight.flags.writeable


@pytest.fixture
def saved(rng: np.random.Generator, tmp_path: Path) -> Path:
    fixed = dense_integers(rng)
    save_bundle(tmp_path / "network.h5", Bundle(float_twin(fixed), fixed))
    return tmp_path / "network.h5"


def test_the_float_network_of_a_file_with_integers_loads_alone(
    saved: Path, rng: np.random.Generator, dense: NetworkSpec, tmp_path: Path
) -> None:
    bundle = load_bundle(saved)
    assert load_spec(saved) == bundle.spec
    save_spec(tmp_path / "float.h5", dense)
    assert load_bundle(tmp_path / "float.h5") == Bundle(dense, None)


def test_both_must_be_the_same_network(rng: np.random.Generator, dense: NetworkSpec) -> None:
    fixed = dense_integers(rng)
    spec = float_twin(fixed)
    with pytest.raises(ValueError, match="time steps of the float network, 6, differ from its"):
        Bundle(spec, replace(fixed, time_steps=7))
    with pytest.raises(ValueError, match=r"input shape .*\(2, 2, 3\).*\(12,\)"):
        Bundle(spec, replace(fixed, input_shape=(12,)))
    renamed = replace(fixed.layers[0], name="other")
    with pytest.raises(ValueError, match=r"layers of the float network.*'hidden'.*'other'"):
        Bundle(spec, replace(fixed, layers=(renamed, fixed.layers[1])))
    with pytest.raises(ValueError, match="layers of the float network"):
        Bundle(replace(spec, layers=(replace(spec.layers[0], bias=None), spec.layers[1])), fixed)
    learns = with_learning(spec, learning_rate=0.1)
    with pytest.raises(ValueError, match=r"plastic layers .*'hidden', 'readout'.*\(\)"):
        Bundle(learns, fixed)


@pytest.mark.parametrize(
    ("place", "name", "value", "message"),
    [
        ("layers/000", "weight_exponent", 9, "weight exponent is 9"),
        ("layers/000/neuron", "decay", np.bytes_("half"), "expected float"),
        ("layers/001", "type", np.bytes_("pool"), "known: dense, conv"),
        (
            "layers/001/neuron",
            "type",
            np.bytes_("rf"),
            "known: lif, leaky_integrator, linear_readout",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    saved: Path, place: str, name: str, value: object, message: str
) -> None:
    with h5py.File(saved, "r+") as file:
        file[f"fixed/{place}"].attrs[name] = value
    with pytest.raises(ValueError, match=message):
        load_bundle(saved)


def test_integers_and_floats_are_not_confused(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        del file["fixed/layers/000/weight"]
        file["fixed/layers/000/weight"] = np.zeros((9, 12))
    with pytest.raises(ValueError, match="'weight' in '/fixed/layers/000' has type float64"):
        load_bundle(saved)
