"""Modules of torch in files: settings, weights, and where they come from.

A file is torch's zip format and holds plain tensors and JSON text; it is read with
`weights_only=True` and ends with a digest of all that is in it (`onchip.files.seal`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from onchip.files.seal import check_seal, is_sealed, seal
from onchip.files.targets import naming
from onchip.files.writing import write_bytes

AnyModule = TypeVar("AnyModule", bound=nn.Module)

_AGAIN = "take another copy of it, or train again"


@dataclass(frozen=True)
class ModuleFiles(Generic[AnyModule]):
    """Files of one kind of module.

    `format` is the kind's name in the file, `version` of what is written and read, `program` the
    command that writes them, `build` makes a module from its settings, `dtype_of` names the weight
    whose type is the module's.
    """

    format: str
    version: int
    program: str
    build: Callable[[dict[str, Any]], AnyModule]
    dtype_of: str

    def save(
        self,
        path: Path | str,
        module: AnyModule,
        config: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Write `module`, all of it or nothing; `config` and `metadata` are JSON-able."""
        content = {
            "format": self.format,
            "version": self.version,
            "config": json.dumps(dict(config)),
            "metadata": json.dumps(dict(metadata or {}), allow_nan=False),
            "weights": module.state_dict(),
        }
        file = io.BytesIO()
        torch.save(content, file)
        write_bytes(path, seal(file.getvalue()))

    def load(self, path: Path | str) -> tuple[AnyModule, dict[str, Any]]:
        """The module of a file, in the type that it was saved in, and its metadata.

        Raises FileNotFoundError where there is no file, and ValueError, naming it and what to do,
        for one that is damaged, of another program or of a newer version.
        """
        path = Path(path)
        content = self._content(path)
        if content.get("version") != self.version:
            raise ValueError(
                f"network {path}: its version is {content.get('version')!r:.40}, this program "
                f"reads {self.version}; use the program that wrote it"
            )
        try:
            module = self.build(json.loads(content["config"]))
            weights = content["weights"]
            module.to(weights[self.dtype_of].dtype).load_state_dict(weights)
            return module, json.loads(content["metadata"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise ValueError(f"network {path}: it describes no network ({why}); {_AGAIN}") from None

    def are(self, path: Path | str) -> bool:
        """Whether this is such a file, damaged or not; False for what cannot be read."""
        if not Path(path).is_file():
            return False  # a named pipe would be waited for
        try:
            return self.format.encode() in Path(path).read_bytes()
        except OSError:
            return False

    def _content(self, path: Path) -> dict[str, Any]:
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
        if not isinstance(content, dict) or content.get("format") != self.format:
            raise ValueError(
                f"network {path}: it is not a whole {self.format} file; name one that "
                f"{self.program} wrote"
            )
        return content
