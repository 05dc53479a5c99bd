"""Checkpoints: everything that a run needs to go on, as plain tensors and JSON text.

A file holds no code (it is read with `weights_only=True`) and is written to a temporary name in the
same folder first, so that a file is whole or absent.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.architectures import build_model
from models.config import TrainingConfig, config_from_dict
from models.files import replace_file
from models.network import SpikingNetwork
from models.progress import write_log

LAST, BEST = "last.pt", "best.pt"
FORMAT = "onchip-checkpoint"
VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint.

    `epoch` counts the finished epochs; `history` has one JSON-able entry for each; `feedback` holds
    the fixed feedback tensors; `random_state` torch's generator (data order and augmentation are
    drawn from generators of their own, seeded by run and epoch, and torch's is seeded anew for each
    epoch); `metadata` is JSON-able provenance.
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

    def build(self) -> SpikingNetwork:
        """The network with the stored weights."""
        config = {k: _untuple(v) for k, v in self.architecture_config.items()}
        model = build_model(self.architecture, **config)
        return load_weights(model, self)


def save_checkpoint(path: Path | str, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, atomically."""
    text = {
        "architecture_config": checkpoint.architecture_config,
        "training": dataclasses.asdict(checkpoint.training),
        "history": checkpoint.history,
        "metadata": checkpoint.metadata,
    }
    plain = {f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(checkpoint)}
    plain.update({key: json.dumps(value) for key, value in text.items()})
    content = {"format": FORMAT, "version": VERSION, **plain}
    return replace_file(Path(path), lambda temporary: torch.save(content, temporary))


@dataclass(frozen=True)
class RunFiles:
    """What a run writes after every epoch; None for what it does not.

    `folder` gets `last.pt`, and `best.pt` where the test accuracy is the best so far; `out` is the
    last checkpoint, with the best beside it as NAME.best.pt; `log` is the CSV of `write_log`.
    """

    folder: Path | str | None = None
    out: Path | str | None = None
    log: Path | str | None = None

    def check(self) -> None:
        """Raise ValueError where a folder is in the place of a file."""
        for path in (self.out, self.log):
            if path is not None and Path(path).is_dir():
                raise ValueError(f"{path} is a folder; name a file to write")

    def write(self, checkpoint: Checkpoint) -> None:
        """Write all of them, each whole or not at all."""
        accuracies = [entry["test_accuracy"] for entry in checkpoint.history]
        for last, best in self._checkpoints():
            save_checkpoint(last, checkpoint)
            if accuracies[-1] > max(accuracies[:-1], default=-1.0):
                save_checkpoint(best, checkpoint)
        if self.log is not None:
            write_log(Path(self.log), checkpoint.history, checkpoint.training)

    def _checkpoints(self) -> list[tuple[Path, Path]]:
        """(last, best) pairs."""
        pairs = []
        if self.folder is not None:
            pairs.append((Path(self.folder) / LAST, Path(self.folder) / BEST))
        if self.out is not None:
            out = Path(self.out)
            pairs.append((out, out.with_name(f"{out.stem}.best{out.suffix}")))
        return pairs


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint; ValueError when the file is not one, FileNotFoundError when absent."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path}: there is no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # what the unpickler makes of other files raises anything
        content = None
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError(f"checkpoint {path}: it is not a whole {FORMAT} file; train it again")
    version = content.pop("version", None)
    if version != VERSION:
        raise ValueError(
            f"checkpoint {path}: its version is {version}, this program reads {VERSION}; "
            "use the program that wrote it"
        )
    for key in ("architecture_config", "training", "history", "metadata"):
        content[key] = json.loads(content[key])
    content["training"] = config_from_dict(content["training"])
    return Checkpoint(**content)


def load_weights(model: SpikingNetwork, checkpoint: Checkpoint) -> SpikingNetwork:
    """Put a checkpoint's weights into `model`; ValueError when the architectures differ."""
    theirs = (checkpoint.architecture, checkpoint.architecture_config)
    if theirs != (model.architecture, model.config):
        raise ValueError(
            f"checkpoint: it holds {_describe(*theirs)}, but the model is "
            f"{_describe(model.architecture, model.config, theirs[1])}; "
            "build the model with the checkpoint's configuration"
        )
    model.load_state_dict(checkpoint.model)
    return model


def _describe(name: str, config: dict[str, Any], other: dict[str, Any] | None = None) -> str:
    shown = ("input_shape", "classes", "hidden", "channels")
    keys = [k for k in config if k in shown or (other is not None and other.get(k) != config[k])]
    return f"{name or 'unnamed'}({', '.join(f'{key}={config[key]}' for key in keys)})"


def _untuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
