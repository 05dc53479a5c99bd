from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.rules.feedback import FEEDBACKS, feedback_matrices, random_matrix, send_back

NAMES = ["low", "middle", "top"]


@pytest.fixture
def weights(rng):
    """Weights [post, pre] of 9-7-5-3."""
    sizes = zip(NAMES, (7, 5, 3), (9, 7, 5), strict=True)
    return {name: rng.normal(size=(post, pre)) for name, post, pre in sizes}


def test_the_names_are_those_of_the_design():
    assert tuple(FEEDBACKS) == ("exact", "symmetric", "random", "direct")


@pytest.mark.parametrize("like", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_send_back_multiplies_each_sample_by_the_matrix(like, rng):
    factor, matrix = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    sent = np.asarray(send_back(like(factor), like(matrix)))
    for b in range(4):
        for receiving in range(5):
            expected = sum(matrix[receiving, k] * factor[b, k] for k in range(3))
            assert sent[b, receiving] == pytest.approx(expected, rel=1e-12)


def test_exact_needs_no_matrix(weights):
    assert feedback_matrices("exact", NAMES, weights) == {}


def test_symmetric_freezes_the_transposes_of_the_layer_above(weights):
    matrices = feedback_matrices("symmetric", NAMES, weights)
    assert list(matrices) == ["low", "middle"]
    before = weights["top"].T.copy()
    weights["top"][:] = 0
    np.testing.assert_array_equal(matrices["low"], weights["middle"].T)
    np.testing.assert_array_equal(matrices["middle"], before)


@pytest.mark.parametrize(
    "kind, shapes",
    [
        ("symmetric", {"low": (7, 5), "middle": (5, 3)}),
        ("random", {"low": (7, 5), "middle": (5, 3)}),
        ("direct", {"low": (7, 3), "middle": (5, 3)}),
    ],
)
def test_a_matrix_is_receiving_by_sending(kind, shapes, weights):
    matrices = feedback_matrices(kind, NAMES, weights)
    assert {name: matrix.shape for name, matrix in matrices.items()} == shapes


@pytest.mark.parametrize("kind", ["random", "direct"])
def test_the_seed_alone_decides_the_random_matrices(kind, weights):
    first, again, other = (feedback_matrices(kind, NAMES, weights, seed) for seed in (1, 1, 2))
    for name in ("low", "middle"):
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.isclose(first[name], other[name]).any()
    assert not np.isclose(first["low"].ravel()[:15], first["middle"].ravel()[:15]).all()


@pytest.mark.parametrize("receiving", [25, 400])
def test_random_entries_have_the_scale_of_a_transposed_weight(receiving, rng):
    matrix = random_matrix(receiving, 20_000 // receiving * 4, rng)
    assert matrix.std() == pytest.approx(receiving**-0.5, rel=0.02)
    assert abs(matrix.mean()) < 4 * receiving**-0.5 / matrix.size**0.5


def test_the_readout_alone_needs_no_matrix(weights):
    for kind in FEEDBACKS:
        assert feedback_matrices(kind, ["top"], weights) == {}
