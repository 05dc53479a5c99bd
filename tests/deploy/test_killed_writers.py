"""A process killed while it writes leaves the old file or the new one, whatever the format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import kill_writers
import pytest

LONG = pytest.param(200, marks=pytest.mark.long)


@pytest.mark.parametrize("kills", [25, LONG])
@pytest.mark.parametrize("name", kill_writers.FORMATS)
def test_a_killed_writer_leaves_a_whole_file_and_nothing_else(tmp_path, name, kills) -> None:
    script = [sys.executable, kill_writers.__file__, str(tmp_path), name, str(kills), "7"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=110, check=False)
    assert "FAULT" not in done.stdout and done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{name}: {kills} kills, found [")


def test_the_guard_notices_half_a_file(tmp_path: Path, monkeypatch, capsys) -> None:
    def half(path: Path, which: int) -> None:
        path.write_text(f"{which}" * (1 + which))

    monkeypatch.setitem(kill_writers.FORMATS, "x.txt", lambda: (half, lambda p: [][3]))
    monkeypatch.setattr(kill_writers, "kill_one", lambda work, share: work())
    (tmp_path / "stale").touch()
    assert kill_writers.main(str(tmp_path), "x.txt", "1", "0") == 1
    assert capsys.readouterr().out.count("FAULT") == 2
