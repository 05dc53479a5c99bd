"""Studies written in TOML.

[study]
commands = ["train", "export", "learn"]    # or command = "learn", or task = "mine.py:measure"
measure = ["accuracy_before", "accuracy_after"]

[train]                                    # what all runs have, a table for each command
model = "mlp"

[grid]                                     # every combination of these
seed = [0, 1, 2]
"export.feedback" = ["symmetric", "direct"]

[random]                                   # drawn anew for each of `points` of [study]
"export.learning-rate" = { low = 0.001, high = 0.1, log = true }
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from onchip.deploy.studies.draws import Drawn
from onchip.deploy.studies.study import ANY, TASK, Form, Step, Study, require_above_zero

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEYS = ("command", "commands", "task", "measure", "over", "threads", "points", "seed")
"""What the table [study] may hold."""


def read_study(path: Path, form_of: Callable[[str], Form], seed: int | None = None) -> Study:
    """Return the study that a file describes; `form_of` a command's name is its form.

    `seed` wins over the file's. Raises FileNotFoundError without the file and ValueError, in one
    line that names the file, for what cannot be read as a study.
    """
    if not path.is_file():
        raise FileNotFoundError(f"study {path} does not exist; name a TOML file")
    try:
        return parse_study(tomllib.loads(path.read_text(encoding="utf-8")), form_of, seed)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"study {path}: {error}; it must be TOML") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_study(
    tables: Mapping[str, Any], form_of: Callable[[str], Form], seed: int | None = None
) -> Study:
    """Return the study that the tables of a file describe; as `read_study`."""
    about = _table(tables, "study")
    _require_known("table [study]", about, KEYS)
    steps = _steps(tables, about, form_of)
    names = [step.name for step in steps]
    _require_known("study", tables, ("study", "grid", "random", *names))
    drawn = {n: _drawn(n, value) for n, value in _named(_table(tables, "random"), names).items()}
    points = about.get("points", 0)
    if "points" in about:
        require_above_zero("points", points)
    chosen = about.get("seed", 0) if seed is None else seed
    if isinstance(chosen, bool) or not isinstance(chosen, int) or chosen < 0:
        raise ValueError(f"study: seed is {chosen!r}; it must be a whole number of at least 0")
    over = _texts(about, "over", ("seed",))
    return Study(
        steps=steps,
        measure=_texts(about, "measure", ()),
        grid=_named(_table(tables, "grid"), names),
        drawn=drawn,
        points=points,
        seed=chosen,
        over=tuple(name if TASK in names else name.replace("_", "-") for name in over),
        threads=about.get("threads", 1),
    )


def _steps(
    tables: Mapping[str, Any], about: Mapping[str, Any], form_of: Callable[[str], Form]
) -> tuple[Step, ...]:
    """The steps that [study] names, with the options that all runs have."""
    named = [key for key in ("command", "commands", "task") if key in about]
    if len(named) != 1:
        raise ValueError(
            f"study: [study] has {', '.join(named) or 'nothing to run'}; give one of command, "
            "commands and task"
        )
    if named == ["task"]:
        function = str(about["task"])
        if ":" not in function:
            raise ValueError(f"study: task is {function!r}; write FILE.py:FUNCTION")
        return (Step(TASK, _table(tables, TASK), ANY, function),)
    commands = _texts(about, named[0], ())
    twice = next((name for name in commands if commands.count(name) > 1), None)
    if twice is not None or not commands:
        raise ValueError(f"study: commands are {', '.join(commands)}; each must be there once")
    return tuple(_command_step(name, _table(tables, name), form_of(name)) for name in commands)


def _command_step(name: str, options: Mapping[str, Any], form: Form) -> Step:
    found = {option.replace("_", "-"): value for option, value in options.items()}
    step = Step(name, found, form)
    unknown = next((option for option in found if not step.takes(option)), None)
    step.require_not_refused(unknown or "")
    if unknown is not None:
        known = ", ".join(sorted(form.options or ()))
        raise ValueError(f"study: {name} has no {unknown!r} in a study; it has {known}")
    return step


def _named(table: Mapping[str, Any], steps: Collection[str]) -> dict[str, Any]:
    """Settings by name: `export.feedback` without quotes is a table in TOML."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if name in steps and isinstance(value, dict):
            found |= {f"{name}.{option}": inner for option, inner in value.items()}
        else:
            found[name] = value
    if TASK in steps:
        return found
    return {name.replace("_", "-"): value for name, value in found.items()}


def _drawn(name: str, value: Any) -> Drawn:
    known = [f.name for f in fields(Drawn)]
    if not isinstance(value, dict):
        raise ValueError(f"study: random {name} is {value!r}; give low and high, or choices")
    _require_known(f"study: random {name}", value, known)
    return Drawn(**value)


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = tables.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"study: {name} is {found!r}; it must be a table, [{name}]")
    return found


def _texts(about: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """One text or a list of them."""
    found = about.get(name, default)
    texts = (found,) if isinstance(found, str) else tuple(found)
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise ValueError(f"study: {name} holds {wrong[0]!r}; it must be a list of names")
    return texts


def _require_known(what: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    unknown = next((name for name in table if name not in known), None)
    if unknown is not None:
        raise ValueError(f"{what} has {unknown!r}; it may hold {', '.join(known)}")
