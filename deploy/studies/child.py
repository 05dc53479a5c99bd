"""The process of one job: a command of `onchip`, or a function of a Python file.

`onchip.deploy.studies.execution` runs this file with the names of two others: the call, which it
reads, and the results, which it writes. Its standard input is a pipe that nobody writes to; when it
ends, so has the process that started this one, and this one ends with all that it started. Nothing
of this package is imported before a command needs it: functions start at once.
"""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = "onchip.deploy.cli"
"""What `python -m` runs for a command."""


def main() -> None:
    """Run the job whose call and whose results' file are on the command line."""
    end_with_parent()
    call_file, results_file = sys.argv[1:]
    call = json.loads(Path(call_file).read_text(encoding="utf-8"))
    if call["function"] is not None:
        found = load_function(call["function"])(**call["options"])
        from onchip.files.writing import write_text

        write_text(Path(results_file), json.dumps(dict(found), allow_nan=False))
        return
    sys.argv = ["onchip", call["command"], "--config", call_file, "--json", results_file]
    runpy.run_module(PROGRAM, run_name="__main__")


def load_function(text: str) -> Callable[..., Any]:
    """Return the function that FILE.py:NAME names.

    Raises FileNotFoundError without the file, and ValueError where it has no such function.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"task {text}: there is no file {file!r}; write FILE.py:FUNCTION")
    sys.path.insert(0, str(path.resolve().parent))  # what lies beside it is imported by name
    module_spec = importlib.util.spec_from_file_location(path.stem, path)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[path.stem] = module
    module_spec.loader.exec_module(module)
    found: Any = getattr(module, name, None)
    if not callable(found):
        raise ValueError(f"task {text}: {file} has no function {name!r}")
    return found


def end_with_parent() -> None:
    """Let this process group end when standard input does, in a thread of its own."""
    pipe = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
