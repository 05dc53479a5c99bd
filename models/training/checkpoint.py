"""Checkpoints: everything that a run needs to go on, as plain tensors and JSON text.

A file is torch's zip format, holds no code (it is read with `weights_only=True`) and ends with a
digest of everything in it (`onchip.files.seal`), which is compared before anything else is read.
Files of version 1 have none; of them the archive's own checksums are compared.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from onchip.files.seal import check_seal, is_sealed, seal
from onchip.files.targets import naming
from onchip.files.writing import write_bytes
from onchip.models.architectures.table import build_model
from onchip.models.config import TrainingConfig, config_from_dict
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.checkpoint_fields import check_fields, require_fitting

FORMAT = "onchip-checkpoint"
VERSION = 2
_TEXTS = ("architecture_config", "training", "history", "metadata")
_AGAIN = "take another copy of it, or train again"


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint.

    `epoch` counts the finished epochs; `history` has one JSON-able entry for each; `feedback` holds
    the fixed feedback tensors; `random_state` torch's generator (data order and augmentation are
    drawn from generators of their own, seeded by run and epoch, and torch's is seeded anew for each
    epoch); `metadata` is JSON-able provenance. `source` is what messages call it, in no file.
    """

    architecture: str
    architecture_config: dict[str, Any]
    training: TrainingConfig
    epoch: int
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    feedback: dict[str, Tensor]
    random_state: Tensor
    history: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    source: str = field(default="checkpoint", compare=False)

    def build(self) -> SpikingNetwork:
        """The network with the stored weights; ValueError where they are not those of one."""
        config = {k: _untuple(v) for k, v in self.architecture_config.items()}
        try:
            model = build_model(self.architecture, **config)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.source}: it describes no network ({error})") from None
        return load_weights(model, self)


def save_checkpoint(path: Path | str, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, all of it or nothing; as `onchip.files.writing.write_bytes`."""
    write_bytes(path, checkpoint_bytes(checkpoint))
    return Path(path)


def checkpoint_bytes(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as its file holds it; made in memory, as torch does not survive a full disk."""
    names = [f.name for f in dataclasses.fields(checkpoint) if f.name != "source"]
    plain = {name: getattr(checkpoint, name) for name in names}
    plain["training"] = dataclasses.asdict(checkpoint.training)
    plain.update({name: json.dumps(plain[name]) for name in _TEXTS})
    file = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, **plain}, file)
    return seal(file.getvalue())


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint.

    Raises FileNotFoundError where there is no file, and ValueError, naming the file and what to do,
    for anything else: a file that is damaged, comes from another program or a newer version, or
    whose fields are missing, unknown or of a wrong type.
    """
    path = Path(path)
    source = f"checkpoint {path}"
    content, sealed = _read(path, source)
    version = content.pop("version", None)
    if type(version) is not int or version not in (1, VERSION):
        raise ValueError(
            f"{source}: its version is {version!r:.40}, this program reads {VERSION}; "
            "use the program that wrote it"
        )
    if version != 1 and not sealed:
        raise ValueError(f"{source}: its digest is missing, so it was edited; {_AGAIN}")
    try:
        fields = check_fields(content, _TEXTS)
        training = config_from_dict(fields.pop("training"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{source}: {error}; {_AGAIN}") from None
    return Checkpoint(**fields, training=training, source=source)


def load_weights(model: SpikingNetwork, checkpoint: Checkpoint) -> SpikingNetwork:
    """Put a checkpoint's weights into `model`; ValueError when the architectures differ."""
    theirs = (checkpoint.architecture, checkpoint.architecture_config)
    if theirs != (model.architecture, model.config):
        raise ValueError(
            f"{checkpoint.source}: it holds {_describe(*theirs)}, but the model is "
            f"{_describe(model.architecture, model.config, theirs[1])}; "
            "build the model with the checkpoint's configuration"
        )
    require_fitting(model, checkpoint.model, checkpoint.source)
    model.load_state_dict(checkpoint.model)
    return model


def _read(path: Path, source: str) -> tuple[dict[str, Any], bool]:
    """(what the file holds, without its format; whether its digest was right)."""
    data = _file_bytes(path, source)
    sealed = is_sealed(data)
    if sealed:
        try:
            check_seal(data)
        except ValueError as error:
            raise ValueError(f"{source}: {error}; it was damaged or edited: {_AGAIN}") from None
    else:
        _check_archive(data, source)
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # what the unpickler makes of other files raises anything
        content = None
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError(
            f"{source}: it is not a whole {FORMAT} file but another one of torch's "
            f"({_inside(content)}); name one that onchip train wrote, or load its weights into a "
            "network of onchip.models.build_model"
        )
    return content, sealed


def _file_bytes(path: Path, source: str) -> bytes:
    if not path.exists():
        raise FileNotFoundError(f"{source}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{source}: it is not a file; name the checkpoint itself")
    with naming(path):
        return path.read_bytes()


def _check_archive(data: bytes, source: str) -> None:
    """Refuse what has no digest and is no sound archive either, as torch would believe it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            stored = all(info.compress_type == zipfile.ZIP_STORED for info in infos)
            sound = (
                stored and sum(i.file_size for i in infos) <= len(data) and not archive.testzip()
            )
    except Exception:  # what damage makes of an archive raises anything
        sound = False
    if not sound:
        raise ValueError(
            f"{source}: it is not a whole {FORMAT} file, or it was damaged; name one that onchip "
            f"train wrote, {_AGAIN}"
        )


def _inside(content: object) -> str:
    """A few words on what a file of torch's holds."""
    if not isinstance(content, dict):
        return "its content is not plain tensors"
    tensors = all(isinstance(value, Tensor) for value in content.values())
    kind = "a state_dict" if content and tensors else "a dictionary"
    return f"{kind} of {len(content)} entries, {', '.join(map(repr, list(content)[:3]))!s:.80}"


def _describe(name: str, config: dict[str, Any], other: dict[str, Any] | None = None) -> str:
    shown = ("input_shape", "classes", "hidden", "channels")
    keys = [k for k in config if k in shown or (other is not None and other.get(k) != config[k])]
    return f"{name or 'unnamed'}({', '.join(f'{key}={config[key]}' for key in keys)})"


def _untuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
