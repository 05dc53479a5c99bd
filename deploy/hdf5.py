"""Network files: a specification in HDF5, with a versioned schema and a checksum, no pickles.

The layout is `deploy.schema`'s. Root attributes: `schema` ("onchip.network"), `schema_version` and
`checksum`, the SHA-256 of everything else (`deploy.tree.digest`). Files use the HDF5 1.8 format,
whose metadata blocks carry checksums of their own, strings of fixed length and contiguous arrays,
so that damage anywhere is found and not followed. Nothing larger than the file is ever allocated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from deploy.atomic import atomic_path
from deploy.schema import SCHEMA, VERSION, spec_to_tree, tree_to_spec
from deploy.tree import Node, Value, digest
from onchip.spec import NetworkSpec

_FORMAT = ("v108", "v108")
_CHECKSUM = "checksum"
_MAX_DEPTH = 4  # /learning/feedback_matrices/000 is the deepest group
_MAX_OBJECTS = 100_000


def save_spec(path: str | Path, spec: NetworkSpec) -> None:
    """Write a network file, all of it or nothing; float64 values are kept exactly.

    Raises FileNotFoundError when the folder does not exist, ValueError for a folder as `path` and
    for names or metadata that a file cannot hold.
    """
    root = spec_to_tree(spec)
    root.attributes |= {"schema": SCHEMA, "schema_version": VERSION}
    root.attributes[_CHECKSUM] = digest(root)
    with atomic_path(path) as temporary, h5py.File(temporary, "w", libver=_FORMAT) as file:
        _write_node(file, root)


def load_spec(path: str | Path) -> NetworkSpec:
    """Read a network file.

    Raises FileNotFoundError when there is no file, and ValueError, naming the file, the fault and
    the remedy, for anything else: a file that is not HDF5, is cut short, comes from another
    program or a newer version, does not match its checksum, or describes no valid network.
    """
    path = Path(path)
    _check_is_hdf5(path)
    try:
        root = _read_root(path)
    except _Foreign:
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise ValueError(
            f"network file {path}: it is truncated or damaged ({_one_line(error)}); "
            "export the network again"
        ) from None
    _check_schema(path, root)
    try:
        spec = tree_to_spec(root)
    except ValueError as error:
        raise ValueError(f"network file {path}: {error}; export the network again") from None
    _check_digest(path, root)
    return spec


class _Foreign(ValueError):
    """An intact HDF5 file that is not a network file."""


def _check_is_hdf5(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"network file {path} does not exist; make one with onchip export")
    if not path.is_file():
        raise ValueError(f"network file {path}: it is not a file; name the .h5 file itself")
    try:
        known = bool(h5py.is_hdf5(path))
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(f"network file {path}: it cannot be read ({error.strerror})") from None
    if not known:
        raise ValueError(
            f"network file {path}: it is not an HDF5 file; make one with onchip export"
        )


def _check_schema(path: Path, root: Node) -> None:
    version = root.attributes.get("schema_version")
    if type(version) is not int or version < 1:
        raise ValueError(
            f"network file {path}: its schema_version is {version!r:.60}; export the network again"
        )
    if version > VERSION:
        raise ValueError(
            f"network file {path}: schema version {version} is newer than {VERSION}, the newest "
            "known here; upgrade onchip"
        )


def _check_digest(path: Path, root: Node) -> None:
    stated = root.attributes.get(_CHECKSUM)
    if stated is None:
        raise ValueError(f"network file {path}: attribute 'checksum' is missing; export it again")
    if stated != digest(root, leave_out=(_CHECKSUM,)):
        raise ValueError(
            f"network file {path}: its content does not match its checksum; it was damaged or "
            "edited, export the network again"
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# -- writing ------------------------------------------------------------------------------------


def _write_node(group: h5py.Group, node: Node) -> None:
    for name, value in node.attributes.items():
        _write_attribute(group, node, name, value)
    for name, array in node.arrays.items():
        group.create_dataset(name, data=np.asarray(array, dtype="<f8"))
    for name, child in node.children.items():
        _write_node(group.create_group(name), child)


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


# -- reading ------------------------------------------------------------------------------------


@dataclass
class _Limits:
    """What a file of this size can hold: no allocation beyond it, and no endless walk."""

    size: int
    objects: int = field(default=0)

    def count(self) -> None:
        self.objects += 1
        if self.objects > _MAX_OBJECTS:
            raise ValueError(f"it has more than {_MAX_OBJECTS} objects")

    def check(self, what: str, wanted: int) -> None:
        if wanted > self.size:
            raise ValueError(f"{what} claims {wanted} bytes in a file of {self.size}")


def _read_root(path: Path) -> Node:
    with h5py.File(path, "r") as file:
        if _schema_name(file) != SCHEMA:
            raise _Foreign(
                f"network file {path}: it is an HDF5 file of another program (no schema "
                f"{SCHEMA!r}); make one with onchip export"
            )
        return _read_node(file, Node(), _Limits(path.stat().st_size), 0)


def _schema_name(file: h5py.File) -> str | None:
    if "schema" not in file.attrs:
        return None
    name = file.attrs["schema"]
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _read_node(group: h5py.Group, node: Node, limits: _Limits, depth: int) -> Node:
    if depth > _MAX_DEPTH:
        raise ValueError(f"groups are nested more than {_MAX_DEPTH} deep")
    for name in group.attrs:
        limits.count()
        node.attributes[name] = _read_attribute(group, name, limits)
    for name in group:
        limits.count()
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
    limits.check(f"attribute {name!r}", int(np.prod(attribute.shape or (1,), dtype=object)))
    limits.check(f"attribute {name!r}", attribute.get_storage_size())
    value = group.attrs[name]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, bool, np.bool_)):
        return value if isinstance(value, str) else bool(value)
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1:
        return [int(number) for number in value]
    raise ValueError(f"attribute {name!r} has the unexpected type {type(value).__name__}")


def _read_array(dataset: h5py.Dataset, limits: _Limits) -> np.ndarray:
    where = f"dataset {dataset.name}"
    if dataset.dtype != np.dtype("<f8"):
        raise ValueError(f"{where} has type {dataset.dtype}; it must be float64")
    if dataset.shape is None or dataset.is_virtual or dataset.external:
        raise ValueError(f"{where} is empty or keeps its values in another file")
    limits.check(where, int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize)
    return dataset[()]
