"""Network files of earlier releases are read, run and learn as they did when they were written.

`written_before/network.h5` (schema version 2) and what its two networks, floats and integers,
computed then are from the release whose integer neurons were types of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onchip import Engine
from onchip.deploy import load_bundle, quantize
from onchip.deploy.backends.table import build

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
