"""Networks in files: their settings, weights and running statistics, and where they come from.

A file is torch's zip format and holds plain tensors and JSON text; it is read with
`weights_only=True` and ends with a digest of all that is in it (`onchip.files.seal`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from onchip.files.seal import check_seal, is_sealed, seal
from onchip.files.targets import naming
from onchip.files.writing import write_bytes
from onchip.models.tdbn.networks import TdBNConfig, TdBNNetwork

FORMAT = "onchip-tdbn"
VERSION = 1
_AGAIN = "take another copy of it, or train again"


def save_network(
    path: Path | str, network: TdBNNetwork, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write `network`, all of it or nothing; `metadata` is JSON-able."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "config": json.dumps(asdict(network.config)),
        "metadata": json.dumps(dict(metadata or {}), allow_nan=False),
        "weights": network.state_dict(),
    }
    file = io.BytesIO()
    torch.save(content, file)
    write_bytes(path, seal(file.getvalue()))


def load_network(path: Path | str) -> TdBNNetwork:
    """The network of a file; see `load_network_and_metadata`."""
    return load_network_and_metadata(path)[0]


def load_network_and_metadata(path: Path | str) -> tuple[TdBNNetwork, dict[str, Any]]:
    """The network of a file, in the type that it was saved in, and its metadata.

    Raises FileNotFoundError where there is no file, and ValueError, naming it and what to do, for
    one that is damaged, of another program or of a newer version.
    """
    path = Path(path)
    content = _content(path)
    if content.get("version") != VERSION:
        raise ValueError(
            f"network {path}: its version is {content.get('version')!r:.40}, this program reads "
            f"{VERSION}; use the program that wrote it"
        )
    try:
        network = TdBNNetwork(TdBNConfig(**json.loads(content["config"])))
        weights = content["weights"]
        network.to(weights["readout.connection.weight"].dtype).load_state_dict(weights)
        return network, json.loads(content["metadata"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise ValueError(f"network {path}: it describes no network ({why}); {_AGAIN}") from None


def is_tdbn_file(path: Path | str) -> bool:
    """Whether this is a file of `save_network`, damaged or not; False for what cannot be read."""
    if not Path(path).is_file():
        return False  # a named pipe would be waited for
    try:
        return FORMAT.encode() in Path(path).read_bytes()
    except OSError:
        return False


def _content(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"network {path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"network {path}: it is not a file; name the network's own")
    with naming(path):
        data = path.read_bytes()
    content = None
    if is_sealed(data):
        try:
            check_seal(data)
        except ValueError as error:
            raise ValueError(
                f"network {path}: {error}; it was damaged or edited: {_AGAIN}"
            ) from None
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(
            f"network {path}: it is not a whole {FORMAT} file; name one that python -m "
            "onchip.models.tdbn wrote"
        )
    return content
