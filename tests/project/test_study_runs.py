"""A measurement that runs as a study keeps what was done, and leaves nothing once it is whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from onchip.deploy.studies.study import TASK, Step, Study

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import study_runs

MEASURED = """
from pathlib import Path

def run(seed):
    with Path({log!r}).open("a") as file:
        file.write(f"{{seed}}\\n")
    if seed == 2 and not Path({ready!r}).exists():
        raise ValueError("not yet")
    return {{"value": seed * 1.5}}
"""


def test_what_failed_is_run_again_and_the_rest_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(study_runs, "ROOT", tmp_path)
    log, ready = tmp_path / "log.txt", tmp_path / "ready"
    (tmp_path / "m.py").write_text(MEASURED.format(log=str(log), ready=str(ready)))
    step = Step(TASK, function=f"{tmp_path / 'm.py'}:run")
    study = Study((step,), ("value",), grid={"seed": [1, 2, 3]})
    with pytest.raises(RuntimeError, match=r"\{'seed': 2\}: task: ValueError: not yet"):
        study_runs.run_all("m", study)
    assert log.read_text().split() == ["1", "2", "3"]
    ready.touch()
    assert study_runs.run_all("m", study) == [{"value": 1.5}, {"value": 3.0}, {"value": 4.5}]
    assert log.read_text().split() == ["1", "2", "3", "2"]
    assert list((tmp_path / "build" / "studies").iterdir()) == []
    assert "[1/3] {'seed': 1} {'value': 1.5}" in capsys.readouterr().out
    digest = study_runs.code_digest()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "x.py").write_text("a = 1\n")
    assert study_runs.code_digest() != digest  # other code is measured anew
