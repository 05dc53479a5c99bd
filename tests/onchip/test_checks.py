from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onchip.checks import check_output, require_between, require_choice
from onchip.engine.inputs import check_frames
from onchip.execution import RunResult
from onchip.network.arrays import frozen_array, integers
from onchip.objectives.given import check_labels

CAMERA = SimpleNamespace(time_steps=4, input_shape=(2, 3, 5), input_size=30)
FLAT = SimpleNamespace(time_steps=4, input_shape=(30,), input_size=30)


def test_an_unknown_choice_names_itself_and_the_valid_ones():
    require_choice("mode", "fast", ["fast", "slow"])
    with pytest.raises(ValueError, match=r"^mode 'medium' is unknown; choose one of fast, slow$"):
        require_choice("mode", "medium", ["fast", "slow"])


@pytest.mark.parametrize("value", [1, 2.5, 3, np.float32(1.5), np.int64(2)])
def test_numbers_within_the_limits_pass(value):
    require_between("rate", value, 1, 3)


@pytest.mark.parametrize("value", [0.999, 3.001, float("nan"), float("inf"), "2", None, [2]])
def test_anything_else_is_refused_with_the_limits(value):
    with pytest.raises(ValueError, match=r"^rate is .*; it must lie in \[1, 3\]$"):
        require_between("rate", value, 1, 3)


def test_an_open_lower_limit_excludes_itself():
    require_between("rate", 0, 0, 1)
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        require_between("rate", 0, 0, 1, open_low=True)


def test_integers_become_a_tuple_of_plain_ints():
    assert integers("stride", np.array([2, 3], np.int16), 2) == (2, 3)
    assert all(type(n) is int for n in integers("shape", [np.int64(4), 5]))


@pytest.mark.parametrize("value", [2, (1, 2, 3), (1.0, 2), "ab", None, ((1, 2), (3, 4)), [[1], 2]])
def test_what_is_not_two_integers_is_refused(value):
    with pytest.raises(ValueError, match=r"^stride is .*; it must be 2 integers$"):
        integers("stride", value, 2)


def test_a_frozen_array_is_a_read_only_float64_copy():
    source = np.arange(6, dtype=np.float32).reshape(2, 3).T
    array = frozen_array("w", source, 2)
    source[:] = -1
    assert array.dtype == np.float64 and array.flags.c_contiguous
    np.testing.assert_array_equal(array, [[0, 3], [1, 4], [2, 5]])
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


@pytest.mark.parametrize(
    "value, message",
    [
        ([[1.0, float("nan")], [float("inf"), 2.0]], "w has 2 values that are NaN or infinite"),
        ([1.0, 2.0], r"w has shape \(2,\); it needs 2 dimensions"),
        (np.zeros((0, 3)), r"w has shape \(0, 3\); .* none of them empty"),
        ([["a", "b"]], "w is not a numeric array"),
        ([[1.0], [2.0, 3.0]], "w is not a numeric array"),
        ([[1j]], "w is not a numeric array"),
        (torch.zeros(2, 2, requires_grad=True), r"w is not a numeric array .*detach"),
    ],
)
def test_what_is_not_a_finite_matrix_is_refused(value, message):
    with pytest.raises(ValueError, match=message) as error:
        frozen_array("w", value, 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("spec, shape", [(CAMERA, (3, 4, 30)), (FLAT, (3, 4, 2, 3, 5))])
def test_frames_may_come_flattened_or_be_flattened_in_c_order(spec, shape):
    frames = np.arange(360).reshape(shape)
    checked = check_frames(frames, spec)
    assert checked.shape == (3, 4, *spec.input_shape)
    np.testing.assert_array_equal(checked.ravel(), np.arange(360))


@pytest.mark.parametrize(
    "shape",
    [(4, 2, 3, 5), (3, 5, 2, 3, 5), (0, 4, 2, 3, 5), (3, 4, 3, 5, 2), (3, 4, 29), (4,), (3, 4)],
)
def test_frames_of_another_shape_are_refused_channels_last_included(shape):
    with pytest.raises(ValueError, match=r"frames have shape \(.* needs .* 4, 2, 3, 5\]"):
        check_frames(np.zeros(shape), CAMERA)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_frames_that_are_not_finite_are_refused(bad):
    frames = np.zeros((1, 4, 30))
    frames[0, 2, 7] = bad
    with pytest.raises(ValueError, match="frames have values that are NaN or infinite"):
        check_frames(frames, FLAT)


def test_frames_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="frames have type <U1; they must be numbers"):
        check_frames(np.full((1, 4, 30), "x"), FLAT)


def test_labels_become_int64():
    labels = check_labels(np.array([0, 2], np.uint8), 2, 3)
    assert labels.dtype == np.int64 and labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 3], "label 3 is out of range; the network has classes 0 to 2"),
        ([-1, 0], "label -1 is out of range"),
        ([0, 1, 2], r"labels have shape \(3,\) .* must be 2 integers"),
        ([0.0, 1.0], "type float64; they must be 2 integers"),
        ([[0], [1]], r"shape \(2, 1\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(np.array(labels), 2, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_means_divergence(bad):
    check_output(np.array([1e300, -1e300]))
    with pytest.raises(FloatingPointError, match="NaN or infinite: learning diverged"):
        check_output(np.array([0.0, bad]))


def test_the_prediction_is_the_largest_sum_over_time_not_the_last_output():
    outputs = np.array([[[5.0, 0.0, 0.0], [0.0, 2.0, 1.0]], [[0.0, 1.0, 2.0], [0.0, 1.5, 2.0]]])
    assert RunResult(outputs, {}).predictions.tolist() == [0, 2]
