"""What a study runs: its jobs and their digests, random draws, and files that are refused."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import pytest
import tomli

from onchip.deploy.cli import main, make_parser
from onchip.deploy.cli.study_command import command_form
from onchip.deploy.studies.draws import Drawn, draw_points
from onchip.deploy.studies.jobs import study_jobs
from onchip.deploy.studies.study import Step, Study
from onchip.deploy.studies.study_file import parse_study

SMALL = """
[study]
commands = ["train", "export", "learn"]
measure = ["accuracy_after", "train.accuracy"]
threads = 1
[train]
model = "mlp"
hidden = "12"
size = 8
time-steps = 4
epochs = 2
[export]
learning-rate = 0.05
[learn]
samples = 20
backend = "numpy"
[grid]
seed = [0, 1]
limit = [60]
export.feedback = ["symmetric", "direct"]
learn.drifted = [false, true]
"""


def test_equal_steps_of_two_runs_are_one_job_and_files_go_from_step_to_step() -> None:
    study = small_study()
    runs = study_jobs(study)
    assert len(runs) == 8
    jobs = [{chain[i].digest for _, chain in runs} for i in range(3)]
    assert [len(step) for step in jobs] == [2, 4, 8]
    settings, (train, export, learn) = runs[-1]
    assert settings == {
        "seed": 1,
        "limit": 60,
        "export.feedback": "direct",
        "learn.drifted": True,
    }
    assert train.options["seed"] == export.options["seed"] == learn.options["seed"] == 1
    assert "limit" not in export.options and learn.options["limit"] == 60
    here = Path("/s")
    assert train.given(here)["out"] == export.given(here)["checkpoint"]
    assert export.given(here)["out"] == learn.given(here)["file"]
    assert "feedback" not in learn.options and "out" not in learn.options


def small_study() -> Study:
    (commands,) = (a for a in make_parser()._actions if a.choices)
    return parse_study(tomli.loads(SMALL), lambda name: command_form(commands.choices, name))


def test_a_digest_follows_what_decides_a_result_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.h5"
    file.write_bytes(b"one")

    def digest(options: dict[str, Any], threads: int = 1, name: str = "learn") -> str:
        study = Study((Step(name, options),), ("accuracy",), threads=threads)
        return study_jobs(study)[0][1][0].digest

    base = {"file": str(file), "samples": 3}
    first = digest(base)
    assert digest({"samples": 3, "file": str(file)}) == first
    others = [digest({**base, "samples": 4}), digest(base, 2), digest(base, name="evaluate")]
    file.write_bytes(b"two")
    others.append(digest(base))
    assert len({first, *others}) == 5
    file.rename(tmp_path / "b.h5")
    assert digest({**base, "file": str(tmp_path / "b.h5")}) == others[-1]


def test_draws_stay_when_points_and_settings_are_added_and_fill_their_ranges() -> None:
    rate, size = Drawn(1e-3, 1e-1, log=True), Drawn(1, 4, integer=True)
    few = draw_points({"rate": rate}, 3, seed=5)
    many = draw_points({"size": size, "rate": rate}, 2000, seed=5)
    assert [point["rate"] for point in many[:3]] == [point["rate"] for point in few]
    assert draw_points({"rate": rate}, 3, seed=6) != few
    rates = [math.log10(point["rate"]) for point in many]
    assert min(rates) >= -3 and max(rates) <= -1
    # of an even draw over [-3, -1]: mean -2, standard deviation 2 / sqrt(12), within 4 errors
    assert abs(mean(rates) + 2) < 4 * 0.5774 / math.sqrt(2000)
    assert abs(pstdev(rates) - 0.5774) < 0.03
    counts = [sum(point["size"] == n for point in many) for n in (1, 2, 3, 4)]
    assert sum(counts) == 2000 and all(abs(count - 500) < 4 * 19.4 for count in counts)
    assert all(float(f"{point['rate']:.6g}") == point["rate"] for point in many)
    chosen = draw_points({"rule": Drawn(choices=["a", "b"])}, 50, 0)
    assert {point["rule"] for point in chosen} == {"a", "b"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[grid]", "[grids]", "study has 'grids'; it may hold study, grid, random, train"),
        ("seed = [0, 1]", "speed = [1]", "no step has 'speed'; train, export, learn have "),
        ("seed = [0, 1]", "seed = 3", "grid seed is 3; it must be a list of values"),
        ("seed = [0, 1]", "seed = [0, 0]", "grid seed holds 0 twice; leave one out"),
        ("[learn]", "[learn]\nlimit = 5", "'limit' of learn is given twice, once as 'limit'"),
        ('"learn"]', '"study"]', "study: command 'study' is unknown; choose one of train, "),
        ('"learn"]', '"train"]', "commands are train, export, train; each must be there once"),
        ("threads = 1", "threads = 0", "threads is 0; it must be a whole number of at least 1"),
        ('"accuracy_after"', '"seed"', "the table has two columns 'seed'; write STEP.seed for"),
        ("threads = 1", "points = 3", "points is 3 and 0 settings are drawn at random"),
        ("[false, true]", "[false, 3]", "study: learn: drifted is 3; it must be true or false"),
        ("samples = 20", 'samples = "x"', "learn: argument --samples: 'x' is not a whole number"),
        ("samples = 20", 'out = "x.h5"', "learn has no 'out' in a study; it has "),
        ("[study]", "study", "it must be TOML"),
        ("commands", "task = 'a.py:f'\ncommands", "[study] has commands, task; give one of "),
    ],
)
def test_a_wrong_study_is_refused_in_one_line_before_anything_runs(
    tmp_path: Path, capsys, old: str, new: str, message: str
) -> None:
    assert old in SMALL
    file = tmp_path / "s.toml"
    file.write_text(SMALL.replace(old, new, 1))
    assert main(["study", str(file), "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1 and "s.toml" in said
    assert not list(tmp_path.glob("o/runs/*"))
