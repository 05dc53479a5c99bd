"""Weights by name: a state_dict put into a module, with one line for what does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

SHOWN = 3
"""Names that a message lists of each kind."""


def load_state(module: nn.Module, state: str | Path | Mapping[str, Any]) -> nn.Module:
    """Put a state_dict, or a file of one, into a module and return it.

    A file may hold it under the key "state_dict" or "model". Raises FileNotFoundError for a file
    that is not there and ValueError, in one line, for one that cannot be read without running code,
    and for names or shapes that are not the module's.
    """
    found = state if isinstance(state, Mapping) else _read(Path(state))
    where = "state_dict" if isinstance(state, Mapping) else f"state file {state}"
    inner = next((found[key] for key in ("state_dict", "model") if key in found), None)
    values = inner if isinstance(inner, Mapping) else found
    wanted = module.state_dict()
    # torch counts batches in it, and evaluation does not read the count
    needed = [name for name in wanted if not name.endswith("num_batches_tracked")]
    problems = [
        _listed("lacks", (name for name in needed if name not in values)),
        _listed("has more:", (name for name in values if name not in wanted)),
        _listed("differs in", _misfits(wanted, values)),
    ]
    if any(problems):
        raise ValueError(
            f"{where} {'; it '.join(filter(None, problems))}; make the module that it was saved "
            "from, or rename its entries"
        )
    module.load_state_dict(dict(values), strict=False)
    return module


def _misfits(wanted: Mapping[str, Any], values: Mapping[str, Any]) -> Iterable[str]:
    for name in wanted.keys() & values.keys():
        shapes = tuple(wanted[name].shape), tuple(getattr(values[name], "shape", ()))
        if shapes[0] != shapes[1]:
            yield f"{name} ({shapes[1]}, not {shapes[0]})"


def _listed(verb: str, names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{verb} {', '.join(found[:SHOWN])}{more}" if found else ""


def _read(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"state file {path} does not exist; save it with torch.save")
    if not path.is_file():
        raise ValueError(f"state file {path}: it is not a file; name the file itself")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything of what is damaged
        reason = (str(error).split("\n")[0] or type(error).__name__)[:120]
        raise ValueError(
            f"state file {path}: it cannot be read as weights alone ({reason}); save "
            "module.state_dict() with torch.save"
        ) from None
    if not isinstance(found, Mapping):
        raise ValueError(
            f"state file {path}: it holds a {type(found).__name__}, not weights by name; save "
            "module.state_dict()"
        )
    return found
