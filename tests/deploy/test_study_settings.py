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
from onchip.deploy.studies.measures import find_number, number_names
from onchip.deploy.studies.running import Run, require_measures
from onchip.deploy.studies.study import Form, Step, Study
from onchip.deploy.studies.study_file import parse_study
from onchip.deploy.studies.table import summarize

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
        ("samples = 20", "speed = 3", "learn has no 'speed' in a study; it has "),
        ("samples = 20", 'out = "x.h5"', "learn has no 'out' in a study, where all runs would "),
        ("samples = 20", 'report = "x.html"', "learn has no 'report' in a study, where all runs "),
        ("seed = [0, 1]", 'learn.report = ["a"]', "learn has no 'report' in a study, where all "),
        ("seed = [0, 1]", 'report = ["a", "b"]', "train has no 'report' in a study, where all "),
        ('"learn"]', '"lifelong"]\n[lifelong]\nkeep = "a.h5"', "lifelong has no 'keep' in a study"),
        ('"learn"]', '"lifelong"]\n[lifelong]\nsamples_file = "a"', "no 'samples-file' in a study"),
        ("threads = 1", 'over = ["sed"]', "over names 'sed', which does not vary; name settings "),
        ("[60]", "[2020-01-01, 1]", "grid limit holds 2020-01-01 (date); a value must be a text, "),
        ("[60]", "[nan, 1]", "grid limit holds nan; a number must be finite"),
        ("[60]", "[[1, inf]]", "grid limit holds inf; a number must be finite"),
        ("= 0.05", "= 07:32:00", "export.learning-rate holds 07:32:00 (time); a value must be "),
        (
            "[grid]\nseed = [0, 1]",
            "[random]\nseed = {choices = [1979-05-27, 3]}\n[grid]",
            "random seed holds 1979-05-27 (date); a value must be a text, a number, ",
        ),
        ("[study]", "study", "it must be TOML"),
        ("commands", "task = 'a.py:f'\ncommands", "[study] has commands, task; give one of "),
    ],
)
def test_a_wrong_study_is_refused_in_one_line_before_anything_runs(
    tmp_path: Path, capsys, old: str, new: str, message: str
) -> None:
    assert old in SMALL
    file = tmp_path / "s.toml"
    text = SMALL.replace(old, new, 1)
    file.write_text(text.replace("threads = 1", "points = 2") if "[random]" in text else text)
    assert main(["study", str(file), "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1 and "s.toml" in said
    assert not list(tmp_path.glob("o/runs/*"))


DRAWN = """
[study]
task = "task.py:run"
measure = "error"
points = 40
over = ["sample"]
[random]
sample = { low = 0, high = 3, integer = true }
rate = { choices = [1, 2] }
"""


def test_a_point_that_is_drawn_again_is_the_same_run() -> None:
    study = parse_study(tomli.loads(DRAWN), lambda name: Form())
    settings = study.settings()
    drawn = draw_points(study.drawn, 40, 0)
    assert len(settings) == len({tuple(point.items()) for point in drawn}) == 8
    assert settings[0] == drawn[0]
    runs = [
        Run(s, chain[-1].digest, {"error": s["rate"] + s["sample"] / 4}, {})
        for s, chain in study_jobs(study)
    ]
    rows = {row.settings["rate"]: row for row in summarize(study, runs)}
    for rate, row in rows.items():
        assert row.runs == 4
        assert row.figures["error"].mean == rate + (0 + 1 + 2 + 3) / 4 / 4


def test_one_run_under_two_settings_counts_once_in_a_row(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5", "c.h5"):
        (tmp_path / name).write_text("one" if name != "c.h5" else "two")
    files = [str(tmp_path / name) for name in ("a.h5", "b.h5", "c.h5")]
    study = Study((Step("learn"),), ("y",), {"file": files}, over=("file",))
    values = dict(zip(files, (1.0, 1.0, 4.0), strict=True))
    jobs = study_jobs(study)
    runs = [Run(s, chain[-1].digest, {"y": values[s["file"]]}, {}) for s, chain in jobs]
    (row,) = summarize(study, runs)
    assert (row.runs, row.figures["y"].mean, row.figures["y"].spread) == (2, 2.5, 1.5)


def test_a_setting_with_its_step_before_it_can_be_averaged_over() -> None:
    (commands,) = (a for a in make_parser()._actions if a.choices)
    text = SMALL.replace("threads = 1", 'over = ["seed", "learn.drifted"]')
    study = parse_study(tomli.loads(text), lambda name: command_form(commands.choices, name))
    assert study.shown == ("limit", "export.feedback")


def test_a_measure_is_a_number_or_a_path_to_one_inside_of_tables() -> None:
    results = {
        "final": 0.5,
        "name": "direct",
        "ways": {"direct": {"final": 0.25, "area": True}, "a.b": {"c": 3}},
        "lists": [1, 2],
    }
    names = ["final", "ways.direct.final", "ways.direct.area", "ways.a.b.c"]
    assert list(number_names(results)) == names
    assert [find_number(results, name) for name in names] == [0.5, 0.25, 1.0, 3.0]
    for name in ("ways", "ways.direct", "ways.final", "name", "lists.0", "final.x", ""):
        assert find_number(results, name) is None
    step = Step("lifelong")
    study = Study((step,), ("ways.direct.final", "lifelong.ways.a.b.c"))
    assert study.measured("ways.direct.final") == ("lifelong", "ways.direct.final")
    assert study.measured("lifelong.ways.a.b.c") == ("lifelong", "ways.a.b.c")
    record = {"step": "lifelong", "results": results}
    require_measures(study, record)
    with pytest.raises(ValueError, match=r"'ways.direct.finl': lifelong .*, ways\.direct\.final, "):
        require_measures(Study((step,), ("ways.direct.finl",)), record)
