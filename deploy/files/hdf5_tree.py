"""Trees in HDF5 files: nothing in a file is believed before it is checked, and no pickles.

Files use the HDF5 1.8 format, whose metadata blocks carry checksums of their own, strings of fixed
length and contiguous arrays, so that damage anywhere is found and not followed. Whatever else HDF5
can hold (chunks, filters, links, values in other files, strings in heaps) is refused, and all
arrays and attributes together may claim no more bytes than the file has.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from onchip.deploy.files.tree import FLOATS, INTEGERS, Node, Value
from onchip.files.writing import write_bytes

_FORMAT = ("v108", "v108")
_LAYOUTS = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
_MAX_DEPTH = 8  # /fixed/layers/000/plasticity/rate has 5; more is for parts of one's own
_MAX_OBJECTS = 100_000
_MAX_TEXT = 64  # bytes of a dataset that is a text


def write_tree(path: Path, root: Node) -> None:
    """Write the file, all of it or nothing; ValueError for names and texts that it cannot hold."""
    write_bytes(path, tree_to_bytes(root))


def tree_to_bytes(root: Node) -> bytes:
    """The file's content; ValueError for names and texts that it cannot hold.

    It is made in memory: HDF5 does not survive a full disk.
    """
    content = io.BytesIO()
    with h5py.File(content, "w", libver=_FORMAT) as file:
        _write_node(file, root, 0)
    return content.getvalue()


def read_tree(path: Path) -> Node:
    """Read the file; raises what h5py raises, or ValueError, for a file that is damaged."""
    with open_file(path) as file:
        return _read_node(file, Node(), _Limits(path.stat().st_size), 0)


def open_file(path: Path) -> h5py.File:
    """The file, read into memory: without HDF5's locks, and whatever else is done to it."""
    return h5py.File(io.BytesIO(path.read_bytes()), "r")


def _write_node(group: h5py.Group, node: Node, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"{node.path}: groups are nested more than {_MAX_DEPTH} deep")
    for name, value in node.attributes.items():
        _write_attribute(group, node, name, value)
    for name, array in node.arrays.items():
        group.create_dataset(name, data=array)
    for name, child in node.children.items():
        _write_node(group.create_group(name), child, depth + 1)


def _write_attribute(group: h5py.Group, node: Node, name: str, value: Value) -> None:
    if isinstance(value, str):
        group.attrs[name] = _fixed_string(value, f"{node.path} {name}")
    elif isinstance(value, list):
        group.attrs[name] = np.asarray(value, dtype="<i8")
    else:
        group.attrs[name] = value


def _fixed_string(text: str, where: str) -> np.ndarray:
    """A string of fixed length: those of variable length lie in a heap without checksums."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{where}: {text!r:.60} is not valid Unicode; rename it") from None
    if b"\0" in data:
        raise ValueError(f"{where}: {text!r:.60} contains a null character; rename it")
    return np.array(data, dtype=h5py.string_dtype("utf-8", max(1, len(data))))


@dataclass
class _Limits:
    """What a file of this size can hold: no allocation beyond it, and no endless walk."""

    size: int
    claimed: int = field(default=0)
    objects: int = field(default=0)

    def count(self, name: str | bytes) -> None:
        """One more object or attribute of this name; h5py gives bytes where it is no Unicode."""
        if isinstance(name, bytes):
            raise ValueError(f"the name {name!r} is not valid Unicode")
        self.objects += 1
        if self.objects > _MAX_OBJECTS:
            raise ValueError(f"it has more than {_MAX_OBJECTS} objects")

    def claim(self, what: str, shape: tuple[int, ...], itemsize: int) -> None:
        """Values that are to be read: all together they must fit into the file."""
        wanted = int(np.prod(shape, dtype=object)) * itemsize
        self.claimed += wanted
        if self.claimed > self.size:
            raise ValueError(f"{what} claims {wanted} bytes in a file of {self.size}")


def _read_node(group: h5py.Group, node: Node, limits: _Limits, depth: int) -> Node:
    if depth > _MAX_DEPTH:
        raise ValueError(f"groups are nested more than {_MAX_DEPTH} deep")
    for name in group.attrs:
        limits.count(name)
        node.attributes[name] = _read_attribute(group, name, limits)
    for name in group:
        limits.count(name)
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{node.path}/{name} is a link to elsewhere")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            node.arrays[name] = _read_array(item, limits)
        elif isinstance(item, h5py.Group):
            _read_node(item, node.add(name), limits, depth + 1)
        else:
            raise ValueError(f"{node.path}/{name} is neither a group nor a dataset")
    return node


def _read_attribute(group: h5py.Group, name: str, limits: _Limits) -> Value:
    attribute = group.attrs.get_id(name)
    kind = attribute.dtype.kind
    if attribute.shape is None or len(attribute.shape) > 1 or kind not in "biufS":
        raise ValueError(f"attribute {name!r} has the unexpected type {attribute.dtype}")
    limits.claim(f"attribute {name!r}", attribute.shape, attribute.dtype.itemsize)
    value = np.empty(attribute.shape, attribute.dtype)
    attribute.read(value)
    if value.ndim == 0:
        return value.item().decode() if kind == "S" else value.item()
    if kind in "iu":
        return [int(number) for number in value]
    raise ValueError(f"attribute {name!r} has the unexpected type {attribute.dtype}")


def _read_array(dataset: h5py.Dataset, limits: _Limits) -> np.ndarray:
    where = f"dataset {dataset.name}"
    kind = dataset.dtype
    short = kind.kind == "S" and kind.itemsize <= _MAX_TEXT and dataset.shape == ()
    if kind not in (FLOATS, INTEGERS) and not short:
        raise ValueError(f"{where} has type {kind}; it must be float64 or int32")
    if dataset.shape is None or dataset.is_virtual or dataset.external:
        raise ValueError(f"{where} is empty or keeps its values in another file")
    limits.claim(where, dataset.shape, kind.itemsize)
    properties = dataset.id.get_create_plist()
    if properties.get_layout() not in _LAYOUTS or properties.get_nfilters():
        raise ValueError(f"{where} is chunked or compressed; a network file's are not")
    return np.asarray(dataset[()])
