"""`onchip completion`: a script by which a shell completes commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from onchip.deploy.cli.common import add_command, common_results

SHELLS = ("bash", "zsh")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "completion",
        "print what makes a shell complete commands and options",
        'eval "$(onchip completion bash)"',
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(execute=execute, commands=commands)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Print the script; the results say for which shell."""
    print(script({name: options(parser) for name, parser in args.commands.choices.items()}))
    return {**common_results(None, None, args.seed or 0, None, None), "shell": args.shell}


def options(parser: argparse.ArgumentParser) -> list[str]:
    """Return a parser's long options."""
    return [o for action in parser._actions for o in action.option_strings if o.startswith("--")]


def script(words: Mapping[str, list[str]]) -> str:
    """Return the script for bash, and for zsh by its own emulation: options, else files."""
    cases = "\n".join(
        f"    {name}) options='{' '.join(found)}' ;;" for name, found in sorted(words.items())
    )
    return f"""\
if [ -n "$ZSH_VERSION" ]; then autoload -U +X bashcompinit && bashcompinit; fi
_onchip() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} options=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(sorted(words))} --version --help' -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _onchip onchip"""
