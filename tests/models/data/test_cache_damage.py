"""A cache file that is not what was written under its name is built again, and that is said."""

from __future__ import annotations

import io
import os
import warnings
import zipfile

import numpy as np
import pytest

from onchip.files.seal import seal
from onchip.models.data.cache import cache_directory, cached_frames, load_frames, save_frames


@pytest.fixture(params=[True, False], ids=["bits", "counts"])
def frames(request, rng):
    high = 2 if request.param else 200
    return rng.integers(high, size=(4, 3, 2, 5, 6)).astype(np.uint8)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unsupported(data):
    """The archive with a compression that no reader of zip files knows: NotImplementedError."""
    data = bytearray(data)
    data[data.index(b"PK\1\2") + 10] = 99
    return bytes(data)


def other_bits(data):
    return npz(bits=np.packbits(np.ones(720, np.uint8)), shape=np.array([4, 3, 2, 5, 6]))


@pytest.mark.parametrize(
    "damage",
    [
        unsupported,
        lambda data: unsupported(npz(bits=np.zeros(90, np.uint8), shape=np.array([4, 180]))),
        other_bits,
        lambda data: npz(frames=np.zeros((4, 3, 2, 5, 6), np.uint8)),
        lambda data: seal(other_bits(data), "another name.npz"),
        lambda data: seal(npz(frames=np.zeros((4, 3, 2, 5, 6))), "x.npz"),
        lambda data: seal(npz(text=np.zeros(3, np.uint8)), "x.npz"),
        lambda data: seal(npz(bits=np.zeros(9, np.uint8), shape=np.array([-4, 2])), "x.npz"),
        lambda data: npz(frames=np.array([{}], object)),
        lambda data: data + b"more",
        lambda data: data[:-1],
    ],
)
def test_damage_and_content_of_others_is_built_again(frames, tmp_path, damage):
    path = tmp_path / "x.npz"
    save_frames(path, frames)
    np.testing.assert_array_equal(load_frames(path), frames)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match=r"x\.npz: damaged \(.*\); building it again"):
        built = cached_frames(path, lambda: frames)
    np.testing.assert_array_equal(built, frames)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load_frames(path), frames)


def test_a_sound_file_under_another_name_is_not_taken(frames, tmp_path):
    save_frames(tmp_path / "a.npz", frames)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    with pytest.warns(UserWarning, match="does not match its digest"):
        assert load_frames(tmp_path / "b.npz") is None


def test_every_flipped_bit_is_noticed(frames, tmp_path, rng):
    path = tmp_path / "x.npz"
    save_frames(path, frames)
    data = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(data)
        damaged[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="damaged"):
            assert load_frames(path) is None


def test_other_programs_still_read_the_file(frames, tmp_path):
    """The digest is the archive's comment, which readers of the format skip."""
    path = tmp_path / "x.npz"
    save_frames(path, frames)
    assert zipfile.ZipFile(path).testzip() is None
    with np.load(path, allow_pickle=False) as stored:
        assert set(stored.files) in ({"frames"}, {"bits", "shape"})


def test_the_cache_of_an_unknown_user_is_named(monkeypatch):
    monkeypatch.setenv("ONCHIP_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(
        ValueError, match=r"cache folder ~nobody-of-this-name/cache: .*; set ONCHIP_CACHE"
    ):
        cache_directory()


@pytest.mark.parametrize("kind", ["pipe", "folder", "long"])
def test_what_is_in_the_cache_files_place_costs_time_only(frames, tmp_path, kind):
    path = tmp_path / ("a" * 300 if kind == "long" else "x.npz")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(cached_frames(path, lambda: frames), frames)
    assert "not written" in str(said[-1].message)
    assert kind == "long" or path.is_fifo() == (kind == "pipe")
