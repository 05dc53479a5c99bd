"""Studies: what runs, what is kept, and the same table however often a study is interrupted."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tomli
from matplotlib.image import imread

from onchip.deploy.cli import main
from onchip.deploy.studies.draws import Drawn, draw_points
from onchip.deploy.studies.study_file import parse_study

TASK = """
import os, pathlib, time

def run(x, seed, wait=0.0):
    with pathlib.Path("started.txt").open("a") as file:
        file.write(f"{x} {seed}\\n")
    time.sleep(wait)
    if (x, seed) == (3, 1):
        raise ValueError("x is 3")
    return {"value": 10 * x + seed, "threads": int(os.environ["OMP_NUM_THREADS"]), "name": "n"}
"""
EIGHT = """
[study]
task = "task.py:run"
measure = "value"
[task]
wait = 0.3
[grid]
x = [1, 2, 3, 4]
seed = [0, 1]
"""
RUNS = [(x, seed) for x in (1, 2, 3, 4) for seed in (0, 1)]
EXPECTED_RUNS = [
    [str(x), str(seed), "" if (x, seed) == (3, 1) else str(10.0 * x + seed)] for x, seed in RUNS
]
"""Of EIGHT, by hand: x, seed, value."""

EXPECTED_TABLE = [
    ["1", "2", "0", "10.5", "0.5"],
    ["2", "2", "0", "20.5", "0.5"],
    ["3", "2", "1", "30.0", "0.0"],
    ["4", "2", "0", "40.5", "0.5"],
]
"""Of EIGHT, by hand: x, runs, failed, mean, spread."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a task and a study of eight runs."""
    (tmp_path / "task.py").write_text(TASK)
    (tmp_path / "study.toml").write_text(EIGHT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def check_eight(out: Path) -> None:
    """The tables of EIGHT are those that were worked out by hand."""
    found = rows(out / "runs.csv")
    assert found[0] == ["run", "x", "seed", "value", "failure"]
    assert [row[1:4] for row in found[1:]] == EXPECTED_RUNS
    errors = [row[4] for row in found[1:] if row[4]]
    assert len(errors) == 1 and errors[0].startswith("task: ValueError: x is 3 (exit code 1;")
    assert rows(out / "table.csv")[1:] == EXPECTED_TABLE
    text = (out / "table.md").read_text()
    assert "| 3 | 1 of 2 | 30 ± 0 " in text and "1 of 8 runs failed:" in text


def records(out: Path) -> dict[str, int]:
    """The records in a study's folder and when they were written."""
    return {p.parent.name: p.stat().st_mtime_ns for p in out.glob("runs/*/record.json")}


def killed_when(out: Path, done: int, options: list[str]) -> dict[str, int]:
    """Start the study, kill it (SIGKILL) once so many records are there; returns those."""
    command = [sys.executable, "-m", "onchip.deploy.cli", "study", "study.toml", "--out", str(out)]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as process:
        while len(records(out)) < done:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / "table.csv").exists()
    return records(out)


def test_a_study_of_eight_runs_killed_twice_ends_with_the_table_of_an_uninterrupted_one(
    folder: Path,
) -> None:
    out = folder / "killed"
    first = killed_when(out, 2, ["--jobs", "2"])
    second = killed_when(out, 5, ["--jobs", "2"])
    assert main(["study", "study.toml", "--out", str(out), "--jobs", "2"]) == 1  # a run failed
    check_eight(out)
    last = records(out)
    assert len(last) == 8 and first.items() <= second.items() <= last.items()  # none ran again
    assert list(out.glob("runs/*/running-*")) == []
    assert main(["study", "study.toml", "--out", str(out)]) == 1
    assert records(out) == last


def test_no_run_outlives_a_study_that_is_killed(folder: Path) -> None:
    text = EIGHT.replace("0.3", "30.0").replace("[1, 2, 3, 4]", "[1]")
    (folder / "study.toml").write_text(text)
    command = [sys.executable, "-m", "onchip.deploy.cli", "study", "study.toml", "--out", "o"]
    started = folder / "started.txt"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not started.exists():
            time.sleep(0.01)
        (run,) = processes_in(folder) - {process.pid}
        process.kill()
        process.wait()
    end = time.monotonic() + 20
    while run in processes_in(folder):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert records(folder / "o") == {}


def processes_in(folder: Path) -> set[int]:
    """The processes that work in a folder, this one left out."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if place.joinpath("cwd").readlink() == folder and int(place.name) != PID:
                found.add(int(place.name))
        except OSError:
            continue
    return found


PID = int(Path("/proc/self").readlink().name)


def test_failed_runs_run_again_only_when_asked_and_a_changed_task_is_another(folder: Path) -> None:
    text = EIGHT.replace("0.3", "0.0").replace("[1, 2, 3, 4]", "[3]")
    (folder / "study.toml").write_text(text)
    command = ["study", "study.toml", "--out", "o"]
    assert main(command) == main(command) == 1
    started = folder / "started.txt"
    assert started.read_text().splitlines() == ["3 0", "3 1"]
    assert main([*command, "--retry"]) == 1
    assert started.read_text().splitlines() == ["3 0", "3 1", "3 1"]
    (folder / "task.py").write_text(TASK.replace("(3, 1)", "(3, 5)"))
    assert main([*command, "--json", "r.json"]) == 0
    assert len(records(folder / "o")) == 4
    result = json.loads((folder / "r.json").read_text())
    assert (result["runs"], result["failed"]) == (2, 0)
    assert [row["value"] for row in result["table"]] == [30.0, 31.0]
    assert imread(result["figures"][0]).shape[0] > 300


LEARNINGS = """
[study]
commands = ["export", "learn"]
measure = ["accuracy_before", "accuracy_after"]
[export]
checkpoint = "checkpoint.pt"
learning-rate = 0.1
[learn]
samples = 40
test-samples = 100
backend = "numpy"
limit = 200
[grid]
export.feedback = ["symmetric", "direct"]
learn.seed = [0, 1]
learn.drifted = [false, true]
"""


@pytest.fixture(scope="module")
def learnings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with a network, a study of eight learnings, and in `whole` what came of it."""
    place = tmp_path_factory.mktemp("learnings")
    (place / "study.toml").write_text(LEARNINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("ONCHIP_CACHE", str(place / "cache"))
        options = ["--model", "mlp", "--hidden", "32", "--epochs", "8", "--limit", "200"]
        assert main(["train", *options, "--out", "checkpoint.pt"]) == 0
        assert main(["study", "study.toml", "--out", "whole", "--jobs", "2"]) == 0
        yield place


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("where", ["machine", "cluster"])
def test_a_study_of_eight_learnings_killed_twice_ends_with_the_same_table(
    where: str, learnings: Path
) -> None:
    """On a Dask cluster of two workers likewise. The oracle: the same study, not interrupted."""
    whole, killed = learnings / "whole", learnings / where
    with on(where) as options:
        killed_when(killed, 2, options)
        killed_when(killed, 6, options)
        assert main(["study", "study.toml", "--out", str(killed), *options]) == 0
    for name in ("runs.csv", "table.csv", "table.md"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    found = rows(whole / "runs.csv")[1:]
    assert len(records(whole)) == 2 + 8 and len({row[0] for row in found}) == 8
    assert len({row[-2] for row in found}) > 3  # what was learned differs


@pytest.mark.long
def test_a_study_on_a_dask_cluster_killed_twice_ends_with_the_table_of_hand(folder: Path) -> None:
    with on("cluster") as options:
        first = killed_when(folder / "o", 2, options)
        second = killed_when(folder / "o", 5, options)
        assert main(["study", "study.toml", "--out", "o", *options]) == 1
    check_eight(folder / "o")
    assert first.items() <= second.items() <= records(folder / "o").items()


class on:
    """The options for this machine, or for a Dask cluster of two workers that it starts."""

    def __init__(self, where: str) -> None:
        self.cluster: Any = None
        if where == "cluster":
            from dask.distributed import LocalCluster

            self.cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)

    def __enter__(self) -> list[str]:
        if self.cluster is None:
            return ["--jobs", "2"]
        return ["--scheduler", self.cluster.scheduler_address]

    def __exit__(self, *_: object) -> None:
        if self.cluster is not None:
            self.cluster.close()


def test_random_points_are_combined_with_the_grid_and_the_seed_of_the_command_wins(
    folder: Path,
) -> None:
    (folder / "study.toml").write_text(
        '[study]\ntask = "task.py:run"\nmeasure = ["value", "threads"]\npoints = 3\nseed = 4\n'
        "threads = 2\n[random]\nx = {low = 10, high = 20}\n[grid]\nseed = [0, 1]\n"
    )
    assert main(["study", "study.toml", "--out", "o", "--jobs", "2"]) == 0
    expected = [point["x"] for point in draw_points({"x": Drawn(10, 20)}, 3, 4)]
    found = rows(folder / "o" / "table.csv")[1:]
    assert [float(row[0]) for row in found] == expected
    assert [float(row[3]) for row in found] == pytest.approx([10 * x + 0.5 for x in expected])
    assert [row[5] for row in found] == ["2.0"] * 3  # threads
    again = parse_study(tomli.loads((folder / "study.toml").read_text()), lambda name: None, seed=9)
    assert [s["x"] for s in again.settings()[::2]] != expected


def test_what_is_not_measured_a_damaged_record_and_a_missing_scheduler_are_told(
    folder: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = EIGHT.replace("0.3", "0.0").replace("[1, 2, 3, 4]", "[1]")
    (folder / "study.toml").write_text(text.replace('"value"', '"name"'))
    assert main(["study", "study.toml", "--out", "o"]) == 2
    said = capsys.readouterr().err
    assert "measure 'name': task has no number of that name; it has value, threads" in said
    (folder / "study.toml").write_text(text)
    assert main(["study", "study.toml", "--out", "o"]) == 0
    next((folder / "o").glob("runs/*/record.json")).write_text('{"digest": ')
    assert main(["study", "study.toml", "--out", "o"]) == 2
    assert "it is damaged or another job's; remove " in capsys.readouterr().err
    monkeypatch.setattr("onchip.deploy.studies.workers.CONNECT_SECONDS", 0.2)
    assert main(["study", "study.toml", "--out", "p", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    said = capsys.readouterr().err
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in said and "Traceback" not in said
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    assert main(["study", "study.toml", "--out", "p", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert 'pip install "onchip[study]"' in capsys.readouterr().err
    assert main(["study", "study.toml", "--out", "p", "--scheduler", "x", "--jobs", "2"]) == 2
    assert "--jobs is for this machine" in capsys.readouterr().err
