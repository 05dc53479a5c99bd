"""A run of a study beside another of the same job, as a cluster may have after a kill."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

from onchip.deploy.studies.execution import RECORD, Order, run_order


def order(folder: Path, value: int) -> Order:
    """A job whose result is y = 2 value."""
    (folder / "task.py").write_text("def double(x):\n    return {'y': 2 * x}\n")
    call = {
        "command": None,
        "options": {"x": value},
        "function": f"{folder / 'task.py'}:double",
    }
    return Order(str(folder / "job"), str(folder), call, 1, {"digest": "d"})


def test_it_removes_what_killed_runs_left_and_nothing_of_a_living_one(tmp_path):
    left, living = (tmp_path / "job" / f"running-{name}" for name in ("left", "living"))
    for own in (left, living):
        own.mkdir(parents=True)
        (own / "lock").touch()
    with (living / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run_order(order(tmp_path, 3))["results"] == {"y": 6}
        assert living.is_dir() and not left.exists()
    assert run_order(order(tmp_path, 3))["results"] == {"y": 6}
    assert not living.exists()


def test_a_result_that_another_run_has_written_stays_and_an_error_does_not(tmp_path):
    record = tmp_path / "job" / RECORD
    record.parent.mkdir()
    record.write_text(json.dumps({"digest": "d", "results": None, "error": "killed"}))
    assert run_order(order(tmp_path, 3))["results"] == {"y": 6}
    before = record.read_bytes(), record.stat().st_mtime_ns
    run_order(order(tmp_path, 4))
    assert (record.read_bytes(), record.stat().st_mtime_ns) == before
