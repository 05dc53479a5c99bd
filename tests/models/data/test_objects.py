"""Datasets of tonic and torch, loaders and streams: frames and labels as they were."""

from __future__ import annotations

import re

import numpy as np
import own_data
import pytest
import torch
from own_data import ALL_FRAMES, LABELS, SAMPLES, SIZE, STEPS
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from onchip import Engine, with_learning
from onchip.deploy import build
from onchip.models import TrainingConfig, build_model, describe_model, train
from onchip.models.data.own.objects import batches, collected, sample_stream


class Tonic:
    """A dataset as tonic's are: events, and the size of the sensor as an attribute."""

    sensor_size = SIZE

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        return own_data.events_of(index), int(LABELS[index])


class Streaming(IterableDataset):
    """Samples one after the other, without a length."""

    def __iter__(self):
        for frames, label in zip(ALL_FRAMES, LABELS, strict=True):
            yield torch.from_numpy(frames), torch.tensor(label)


TENSORS = TensorDataset(torch.from_numpy(ALL_FRAMES), torch.from_numpy(LABELS))
WORDS = [(frames, "abc"[label]) for frames, label in zip(ALL_FRAMES, LABELS, strict=True)]

SOURCES = {
    "tonic": (Tonic, {"time_steps": STEPS}),
    "torch dataset": (lambda: TENSORS, {}),
    "loader": (lambda: DataLoader(TENSORS, batch_size=7), {}),
    "iterable dataset": (Streaming, {}),
    "loader of an iterable": (lambda: DataLoader(Streaming(), batch_size=4), {}),
    "generator": (lambda: ((f, n) for f, n in zip(ALL_FRAMES, LABELS, strict=True)), {}),
    "named classes": (lambda: WORDS, {"classes": ["a", "b", "c"]}),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_dataset_gives_its_frames(kind):
    make, options = SOURCES[kind]
    found = collected(make(), **options)
    np.testing.assert_array_equal(found.frames, ALL_FRAMES)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.classes == 3


def test_a_dataset_of_tonics_own_class_is_one():
    import tonic

    class Mine(tonic.Dataset):
        sensor_size = SIZE
        classes = ["a", "b", "c"]  # noqa: RUF012

        def __init__(self):
            super().__init__(save_to=".")

        def _check_exists(self):
            return True

        def __len__(self):
            return SAMPLES

        def __getitem__(self, index):
            return own_data.events_of(index), int(LABELS[index])

    np.testing.assert_array_equal(collected(Mine(), time_steps=STEPS).frames, ALL_FRAMES)


def test_frames_larger_than_memory_lie_in_a_file(tmp_path):
    found = collected(DataLoader(TENSORS, batch_size=7), on_disk=tmp_path / "f.npy", limit=20)
    np.testing.assert_array_equal(found.frames, ALL_FRAMES[:20])
    assert isinstance(found.frames.base, np.memmap) or isinstance(found.frames, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), ALL_FRAMES[:20])
    with pytest.raises(ValueError, match="has none; give limit and a list"):
        collected(Streaming(), on_disk=tmp_path / "g.npy")


def test_a_network_trains_on_what_was_collected_and_learns_from_a_stream(tmp_path):
    data = collected(Tonic(), time_steps=STEPS, on_disk=tmp_path / "f.npy")
    model = build_model("mlp", hidden=(16,), input_shape=(2, 10, 12), classes=3, time_steps=STEPS)
    config = TrainingConfig(epochs=6, batch_size=6, learning_rate=0.01)
    assert train(model, data, data, config).accuracy > 0.8
    spec = with_learning(describe_model(model), learning_rate=0.01)
    engine = Engine(spec)
    for frames, label in zip(ALL_FRAMES, LABELS, strict=True):
        engine.learn(frames[np.newaxis], np.array([label]))
    with build(spec, "numpy") as execution:
        sizes = []
        for frames, labels in batches(sample_stream(Streaming()), 8):
            sizes.append(len(labels))
            execution.learn(frames, labels)
        assert sizes == [8, 8, 8, 6]
        assert execution.snapshot() == engine.snapshot()


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        ([(ALL_FRAMES[0], 0), (ALL_FRAMES[1][:3], 1)], {}, "sample 1 has shape (3, 2, 10, 12)"),
        ([], {}, "has no samples"),
        ([ALL_FRAMES[0]], {}, "yields ndarray and not (sample, label)"),
        ([(ALL_FRAMES[0], "a")], {}, "label 'a' is no known class"),
        ([(ALL_FRAMES[0], -1)], {}, "label -1 is no class number"),
        ([(ALL_FRAMES[0, 0], 0)], {}, "it must be [T, channels, height, width]"),
        ([(own_data.events_of(0), 0)], {}, "pass sensor_size="),
        (5, {}, "int is no dataset"),
    ],
)
def test_what_is_no_dataset_is_refused_by_name(source, options, text):
    with pytest.raises(ValueError, match=re.escape(text)) as error:
        collected(source, **options)
    assert "\n" not in str(error.value)
