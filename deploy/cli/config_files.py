"""`--config FILE`: a command's options from a TOML file, or from the results of an earlier run.

A file holds options by their names without dashes, `learning-rate = 0.05`, arguments without
dashes by the names that the help shows, at the top or in a table of the command's name. Options on
the command line win. `options_of` is what a result keeps, so that `--config results.json` runs it
again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RESULT_KEYS = ("command", "options")
"""What a result has of the run that made it."""

FILES = ("out", "resume", "log", "tensorboard")
"""What a resumed training does not take over: the files that it reads and writes."""

_OWN = ("help", "config", "json", "version")


def file_of(option: str, arguments: Sequence[str]) -> Path | None:
    """Return the file that an option names among a command's words, if any."""
    found = None
    for word, following in itertools.pairwise([*arguments, ""]):
        if word == option:
            found = Path(following)
        elif word.startswith(f"{option}="):
            found = Path(word.removeprefix(f"{option}="))
    return found


def apply_config(path: Path, command: str, parser: argparse.ArgumentParser) -> None:
    """Make the values of a file the defaults of a command's parser.

    Raises FileNotFoundError where there is none, and ValueError, naming the file and the option,
    for what cannot be read, unknown options and values of a type that an option cannot have.
    """
    set_defaults(f"config {path}", _values(path, command), command, parser)


def set_defaults(
    where: str, values: Mapping[str, Any], command: str, parser: argparse.ArgumentParser
) -> None:
    """Make values the defaults of a command's parser; errors say `where` they come from."""
    actions = actions_of(parser)
    for name, value in values.items():
        action = actions.get(name.replace("_", "-"))
        if action is None:
            known = ", ".join(sorted(actions))
            raise ValueError(f"{where}: onchip {command} has no {name!r}; it has {known}")
        action.default = _default(where, name, action, value)
        action.required = False
        if not action.option_strings and action.nargs is None:
            action.nargs = "?"


def resumed_options(path: Path) -> dict[str, Any]:
    """Return the options that the training of a checkpoint had, but for its files.

    Empty for what is no checkpoint, and for one of an earlier release, which keeps none.
    """
    from onchip.models import load_checkpoint

    try:
        history = load_checkpoint(path).metadata.get("history", [])
    except (OSError, ValueError):  # the command says what is wrong with it
        return {}
    kept: dict[str, Any] = next((e["options"] for e in reversed(history) if e.get("options")), {})
    return {name: value for name, value in kept.items() if name not in FILES}


def options_of(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """Return all options of a run as a file would give them, those that have no value left out.

    `arguments` are the words after the command's name; `parser`, a new one, is changed.
    """
    actions = actions_of(parser)
    for action in actions.values():
        action.type = None
    found = vars(parser.parse_args(arguments))
    values = {name: found[action.dest] for name, action in actions.items()}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _values(path: Path, command: str) -> Mapping[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"config {path} does not exist; name a TOML file or a result")
    text = path.read_text(encoding="utf-8")
    try:
        read: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:  # of either format
        raise ValueError(f"config {path}: {error}; it must be TOML, or a result in JSON") from None
    if path.suffix == ".json":
        if read.get("command") != command:
            raise ValueError(
                f"config {path}: it is a result of onchip {read.get('command')}, not of {command}"
            )
        found: Mapping[str, Any] = read["options"]
        return found
    table = read.pop(command, {})
    others = [name for name, value in read.items() if isinstance(value, dict)]
    return {**{n: v for n, v in read.items() if n not in others or _is_option(n)}, **table}


def _is_option(name: str) -> bool:
    """Whether a table at the top is the value of an option: all others are other commands'."""
    return name.replace("_", "-") == "model-options"


def actions_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return the options by their longest names without dashes, the other arguments by theirs."""
    found = {}
    for action in parser._actions:
        names = [name for name in action.option_strings if name.startswith("--")]
        name = names[0].removeprefix("--") if names else action.dest
        if action.dest not in _OWN:
            found[name.replace("_", "-")] = action
    return found


def _default(where: str, name: str, action: argparse.Action, value: Any) -> Any:
    """A value as a default: text, which the parser reads as it reads the command line's."""
    flag = action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction)
    if flag != isinstance(value, bool):
        wanted = "true or false" if flag else "a value"
        raise ValueError(f"{where}: {name} is {value!r}; it must be {wanted}")
    if flag:
        return value
    if isinstance(value, list) and action.nargs in ("+", "*"):
        convert: Any = action.type or str
        return [convert(str(entry)) for entry in value]
    text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    if action.choices is not None and text not in map(str, action.choices):
        known = ", ".join(map(str, action.choices))
        raise ValueError(f"{where}: {name} is {value!r}; choose from {known}")
    return text


def _plain(value: Any) -> Any:
    """A value as a file gives it: text, but for switches and what is a list of words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)):
        return [str(entry) for entry in value]
    return json.dumps(value) if isinstance(value, dict) else str(value)
