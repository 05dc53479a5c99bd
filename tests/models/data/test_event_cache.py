"""Event data sets are decoded once: kept frames serve every later load and every epoch."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tonic.datasets

from onchip.models.data import cache, load_dataset
from onchip.models.training.training import train

CLASSES = {
    "cifar10dvs": tonic.datasets.CIFAR10DVS,
    "nmnist": tonic.datasets.NMNIST,
    "dvsgesture": tonic.datasets.DVSGesture,
    "shd": tonic.datasets.SHD,
}
NAMES = list(CLASSES)
SIZE = {"cifar10dvs": 16, "nmnist": 16, "dvsgesture": 16, "shd": 70}


@pytest.fixture
def trees(request, tmp_path):
    """Writes the data set of this name; returns the number of its recordings."""
    return lambda name: len(request.getfixturevalue(f"{name}_tree")())


@pytest.fixture
def decoded(monkeypatch):
    """Counts what tonic's own readers are asked for, whoever asks."""
    calls = SimpleNamespace(count=0)
    for dataset_class in CLASSES.values():

        def counting(self, index, read=dataset_class.__getitem__):
            calls.count += 1
            return read(self, index)

        monkeypatch.setattr(dataset_class, "__getitem__", counting)
    return calls


def load(name, tmp_path, **arguments):
    options = {"size": SIZE[name], "time_steps": 4, **arguments}
    return load_dataset(name, data_root=tmp_path, cache_dir=tmp_path / "cache", **options)


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_the_second_load_decodes_nothing_and_gives_the_same(name, trees, decoded, tmp_path):
    recordings = trees(name)
    first = load(name, tmp_path)
    assert decoded.count == recordings > 10
    assert len(files(tmp_path)) == 1
    second = load(name, tmp_path)
    assert decoded.count == recordings
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours.frames, theirs.frames)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        assert ours.frames.any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change", [{"time_steps": 5}, {"framing": "count"}, {"binary": False}, {"size": 10}]
)
def test_a_changed_setting_decodes_again_into_a_cache_of_its_own(
    name, change, trees, decoded, tmp_path
):
    recordings = trees(name)
    plain, _ = load(name, tmp_path)
    kept = files(tmp_path)
    changed, _ = load(name, tmp_path, **change)
    assert decoded.count == 2 * recordings
    assert len(files(tmp_path)) == 2 and set(kept) < set(files(tmp_path))
    assert not np.array_equal(plain.frames, changed.frames)
    again, _ = load(name, tmp_path)
    assert decoded.count == 2 * recordings
    np.testing.assert_array_equal(again.frames, plain.frames)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError("disk full")])
def test_an_interrupted_write_leaves_nothing_and_the_next_load_decodes_again(
    name, interruption, trees, decoded, tmp_path, monkeypatch
):
    recordings, write = trees(name), np.savez

    def stop_halfway(file, **arrays):
        write(file, **arrays)
        file.truncate(file.tell() // 2)
        raise interruption

    monkeypatch.setattr(np, "savez", stop_halfway)
    if interruption is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            load(name, tmp_path)
    else:
        with pytest.warns(UserWarning, match="not written"):
            load(name, tmp_path)
    assert files(tmp_path) == []
    monkeypatch.setattr(np, "savez", write)
    load(name, tmp_path)
    assert decoded.count == 2 * recordings and len(files(tmp_path)) == 1


def test_recordings_are_decoded_before_the_first_epoch_only(trees, decoded, tmp_path):
    from onchip.models.architectures.table import build_model
    from onchip.models.config import TrainingConfig

    recordings = trees("nmnist")
    parts = load("nmnist", tmp_path)
    model = build_model("mlp", input_shape=(2, 16, 16), classes=10, time_steps=4, hidden=(4,))
    config = TrainingConfig(epochs=3, batch_size=10, max_shift=1, event_drop=0.2)
    result = train(model, *parts, config, progress=False)
    assert result.epochs == 3 and decoded.count == recordings


def test_a_half_written_file_of_a_killed_process_is_not_taken_for_a_cache(trees, decoded, tmp_path):
    trees("nmnist")
    first, _ = load("nmnist", tmp_path)
    [name] = files(tmp_path)
    whole = tmp_path / "cache" / name
    (tmp_path / "cache" / f"{whole.stem}abc.tmp").write_bytes(whole.read_bytes()[:99])
    whole.unlink()
    before = decoded.count
    again, _ = load("nmnist", tmp_path)
    assert decoded.count == 2 * before
    np.testing.assert_array_equal(first.frames, again.frames)
    assert whole.is_file()


def test_a_raised_format_version_makes_new_caches(trees, decoded, tmp_path, monkeypatch):
    recordings = trees("shd")
    load("shd", tmp_path)
    monkeypatch.setattr(cache, "FORMAT_VERSION", cache.FORMAT_VERSION + 1)
    load("shd", tmp_path)
    assert decoded.count == 2 * recordings and len(files(tmp_path)) == 2
