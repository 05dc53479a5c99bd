"""Damaged network files: `mutate` makes one from a good file, for a seed; see `MUTATIONS`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Rng = np.random.Generator

# -- bytes ----------------------------------------------------------------------------------------


def flip_bits(data: bytearray, rng: Rng) -> bytearray:
    for _ in range(int(rng.integers(1, 9))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return data


def truncate(data: bytearray, rng: Rng) -> bytearray:
    return data[: int(rng.integers(len(data)))]


def insert(data: bytearray, rng: Rng) -> bytearray:
    place = int(rng.integers(len(data) + 1))
    return data[:place] + rng.bytes(int(rng.integers(1, 600))) + data[place:]


def leave_out(data: bytearray, rng: Rng) -> bytearray:
    place = int(rng.integers(len(data)))
    return data[:place] + data[place + int(rng.integers(1, 600)) :]


def overwrite(data: bytearray, rng: Rng) -> bytearray:
    place, length = int(rng.integers(len(data))), int(rng.integers(1, 200))
    filling = [bytes(length), b"\xff" * length, rng.bytes(length)][int(rng.integers(3))]
    data[place : place + length] = filling[: len(data) - place]
    return data


# -- structure, with valid HDF5 -------------------------------------------------------------------


def items_of(file: h5py.File, kind: type) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, kind) else None)
    return sorted(names)


def pick(rng: Rng, values: list) -> object:
    return values[int(rng.integers(len(values)))]


def place_dataset(file: h5py.File, rng: Rng, **arguments: object) -> None:
    """Another dataset in the place of one of the file's."""
    name = pick(rng, items_of(file, h5py.Dataset))
    del file[name]
    file.create_dataset(name, **arguments)


def place_attribute(file: h5py.File, rng: Rng, value: object) -> None:
    holder, name = pick_attribute(file, rng)
    file[holder].attrs[name] = value


def pick_attribute(file: h5py.File, rng: Rng) -> tuple[str, str]:
    holders = ["/", *items_of(file, h5py.Group)]
    pairs = [(holder, name) for holder in holders for name in file[holder].attrs]
    return pick(rng, pairs)  # type: ignore[return-value]


def wrong_shape(file: h5py.File, rng: Rng) -> None:
    name = pick(rng, items_of(file, h5py.Dataset))
    array = np.atleast_1d(file[name][()])
    shapes = [array[..., None], array[:0], array.T[..., None], array.ravel()[0], array[None]]
    del file[name]
    file[name] = pick(rng, shapes)


def wrong_type(file: h5py.File, rng: Rng) -> None:
    pairs = np.zeros(3, [("a", "<f8"), ("b", "<i4")])
    words = np.array(["a", "b"], h5py.string_dtype())
    plain = [np.zeros(3, kind) for kind in ("<f4", ">f8", "<i8", "u1", "S9", "?", "c16", "V5")]
    place_dataset(file, rng, data=pick(rng, [*plain, pairs, words, h5py.Empty("f8")]))


def huge_dataset(file: h5py.File, rng: Rng) -> None:
    side = 2 ** int(rng.integers(14, 22))
    options = pick(rng, [{}, {"chunks": (64, 64)}, {"chunks": (64, 64), "compression": "gzip"}])
    kind = pick(rng, ["<f8", "<i4", "S100000"])
    place_dataset(file, rng, shape=(side, side), dtype=kind, **options)


def bomb(file: h5py.File, rng: Rng) -> None:
    """Few values in a chunk that unpacks to 16 MiB."""
    options = {"maxshape": (None,), "chunks": (2**21,), "compression": 1}
    place_dataset(file, rng, data=np.ones(4), **options)


def many_names(file: h5py.File, rng: Rng) -> None:
    """One array of nearly the file's size under many names."""
    file["big"] = np.zeros(8000)
    for index in range(int(rng.integers(200, 400))):
        file[f"again{index}"] = file["big"]


def wrong_attribute(file: h5py.File, rng: Rng) -> None:
    numbers = [2**62, -1, 0, 7, -(2**63), 0.5, np.nan, np.inf, np.float16(1), np.uint64(2**64 - 1)]
    lists = [np.arange(3), np.zeros((2, 2), int), [2**40, 2**40, 2**40], [], [0.5], [-1, -1]]
    texts = [
        "text",
        np.bytes_("text"),
        np.bytes_(b"\xff\xfe"),
        "\n",
        "x" * 40_000,
        h5py.Empty("i8"),
    ]
    place_attribute(file, rng, pick(rng, [*numbers, *lists, *texts, np.ones(9000), True]))


def missing(file: h5py.File, rng: Rng) -> None:
    if rng.random() < 0.5:
        del file[pick(rng, items_of(file, object))]
        return
    holder, name = pick_attribute(file, rng)
    del file[holder].attrs[name]


def link(file: h5py.File, rng: Rng) -> None:
    name = pick(rng, items_of(file, object))
    targets = [h5py.SoftLink("/nowhere"), h5py.ExternalLink("/etc/hostname", "/"), file["/"]]
    del file[name]
    file[name] = pick(rng, [*targets, h5py.SoftLink("/"), np.dtype("<f8")])


def unknown_name(file: h5py.File, rng: Rng) -> None:
    names = ["extra", "007", "é\n", "a" * 9000, "000"]
    group = file[pick(rng, ["/", *items_of(file, h5py.Group)])]
    name = pick(rng, [name for name in names if name not in group])
    actions = [
        lambda: group.create_group(name),
        lambda: group.create_dataset(name, data=np.ones(2)),
        lambda: h5py.h5g.create(group.id, b"\xff\xfe"),  # no valid Unicode
    ]
    pick(rng, actions)()  # type: ignore[operator]


def nest(file: h5py.File, rng: Rng) -> None:
    depth = int(rng.integers(2, 300))
    file.create_group(f"layers/{'/'.join('g' * depth)}")


def rename(file: h5py.File, rng: Rng) -> None:
    old, new = (pick(rng, items_of(file, object)) for _ in range(2))
    if str(new).startswith(f"{old}/") or str(old).startswith(f"{new}/") or old == new:
        return
    del file[new]
    file.move(old, new)


BYTES: tuple[Callable[[bytearray, Rng], bytearray], ...] = (
    flip_bits,
    flip_bits,
    truncate,
    insert,
    leave_out,
    overwrite,
)
STRUCTURE: tuple[Callable[[h5py.File, Rng], None], ...] = (
    wrong_shape,
    wrong_type,
    huge_dataset,
    bomb,
    many_names,
    wrong_attribute,
    wrong_attribute,
    missing,
    link,
    unknown_name,
    nest,
    rename,
)
MUTATIONS = (*BYTES, *STRUCTURE)


def mutate(good: Path, folder: Path, seed: int) -> Path:
    """A damaged copy in `folder`, named by its seed and mutation."""
    rng = np.random.default_rng(seed)
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    path = folder / f"{seed:04d}-{mutation.__name__}.h5"
    if mutation in BYTES:
        path.write_bytes(mutation(bytearray(good.read_bytes()), rng))  # type: ignore[operator]
        return path
    shutil.copyfile(good, path)
    with h5py.File(path, "r+", libver=("v108", "v108")) as file:
        mutation(file, rng)  # type: ignore[operator]
    return path
