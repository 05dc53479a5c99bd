"""Network files: a float network and, if there is one, its integer network in one HDF5 file.

The layout is that of `onchip.deploy.files.codec` (root, and /fixed) and of
`onchip.deploy.files.netx` (/layer, for lava-dl's netx); `onchip.deploy.files.versions` reads those
of earlier releases. Root attributes: `schema` ("onchip.network"), `schema_version` and `checksum`,
the SHA-256 of everything else (`onchip.deploy.files.tree.digest`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py

from onchip.deploy.files import codec, versions
from onchip.deploy.files.hdf5_tree import open_file, read_tree, write_tree
from onchip.deploy.files.netx import GROUP, REFUSED, add_netx
from onchip.deploy.files.tables import FloatNetwork, IntegerNetwork
from onchip.deploy.files.tree import Node, digest
from onchip.deploy.offline import refuse_offline
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON
from onchip.program.graphs import as_graph

_CHECKSUM, _SCHEMA, _VERSION = "checksum", "schema", "schema_version"
_FIXED = "fixed"


@dataclass(frozen=True)
class Bundle:
    """What a file holds: a float network `spec`, and `fixed`, the same network in integers or None.

    Raises ValueError when the two differ in input shape, time steps, the names, shapes or biases of
    layers, what they read, in which layers learn, or in mode and feedback.
    """

    spec: FloatNetwork
    fixed: IntegerNetwork | None = None

    def __post_init__(self) -> None:
        """Check that both describe the same network."""
        if self.fixed is None:
            return
        for name, ours, theirs in zip(
            ("input shape", "time steps", "layers", "connections", "plastic layers", "learning"),
            _outline(self.spec),
            _outline(self.fixed),
            strict=True,
        ):
            if ours != theirs:
                raise ValueError(
                    f"network: the {name} of the float network, {ours!s:.80}, differ from its "
                    f"integers', {theirs!s:.80}; quantize it again"
                )


def _outline(network: FloatNetwork | IntegerNetwork) -> tuple[object, ...]:
    graph = as_graph(network)
    biased = {c.target for c in graph.connections if c.source == ALWAYS_ON}
    biased |= {p.name for p in graph.populations if getattr(p, "bias", None) is not None}
    layers = [(p.name, p.shape, p.name in biased) for p in graph.populations]
    connections = [
        (c.source, c.target, c.delay, c.transform.weight.shape)
        for c in graph.connections
        if c.source != ALWAYS_ON
    ]
    learning = None if graph.learning is None else (graph.learning.mode, graph.learning.feedback)
    sizes = graph.input_shape, graph.time_steps
    return *sizes, layers, connections, graph.plastic_names, learning


def save_bundle(path: str | Path, bundle: Bundle) -> None:
    """Write a network file, all of it or nothing; float64 values and integers are kept exactly.

    Raises FileNotFoundError when the folder does not exist, ValueError for a folder as `path` and
    for names or metadata that a file cannot hold.
    """
    refuse_offline(bundle.spec, "save")
    root = _tree(bundle)
    if isinstance(bundle.fixed, Network):
        root.attributes[REFUSED] = "the network is a graph, and netx takes chains of layers"
    elif bundle.fixed is not None:
        add_netx(root, bundle.fixed)
    root.attributes[_CHECKSUM] = digest(root)
    write_tree(Path(path), root)


def _tree(bundle: Bundle) -> Node:
    """What a file holds of a bundle, without netx's part and the checksum."""
    root = codec.network_to_tree(bundle.spec)
    if bundle.fixed is not None:
        codec.network_to_tree(bundle.fixed, root.add(_FIXED))
    root.attributes |= {_SCHEMA: codec.SCHEMA, _VERSION: codec.VERSION}
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
        bundle = _bundle(root)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"network file {path}: {_one_line(error)}; export the network again"
        ) from None
    _check_digest(path, root)
    _check_names(path, root)
    return bundle


def _bundle(root: Node) -> Bundle:
    """The networks in a tree, of whatever version."""
    fixed = root.optional_child(_FIXED)
    if root.attributes[_VERSION] == codec.VERSION:
        return Bundle(
            codec.tree_to_spec(root), None if fixed is None else codec.tree_to_fixed(fixed)
        )
    return Bundle(
        versions.read_float_network(root),
        None if fixed is None else versions.read_integer_network(fixed),
    )


def save_spec(path: str | Path, spec: FloatNetwork) -> None:
    """Write a file that holds a float network only; as `save_bundle`."""
    save_bundle(path, Bundle(spec))


def load_spec(path: str | Path) -> FloatNetwork:
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
        foreign = _SCHEMA not in file.attrs
    root = Node() if foreign else read_tree(path)
    if root.attributes.get(_SCHEMA) != codec.SCHEMA:
        raise ForeignFileError(
            f"network file {path}: it is an HDF5 file of another program (no schema "
            f"{codec.SCHEMA!r}); make one with onchip export"
        )
    return root


def _check_schema(path: Path, root: Node) -> None:
    version = root.attributes.get(_VERSION)
    if type(version) is not int or version < 1:
        raise ValueError(
            f"network file {path}: its schema_version is {version!r:.60}; export the network again"
        )
    if version > codec.VERSION:
        raise ValueError(
            f"network file {path}: schema version {version} is newer than {codec.VERSION}, "
            "the newest known here; upgrade onchip"
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


def _check_names(path: Path, root: Node) -> None:
    """Refuse what nothing here reads: whoever wrote it meant something by it."""
    beside = {_CHECKSUM, _SCHEMA, _VERSION, REFUSED, GROUP}
    unknown = [where for where in root.unread() if where.lstrip("/") not in beside]
    if unknown:
        raise ValueError(
            f"network file {path}: {unknown[0]!r:.80} is unknown here; export the network again, "
            "or upgrade onchip"
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
