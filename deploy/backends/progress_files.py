"""Files that a network on a backend is saved to in the middle of a stream, and resumed from.

The format is that of `onchip.files.sealed_arrays`: `about` (format, version, the network's
fingerprint, backend, schedule, samples so far, learning rates) and the arrays of the state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from onchip.files.sealed_arrays import pack, unpack
from onchip.files.targets import naming
from onchip.files.writing import write_bytes
from onchip.network.graph import Network
from onchip.network.parts import Connection
from onchip.program.graphs import AnyNetwork, as_graph

FORMAT, VERSION = "onchip-stream", 1


@dataclass(frozen=True)
class Progress:
    """How far a network has come.

    `settings` are what it is known by again, `samples` those it has gone through, `has_run` whether
    it ran any step, `rates` the learning rates that were set since it was built (None: none were),
    `state` its arrays by name.
    """

    settings: Mapping[str, str]
    samples: int
    has_run: bool
    rates: float | Mapping[str, float] | None
    state: Mapping[str, np.ndarray]


def save_progress(path: Path, progress: Progress) -> None:
    """Write the file, all of it or nothing."""
    about = {
        "format": FORMAT,
        "version": VERSION,
        "settings": dict(progress.settings),
        "samples": progress.samples,
        "has_run": progress.has_run,
        "rates": dict(progress.rates) if isinstance(progress.rates, Mapping) else progress.rates,
    }
    write_bytes(path, pack(about, progress.state))


def load_progress(path: Path, settings: Mapping[str, str]) -> Progress:
    """Read the file of a network with these settings.

    Raises FileNotFoundError where there is none, and ValueError, naming the file, for one that is
    damaged or of other settings; the message names both values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"stream {path} does not exist; save one with Execution.save")
    with naming(path):
        data = path.read_bytes()
    try:
        about, state = unpack(data)
        if about["format"] != FORMAT or about["version"] != VERSION:
            raise ValueError(f"format {about['format']}, version {about['version']}")
        kept, rates = about["settings"], about["rates"]
        found = Progress(kept, int(about["samples"]), bool(about["has_run"]), rates, state)
    except Exception as error:  # what a file that is none of ours makes of NumPy raises anything
        raise ValueError(
            f"stream {path}: it is damaged or none ({error}); resume from another"
        ) from None
    for name, value in settings.items():
        if kept.get(name) != value:
            raise ValueError(
                f"stream {path}: it was saved with {name} {kept.get(name)!r:.80}, here it is "
                f"{value!r:.80}; build the same network on the same backend"
            )
    return found


def fingerprint(network: AnyNetwork) -> str:
    """SHA-256 (hexadecimal) of a network without what learning and other rates change of it."""
    total = hashlib.sha256()
    _add(total, _fixed(as_graph(network)))
    return total.hexdigest()


def _fixed(network: Network) -> tuple[Any, ...]:
    connections = tuple(map(_fixed_part, network.connections))
    return (
        network.populations,
        connections,
        network.input_shape,
        network.time_steps,
        network.learning,
        getattr(network, "seed", 0),
    )


def _fixed_part(connection: Connection) -> Any:
    """A connection; one that learns without its weights and rate."""
    if not connection.plastic:
        return connection
    rule = connection.rule and replace(connection.rule, learning_rate=1.0)
    ends = connection.source, connection.target, connection.delay
    transform: Any = connection.transform
    empty = replace(transform, weight=np.zeros(transform.weight.shape))
    return (*ends, empty, rule, getattr(connection, "exponent", 0))


def _add(total: Any, value: Any) -> None:
    """Hash a value: dataclasses by their fields, arrays by their bytes, all else by its text."""
    total.update(f"<{type(value).__name__}".encode())
    if isinstance(value, np.ndarray):
        total.update(f"{value.dtype.str}{value.shape}".encode())
        total.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            total.update(f".{field.name}".encode())
            _add(total, getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for entry in value:
            _add(total, entry)
    elif isinstance(value, Mapping):
        for name in sorted(value):
            _add(total, (name, value[name]))
    else:
        total.update(repr(value).encode())
    total.update(b">")
