"""Network files: a float network and, if there is one, its integer network in one HDF5 file.

The layout is that of `onchip.deploy.files.codec` (root), `onchip.deploy.files.integer_codec`
(/fixed) and `onchip.deploy.files.netx` (/layer, for lava-dl's netx). Root attributes: `schema`
("onchip.network"), `schema_version` and `checksum`, the SHA-256 of everything else
(`onchip.deploy.files.tree.digest`). Files of version 1 hold a float network only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from onchip.deploy.files.codec import SCHEMA, VERSION, spec_to_tree, tree_to_spec
from onchip.deploy.files.hdf5_tree import open_file, read_tree, write_tree
from onchip.deploy.files.integer_codec import fixed_to_tree, tree_to_fixed
from onchip.deploy.files.netx import GROUP, REFUSED, add_netx
from onchip.deploy.files.tree import Node, digest
from onchip.deploy.offline import refuse_offline
from onchip.network.spec import NetworkSpec
from onchip.program.integer_spec import FixedNetworkSpec

_CHECKSUM = "checksum"


@dataclass(frozen=True)
class Bundle:
    """What a file holds: a float network `spec`, and `fixed`, the same network in integers or None.

    Raises ValueError when the two differ in input shape, time steps, a layer's name, shape, biases
    or recurrence, in which layers learn, or in mode and feedback.
    """

    spec: NetworkSpec
    fixed: FixedNetworkSpec | None = None

    def __post_init__(self) -> None:
        """Check that both describe the same network."""
        if self.fixed is None:
            return
        for name, ours, theirs in zip(
            ("input shape", "time steps", "layers", "plastic layers", "learning"),
            _outline(self.spec),
            _outline(self.fixed),
            strict=True,
        ):
            if ours != theirs:
                raise ValueError(
                    f"network: the {name} of the float network, {ours!s:.80}, differ from its "
                    f"integers', {theirs!s:.80}; quantize it again"
                )


def _outline(spec: NetworkSpec | FixedNetworkSpec) -> tuple[object, ...]:
    layers = [(layer.name, layer.weight.shape, layer.output_shape) for layer in spec.layers]
    parts = [(has_bias(layer), has_recurrence(layer)) for layer in spec.layers]
    learning = None if spec.learning is None else (spec.learning.mode, spec.learning.feedback)
    outline = list(zip(layers, parts, strict=True))
    return spec.input_shape, spec.time_steps, outline, spec.plastic_names, learning


def has_bias(layer: Any) -> bool:
    """Whether a layer has a bias: of the neurons or, in integers, of an always-on unit."""
    return layer.bias is not None or getattr(layer, "bias_weight", None) is not None


def has_recurrence(layer: Any) -> bool:
    """Whether a layer has recurrent weights; a convolution has none."""
    return getattr(layer, "recurrent_weight", None) is not None


def save_bundle(path: str | Path, bundle: Bundle) -> None:
    """Write a network file, all of it or nothing; float64 values and integers are kept exactly.

    Raises FileNotFoundError when the folder does not exist, ValueError for a folder as `path` and
    for names or metadata that a file cannot hold.
    """
    refuse_offline(bundle.spec, "save")
    root = _tree(bundle)
    if bundle.fixed is not None:
        add_netx(root, bundle.fixed)
    root.attributes[_CHECKSUM] = digest(root)
    write_tree(Path(path), root)


def _tree(bundle: Bundle) -> Node:
    """What a file holds of a bundle, without netx's part and the checksum."""
    root = spec_to_tree(bundle.spec)
    if bundle.fixed is not None:
        fixed_to_tree(bundle.fixed, root.add("fixed"))
    root.attributes |= {"schema": SCHEMA, "schema_version": VERSION}
    return root


def load_bundle(path: str | Path) -> Bundle:
    """Read a network file.

    Raises FileNotFoundError when there is no file, and ValueError, naming the file, the fault and
    the remedy, for anything else: a file that is not HDF5, is cut short, comes from another
    program or a newer version, does not match its checksum, or describes no valid network.
    """
    path = Path(path)
    root = _read_checked(path)
    try:
        fixed = root.children.get("fixed")
        bundle = Bundle(tree_to_spec(root), None if fixed is None else tree_to_fixed(fixed))
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"network file {path}: {_one_line(error)}; export the network again"
        ) from None
    _check_digest(path, root)
    _check_names(path, root, _tree(bundle))
    return bundle


def save_spec(path: str | Path, spec: NetworkSpec) -> None:
    """Write a file that holds a float network only; as `save_bundle`."""
    save_bundle(path, Bundle(spec))


def load_spec(path: str | Path) -> NetworkSpec:
    """The float network of a file; as `load_bundle`."""
    return load_bundle(path).spec


def check_netx(path: str | Path) -> None:
    """Raise ValueError, saying why, unless lava-dl's netx can run the file; else as `load_bundle`.

    netx itself fails on such a file, for want of the group /layer.
    """
    path = Path(path)
    root = _read_checked(path)
    _check_digest(path, root)
    if GROUP not in root.children:
        reason = root.attributes.get(REFUSED, "it holds no integer network; quantize it first")
        raise ValueError(f"network file {path}: netx cannot run it: {reason}")


class ForeignFileError(ValueError):
    """An intact HDF5 file that is not a network file."""


def _read_checked(path: Path) -> Node:
    """The tree in a file of a known schema; its checksum is not compared yet."""
    _check_is_hdf5(path)
    try:
        root = _read_root(path)
    except ForeignFileError:
        raise
    except MemoryError:
        size = path.stat().st_size
        raise ValueError(
            f"network file {path}: there is not enough memory for its {size} bytes; free some"
        ) from None
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"network file {path}: it is truncated or damaged ({_one_line(error)}); "
            "export the network again"
        ) from None
    _check_schema(path, root)
    return root


def _check_is_hdf5(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"network file {path} does not exist; make one with onchip export")
    if not path.is_file():
        raise ValueError(f"network file {path}: it is not a file; name the .h5 file itself")
    try:
        with path.open("rb") as file:  # the system's reason, where there is one, before HDF5's
            file.read(1)
        known = bool(h5py.is_hdf5(path))
    except OSError as error:
        raise ValueError(f"network file {path}: it cannot be read ({error.strerror})") from None
    if not known:
        raise ValueError(
            f"network file {path}: it is not an HDF5 file; make one with onchip export"
        )


def _read_root(path: Path) -> Node:
    with open_file(path) as file:
        foreign = "schema" not in file.attrs
    root = Node() if foreign else read_tree(path)
    if root.attributes.get("schema") != SCHEMA:
        raise ForeignFileError(
            f"network file {path}: it is an HDF5 file of another program (no schema "
            f"{SCHEMA!r}); make one with onchip export"
        )
    return root


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


def _check_names(path: Path, root: Node, known: Node) -> None:
    """Refuse what nothing here reads: whoever wrote it meant something by it."""
    beside = {_CHECKSUM, REFUSED, GROUP}
    unknown = [where for where in root.beyond(known) if where.lstrip("/") not in beside]
    if unknown:
        raise ValueError(
            f"network file {path}: {unknown[0]!r:.80} is unknown here; export the network again, "
            "or upgrade onchip"
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
