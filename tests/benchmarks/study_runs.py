"""Runs a measurement as a study: interrupted, it goes on where it was when it is run again.

The records lie under build/studies, in a folder whose name stands for the code that is measured,
and are removed at the end: the measurement's own JSON holds what is kept.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from onchip.deploy.studies.running import Progress, run_study
from onchip.deploy.studies.study import Study
from onchip.deploy.studies.workers import on_machine

ROOT = Path(__file__).parents[2]
PACKAGES = ("onchip", "models", "deploy")


def run_all(name: str, study: Study, jobs: int = 1) -> list[dict[str, Any]]:
    """Return the results of the study's last step, in the order of its settings.

    Raises RuntimeError for a run that failed; the others are kept.
    """
    folder = ROOT / "build" / "studies" / f"{name}-{code_digest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    told = partial(report, study.measure)
    runs = run_study(study, folder, partial(on_machine, workers=jobs), told, retry=True)
    failed = [f"{run.settings}: {run.error}" for run in runs if run.error is not None]
    if failed:
        raise RuntimeError("\n".join(failed))
    shutil.rmtree(folder)
    return [run.results[study.steps[-1].name] for run in runs]


def report(measures: Sequence[str], progress: Progress) -> None:
    """Print what was measured in a run that has ended."""
    results = progress.record["results"]
    shown = {name: results[name] for name in measures} if results else progress.record["error"]
    print(f"[{progress.number}/{progress.total}] {progress.job.varied!s:.100}", shown, flush=True)


def code_digest() -> str:
    """SHA-256 (hexadecimal) of the three packages' Python files."""
    digest = hashlib.sha256()
    for path in sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
