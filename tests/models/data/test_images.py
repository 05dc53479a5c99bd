"""CIFAR-10 and CIFAR-100, fabricated in the format of the official binary files."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from onchip.models.cli.command_line import main
from onchip.models.config import TrainingConfig
from onchip.models.data import load_dataset
from onchip.models.data.augmentation import augment, check_augmentation, draw
from onchip.models.data.dataset import hold, is_held, take_samples
from onchip.models.training.batches import batch_tensors, epoch_batches
from onchip.models.training.checkpoint import load_checkpoint

MEAN = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4865, 0.4409)}
DEVIATION = {"cifar10": (0.2470, 0.2435, 0.2616), "cifar100": (0.2673, 0.2564, 0.2762)}
FOLDER = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}
FILES = {
    "cifar10": [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"],
    "cifar100": ["train.bin", "test.bin"],
}


@pytest.fixture
def write(tmp_path):
    """Writes the files byte by byte; returns {file: [(label, picture [3, 32, 32]), ...]}."""

    def write(name, per_file=20):
        rng = np.random.default_rng(5)
        folder = tmp_path / FOLDER[name]
        folder.mkdir()
        written = {}
        for file in FILES[name]:
            samples, content = [], bytearray()
            for i in range(per_file):
                label = i % (10 if name == "cifar10" else 100)
                picture = rng.integers(0, 256, (3, 32, 32), np.uint8)
                content += bytes([label] if name == "cifar10" else [19 - i % 20, label])
                for plane in picture:
                    for row in plane:
                        content += bytes(row.tolist())
                samples.append((label, picture))
            (folder / file).write_bytes(bytes(content))
            written[file] = samples
        return written

    return write


def load(name, tmp_path, **arguments):
    return load_dataset(name, data_root=tmp_path, cache_dir=tmp_path / "cache", **arguments)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_pictures_are_read_in_order_and_normalised_channel_by_channel(name, write, tmp_path):
    written = write(name)
    parts = load(name, tmp_path, time_steps=6)
    for part, files in zip(parts, (FILES[name][:-1], FILES[name][-1:]), strict=True):
        samples = [sample for file in files for sample in written[file]]
        assert part.labels.tolist() == [label for label, _ in samples]
        assert part.frames.shape == (len(samples), 6, 3, 32, 32)
        assert part.frames.dtype == np.float32
        for found, (_, picture) in zip(part.frames, samples, strict=True):
            for channel in range(3):
                value = picture[channel].astype(float) / 255 - MEAN[name][channel]
                expected = value / DEVIATION[name][channel]
                np.testing.assert_allclose(found[0, channel], expected, rtol=1e-6, atol=1e-6)
            assert (found == found[:1]).all()
    assert parts[0].classes == (10 if name == "cifar10" else 100)


def test_the_label_of_cifar100_is_the_fine_one(write, tmp_path):
    write("cifar100", per_file=100)
    train, _ = load("cifar100", tmp_path)
    assert train.labels.tolist() == list(range(100))


def test_a_picture_is_in_memory_once_whatever_the_number_of_steps(write, tmp_path):
    write("cifar10")
    train, test = load("cifar10", tmp_path, time_steps=50)
    for part in (train, test, train.subset([3, 1])):
        assert is_held(part.frames) and part.frames.strides[1] == 0
    base = train.frames
    while base.base is not None:
        base = base.base
    assert base.nbytes == 120 * 3 * 32 * 32 * 4
    assert not (tmp_path / "cache").exists()
    config = TrainingConfig(max_shift=4, flip=True, batch_size=8)
    frames, labels = next(epoch_batches(train, config, 0))
    assert is_held(frames)
    model = torch.nn.Linear(1, 1)
    model.classes, model.dtype = 10, torch.float32
    x, _ = batch_tensors(model, frames, labels)
    assert x.shape == (8, 50, 3, 32, 32) and x.stride(1) == 0
    assert x.untyped_storage().nbytes() == 8 * 3 * 32 * 32 * 4
    np.testing.assert_array_equal(x.numpy(), frames)


def test_a_batch_of_one_held_picture_is_its_own_tensor(write, tmp_path):
    write("cifar10")
    train, _ = load("cifar10", tmp_path)
    model = torch.nn.Linear(1, 1)
    model.classes, model.dtype = 10, torch.float32
    x, _ = batch_tensors(model, train.frames[:1], train.labels[:1])
    x[:, 0] += 1
    assert float(x[0, 0, 0, 0, 0]) == pytest.approx(float(train.frames[0, 0, 0, 0, 0]) + 1)


def test_crop_and_flip_of_a_held_picture_are_those_of_its_copies(rng):
    pictures = rng.standard_normal((9, 3, 12, 12)).astype(np.float32)
    config = TrainingConfig(max_shift=4, flip=True)
    draws = draw(9, config, np.random.default_rng(3))
    found = augment(hold(pictures, 5), draws)
    padded = np.pad(pictures, [(0, 0), (0, 0), (4, 4), (4, 4)])
    for i, ((down, right), flipped) in enumerate(zip(draws.shifts, draws.flips, strict=True)):
        crop = padded[i, :, 4 - down : 16 - down, 4 - right : 16 - right]
        crop = crop[..., ::-1] if flipped else crop
        for step in found[i]:
            np.testing.assert_array_equal(step, crop)
    assert found.dtype == np.float32 and len(np.unique(draws.shifts, axis=0)) > 3
    assert 0 < draws.flips.sum() < 9
    copies = augment(np.repeat(pictures[:, None], 5, axis=1), draws)
    np.testing.assert_array_equal(found, copies)


def test_turned_and_zoomed_pictures_keep_their_values_and_are_held(rng):
    pictures = rng.standard_normal((4, 3, 12, 12)).astype(np.float32)
    config = TrainingConfig(max_rotation=20.0, max_zoom=0.2)
    draws = draw(4, config, np.random.default_rng(3))
    found = augment(hold(pictures, 5), draws)
    assert is_held(found) and found.dtype == np.float32
    np.testing.assert_array_equal(found, augment(np.repeat(pictures[:, None], 5, axis=1), draws))


def test_dropping_events_of_pictures_is_refused(write, tmp_path):
    write("cifar10")
    train, _ = load("cifar10", tmp_path)
    check_augmentation(TrainingConfig(max_shift=4, flip=True), train)
    with pytest.raises(ValueError, match=r"event_drop does not suit cifar10: .* switch it off"):
        check_augmentation(TrainingConfig(event_drop=0.1), train)


def test_samples_are_taken_alike_from_held_and_other_frames(rng):
    pictures = rng.standard_normal((5, 2, 3, 3)).astype(np.float32)
    held, copies = hold(pictures, 4), np.repeat(pictures[:, None], 4, axis=1)
    chosen = np.array([4, 0, 0, 2])
    taken = take_samples(held, chosen)
    assert is_held(taken)
    np.testing.assert_array_equal(taken, take_samples(copies, chosen))
    assert not is_held(copies) and not is_held(held[:, :1])


def test_a_limit_is_balanced_and_the_metadata_say_what_was_found(write, tmp_path):
    write("cifar10")
    train, test = load("cifar10", tmp_path, limit=10, time_steps=4)
    assert sorted(train.labels.tolist()) == sorted(test.labels.tolist()) == list(range(10))
    metadata = json.loads(json.dumps(train.metadata))
    assert metadata["samples"] == 10 and metadata["samples_found"] == 120
    assert metadata["samples_published"] == 60_000
    assert metadata["framing"]["by"] == "held" and metadata["framing"]["time_steps"] == 4
    assert metadata["normalisation"]["mean"] == list(MEAN["cifar10"])
    assert metadata["simulated"] is False


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_missing_file_is_named(name, write, tmp_path):
    write(name)
    (tmp_path / FOLDER[name] / FILES[name][0]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert f"{FILES[name][0]} missing in {tmp_path / FOLDER[name]}" in message
    assert "To get it: unpack the binary version" in message and "\n" not in message
    assert FILES[name][-1] not in message


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([], "To get it: unpack the binary version, cifar-10-binary.tar.gz"),
        (["cifar-10-binary.tar.gz"], "unpack cifar-10-binary.tar.gz there"),
        (["cifar-10-batches-py"], "cifar-10-batches-py is the python version, which is pickled"),
        (["cifar-10-python.tar.gz"], "opening a pickle can run code, so it is not read; unpack"),
    ],
)
def test_a_missing_folder_says_what_to_do(tmp_path, made, expected):
    for name in made:
        (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError) as caught:
        load("cifar10", tmp_path)
    assert expected in str(caught.value) and "no folder" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_pickle_is_opened(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"cos\nsystem\n(S'false'\ntR.")

    def refuse(*_, **__):
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr("pickle.load", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    with pytest.raises(FileNotFoundError, match="is the python version"):
        load("cifar10", tmp_path)


def test_a_data_root_one_folder_too_deep_is_told(write, tmp_path):
    write("cifar10")
    with pytest.raises(FileNotFoundError, match=f"should be the folder above, {tmp_path}$"):
        load("cifar10", tmp_path / FOLDER["cifar10"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"test_batch\.bin: 0 bytes are no whole number of records of 3073"),
        (bytes(3000), r"test_batch\.bin: 3000 bytes are no whole number of records of 3073"),
        (bytes([10]) + bytes(3072), r"test_batch\.bin: label 10 is outside of 0\.\.9"),
    ],
)
def test_a_damaged_file_is_named(write, tmp_path, content, message):
    write("cifar10")
    (tmp_path / FOLDER["cifar10"] / "test_batch.bin").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load("cifar10", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"framing": "count"}, "framing 'count' cuts events and pictures have none"),
        ({"binary": False}, "binary=False counts events and pictures have none"),
        ({"size": 16}, "size = 16, but pictures stay 32x32"),
        ({"time_steps": 0}, "time_steps = 0 must be at least 1"),
        ({"split": "random"}, "split 'random' is unknown; valid: standard"),
        ({"data_root": None}, "cifar10: needs data_root, the folder that holds cifar-10-batches"),
    ],
)
def test_settings_that_are_for_events_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_dataset("cifar10", **{"data_root": tmp_path, **arguments})


def test_all_crops_of_a_batch_differ_between_samples(write, tmp_path):
    """One draw a sample: an error that shifts the whole batch alike would show here."""
    write("cifar10")
    train, _ = load("cifar10", tmp_path)
    config = TrainingConfig(max_shift=4, batch_size=100)
    frames, _ = next(epoch_batches(train, config, 0))
    borders = [tuple((sample[0, 0] == 0).all(axis=1)) for sample in frames]
    assert any(a != b for a, b in pairwise(borders))


def test_the_training_command_learns_pictures_and_remembers_how_they_were_shown(write, tmp_path):
    write("cifar10")
    options = f"--data-root {tmp_path} --time-steps 3 --model mlp --hidden 8 --epochs 1"
    out = tmp_path / "checkpoint.pt"
    augment = "--augment shift=4,flip"
    assert main(f"--dataset cifar10 {options} {augment} --device cpu --out {out}".split()) == 0
    checkpoint = load_checkpoint(out)
    assert checkpoint.architecture_config["input_shape"] == [3, 32, 32]
    assert checkpoint.metadata["data"]["framing"]["by"] == "held"
    assert checkpoint.metadata["train_samples"] == 100
    assert np.isfinite(checkpoint.history[0]["loss"])
