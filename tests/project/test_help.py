"""Every option of every command says what it does, in its help and on the page made from it."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

from onchip.deploy.cli import make_parser
from onchip.models.cli.command_line import make_parser as make_training_parser
from onchip.models.fptt.command_line import make_parser as make_fptt_parser
from onchip.models.spike_times.command_line import make_parser as make_spike_times_parser
from onchip.models.tdbn.command_line import make_parser as make_tdbn_parser

PARSERS = {
    "onchip": make_parser,
    "onchip.models": make_training_parser,
    "onchip.models.fptt": make_fptt_parser,
    "onchip.models.spike_times": make_spike_times_parser,
    "onchip.models.tdbn": make_tdbn_parser,
}
EXTENSIONS = Path(__file__).parents[2] / "notebooks" / "docs" / "_extensions"


def actions(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.Action]]:
    """(command, option) of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, inner in action.choices.items():
                yield from actions(inner, f"{name} {command}")
        else:
            yield name, action


@pytest.mark.parametrize("program", PARSERS)
def test_every_option_has_help(program: str) -> None:
    found = list(actions(PARSERS[program](), program))
    assert len(found) > 10
    words = re.compile(r"[a-z]{3}")  # more than a default in brackets
    silent = [(name, action.dest) for name, action in found if not words.search(action.help or "")]
    assert silent == []


def test_a_colon_in_an_attributes_text_is_no_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXTENSIONS)
    sys.modules.pop("docstrings", None)
    import docstrings

    text = "Class of each sample [samples]: argmax over `outputs`."
    given = (Config(), SimpleNamespace(), "property", "x", None, SimpleNamespace())
    plain = GoogleDocstring([text], *given).lines()
    assert any(line.startswith(":type:") for line in plain)  # what it is guarded against
    lines = [text]
    docstrings.keep_colons(None, "property", "x", None, None, lines)
    lines = GoogleDocstring(lines, *given).lines()
    docstrings.process(None, "property", "x", None, None, lines)
    assert [line for line in lines if line] == [text]
