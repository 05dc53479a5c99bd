"""A terminal for a program, and what stands on its screen in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

TOKEN = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n])", re.DOTALL)


def run_in_terminal(
    command: Sequence[str], columns: int, rows: int, environment: Mapping[str, str]
) -> tuple[int, str]:
    """The exit code of a program, and all that it writes to its terminal."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, env=dict(environment), start_new_session=True
    ) as process:
        os.close(its)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that nobody writes any more
                break
            if not part:
                break
            parts.append(part)
    os.close(ours)
    return process.returncode, b"".join(parts).decode()


def screen(written: str, columns: int) -> list[str]:
    """The lines that are left, by those of the control sequences that move, erase or color.

    Any other is an error. A line that is full wraps when more comes.
    """
    lines, row, column = [""], 0, 0
    for found in TOKEN.finditer(written):
        given, command, control, character = found.groups()
        if control == "\r":
            column = 0
        elif control == "\n":
            row += 1
        elif command == "A":
            row = max(0, row - int(given or 1))
        elif command == "K":
            assert given == "2"
            lines[row] = ""
        elif command is not None:
            assert command in "mhl", found[0]
        else:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            line = lines[row].ljust(column)
            lines[row], column = line[:column] + character + line[column + 1 :], column + 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]
