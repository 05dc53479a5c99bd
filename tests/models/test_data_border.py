"""Frames and labels of any type train as those of a FrameDataset do, or are refused before."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onchip.models import build_model, train
from onchip.models.config import TrainingConfig
from onchip.models.data import FrameDataset
from onchip.models.data.dataset import hold, is_held
from onchip.models.training.batches import check_dataset, plain_frames
from onchip.models.training.evaluation import evaluate, predict
from onchip.models.training.gradients import layer_gradients
from onchip.models.training.recording import run_recorded

CONFIG = TrainingConfig(epochs=2, batch_size=4)
LABELS = np.arange(6) % 3


def model():
    options = {"input_shape": (2, 4, 4), "classes": 3, "time_steps": 3}
    return build_model("mlp", hidden=(8,), weight_gain=2.0, **options)


def spikes():
    return (np.random.default_rng(0).random((6, 3, 2, 4, 4)) < 0.3).astype(np.uint8)


def own(frames, labels=LABELS):
    return SimpleNamespace(frames=frames, labels=labels, classes=3)


def trained(dataset):
    network = model()
    result = train(network, dataset, dataset, CONFIG, progress=False)
    return result.accuracy, [p.detach().numpy() for p in network.parameters()]


def assert_same_training(dataset):
    (accuracy, weights), (expected, theirs) = trained(dataset), trained(own(spikes()))
    assert accuracy == expected
    for ours, other in zip(weights, theirs, strict=True):
        np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize(
    "labels",
    [
        *(LABELS.astype(kind) for kind in ("i1", "u1", "i4", "u2", "u8", ">i4", ">i8")),
        LABELS[::-1].copy()[::-1],
        LABELS.tolist(),
        tuple(LABELS.tolist()),
        torch.tensor(LABELS),
        torch.tensor(LABELS, dtype=torch.int32),
    ],
    ids=str,
)
def test_labels_of_every_integer_type_train_alike(labels):
    assert_same_training(own(spikes(), labels))


@pytest.mark.parametrize(
    "change",
    [
        lambda frames: frames.astype(bool),
        lambda frames: frames.astype(np.int64),
        lambda frames: frames.astype(">u2"),
        lambda frames: frames.astype(np.float16),
        lambda frames: frames.astype(np.float32),
        lambda frames: frames.astype(np.float64),
        lambda frames: frames.astype(">f4"),
        lambda frames: frames.astype(">f8"),
        lambda frames: frames.astype(np.longdouble),
        lambda frames: torch.tensor(frames),
        lambda frames: torch.tensor(frames).half(),
        lambda frames: torch.tensor(frames).double().requires_grad_(),
        lambda frames: frames.tolist(),
        lambda frames: np.asfortranarray(frames)[::-1][::-1],
    ],
)
def test_frames_of_every_numeric_type_train_alike(change):
    assert_same_training(own(change(spikes())))


def test_a_frame_dataset_takes_tensors_byte_orders_and_labels_of_any_integer_type():
    data = FrameDataset("own", "a:b", torch.tensor(spikes()), LABELS.tolist(), 3)
    assert (data.frames.dtype, data.labels.dtype) == (np.uint8, np.int64)
    assert_same_training(data)
    swapped = FrameDataset("own", "a:b", spikes().astype(">f4"), LABELS.astype(">i2"), 3)
    assert swapped.frames.dtype.isnative and swapped.frames.dtype == np.float32
    assert_same_training(swapped)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_is_refused_with_its_sample(bad):
    frames = spikes().astype(np.float32)
    frames[4, 0, 0, 0, 0] = bad
    with pytest.raises(ValueError, match=r"^own: .* NaN or infinite, first in sample 4; repair"):
        FrameDataset("own", "all:train", frames, LABELS, 3)
    network = model()
    before = [p.detach().clone() for p in network.parameters()]
    for part, sets in (("training", [frames, spikes()]), ("test", [spikes(), frames])):
        with pytest.raises(ValueError, match=rf"^{part} data: frames .* first in sample 4; repair"):
            train(network, own(sets[0]), own(sets[1]), CONFIG)
    for call in (lambda: evaluate(network, own(frames)), lambda: predict(network, own(frames))):
        with pytest.raises(ValueError, match="NaN or infinite, first in sample 4"):
            call()
    with pytest.raises(ValueError, match="NaN or infinite"):
        layer_gradients(network, "ottt_a", frames, LABELS)
    with pytest.raises(ValueError, match="NaN or infinite"):
        run_recorded(network, frames)
    for parameter, value in zip(network.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def test_a_picture_that_is_no_number_is_found_in_the_memory_of_one_step():
    pictures = np.ones((6, 2, 4, 4), np.float32)
    pictures[5, 1, 3, 3] = np.nan
    with pytest.raises(ValueError, match="first in sample 5"):
        FrameDataset("own", "all:train", hold(pictures, 3), LABELS, 3)


def test_pictures_of_another_type_stay_one_step_in_memory():
    pictures = np.random.default_rng(1).random((6, 2, 4, 4)).astype(np.float16)
    plain = plain_frames(hold(pictures, 3))
    assert is_held(plain) and plain.dtype == np.float32
    np.testing.assert_array_equal(plain, hold(pictures.astype(np.float32), 3))


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 255], np.uint8), ([0, 256], np.float32), ([-1, 1], np.float32), ([0, 2**25], np.float64)],
)
def test_whole_numbers_become_the_smallest_type_that_holds_them(values, kind):
    frames = np.array(values, np.int64).reshape(1, 1, 1, 1, 2)
    plain = plain_frames(frames)
    assert plain.dtype == kind and plain.ravel().tolist() == values


@pytest.mark.parametrize(
    ("frames", "labels", "message"),
    [
        (spikes() + 1j, LABELS, "frames have type complex128; they must be numbers"),
        (spikes() * 1e200, LABELS, r"frames hold 1e\+200, which is infinite in float32"),
        (spikes().astype(str), LABELS, "frames have type <U3; they must be numbers"),
        ([[1], [2, 3]], LABELS, "frames cannot be read"),
        (spikes(), LABELS.astype(float), "type float64; they must be 6 integers"),
        (spikes(), np.eye(3)[LABELS], r"labels have shape \(6, 3\)"),
        (spikes(), LABELS - 1, "label -1 is out of range"),
        (spikes(), LABELS.astype("u8") + np.uint64(2**63), "is out of range"),
        (spikes(), None, "labels have shape"),
        (np.float32(3), LABELS, "it has no samples"),
        (spikes()[:, 0], LABELS, "one sample has shape"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_line(frames, labels, message):
    with pytest.raises(ValueError, match=rf"^training data: .*{message}") as caught:
        train(model(), own(frames, labels), own(spikes()), CONFIG)
    assert "\n" not in str(caught.value)


def test_what_is_no_dataset_is_told_what_to_pass():
    with pytest.raises(
        ValueError, match=r"^data: tuple has no frames; pass a onchip\.models\.data\.FrameData"
    ):
        check_dataset(model(), (spikes(), LABELS))


def test_a_hidden_layer_that_learning_made_nan_is_named_although_its_loss_is_finite():
    """A NaN membrane never fires, so the layer is silent and the loss that of the biases."""
    network = model()
    data = own(spikes())

    def poison(module, _, output):
        if module.training and torch.is_grad_enabled():
            with torch.no_grad():
                module.weight[0, 0] = float("nan")
        return output

    hidden = network.layers[0].connection
    step = hidden.step
    hidden.step = lambda x, *rest: poison(hidden, x, step(x, *rest))
    with pytest.raises(ValueError, match=r"^layer 'fc1': weight is NaN or infinite in epoch 1"):
        train(network, data, data, CONFIG)
