"""Network files of earlier releases are read, run and learn as they did when they were written.

`written_before/network.h5` (schema version 2) and what its two networks, floats and integers,
computed then are from the release whose integer neurons were types of their own.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from onchip import Engine
from onchip.deploy import load_bundle, quantize, save_bundle
from onchip.deploy.backends.table import build
from onchip.deploy.files.codec import VERSION
from onchip.deploy.files.hdf5_tree import read_tree, write_tree
from onchip.deploy.files.tree import digest

FOLDER = Path(__file__).parent / "written_before"


@pytest.fixture
def bundle():
    return load_bundle(FOLDER / "network.h5")


@pytest.fixture
def expected() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "expected.npz", allow_pickle=False) as found:
        return dict(found)


def learned_arrays(network, prefix: str) -> dict[str, np.ndarray]:
    found = {}
    for layer in network.layers[1:]:
        found[f"{prefix}{layer.name}.weight"] = layer.weight
        if layer.recurrent_weight is not None:
            found[f"{prefix}{layer.name}.recurrent_weight"] = layer.recurrent_weight
    return found


def test_floats_run_and_learn_as_they_did(bundle, expected):
    engine = Engine(bundle.spec)
    outputs = engine.run(expected["frames"])
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-12, atol=1e-13)
    for frames, label in zip(expected["frames"], expected["labels"], strict=True):
        engine.learn(frames[np.newaxis], np.array([label]))
    for name, array in learned_arrays(engine.snapshot(), "").items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_integers_run_and_learn_as_they_did_bit_for_bit(bundle, expected):
    engine = Engine(bundle.fixed)
    np.testing.assert_array_equal(engine.run(expected["frames"]), expected["integer_outputs"])
    engine = Engine(bundle.fixed)
    engine.learn(expected["frames"], expected["labels"])
    learned = learned_arrays(engine.snapshot(), "integer_")
    assert any((array % 2).any() for array in learned.values())  # learning uses the lowest bit
    for name, array in learned.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_the_integers_in_the_file_are_those_that_quantizing_gives_now(bundle):
    assert quantize(bundle.spec) == bundle.fixed


@pytest.mark.parametrize("backend", ["lava-fast", "lava-fused"])
def test_the_integers_learn_in_lava_as_they_did(bundle, expected, backend):
    with build(bundle.fixed, backend) as network:
        network.learn(expected["frames"], expected["labels"])
        learned = learned_arrays(network.snapshot(), "integer_")
    for name, array in learned.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def damaged(tmp_path: Path, place: str, name: str, value: object) -> Path:
    path = tmp_path / "network.h5"
    path.write_bytes((FOLDER / "network.h5").read_bytes())
    with h5py.File(path, "r+", libver=("v108", "v108")) as file:
        (file[place] if place else file).attrs[name] = value
    return path


@pytest.mark.parametrize(
    ("place", "name", "value", "message"),
    [
        ("layers/000", "type", np.bytes_("pool"), "known: dense, conv"),
        ("layers/000", "stride", np.array([1, 1, 1]), "expected 2 values"),
        ("layers/001/neuron", "type", np.bytes_("rf"), "known: lif, leaky_integrator, linear_re"),
        ("layers/001/neuron", "v_threshold", 1, "expected float"),
        ("learning/feedback_matrices/000", "layer", np.bytes_("out"), "'out'"),
        ("fixed/layers/000", "weight_exponent", 9, "weight exponent is 9"),
        ("fixed/layers/000/neuron", "decay", 0.5, "expected int"),
        ("fixed/layers/001", "type", np.bytes_("pool"), "known: dense, conv"),
        ("fixed/layers/001/neuron", "type", np.bytes_("rf"), "known: lif, integrator, linear"),
        ("fixed/learning/factors/001", "layer", np.bytes_("readout"), "'readout' again"),
        ("layers/001/neuron", "decay", 0.25, "does not match its checksum"),
    ],
)
def test_what_does_not_fit_in_an_old_file_is_named(tmp_path, place, name, value, message):
    with pytest.raises(ValueError, match=message):
        load_bundle(damaged(tmp_path, place, name, value))


@pytest.mark.parametrize("where", ["", "fixed", "fixed/layers/001/neuron", "layers/002"])
def test_what_nothing_reads_in_an_old_file_is_refused(tmp_path, where):
    root = read_tree(FOLDER / "network.h5")
    node = root
    for name in filter(None, where.split("/")):
        node = node.child(name)
    node.attributes["key"] = 1
    root.attributes["checksum"] = digest(root, leave_out=("checksum",))
    write_tree(tmp_path / "odd.h5", root)
    with pytest.raises(ValueError, match=f"'/?{where}/key' is unknown here"):
        load_bundle(tmp_path / "odd.h5")


def test_an_old_file_that_is_saved_again_holds_the_same_networks(bundle, tmp_path):
    assert read_tree(FOLDER / "network.h5").attributes["schema_version"] == 2
    save_bundle(tmp_path / "new.h5", bundle)
    with h5py.File(tmp_path / "new.h5") as file:
        assert file.attrs["schema_version"] == VERSION == 3
    assert load_bundle(tmp_path / "new.h5") == bundle
