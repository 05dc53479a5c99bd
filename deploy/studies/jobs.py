"""The single runs of a study's steps, each known by a digest of all that decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from onchip.deploy.studies.study import Step, Study

OUT = "out"
"""The option that names the file which a step leaves."""


@dataclass(frozen=True)
class Job:
    """One run of a step with these `options`, after the job `source` of the step before."""

    step: Step
    options: Mapping[str, Any]
    source: Job | None
    threads: int

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of step, options, threads and source.

        An option that names a file stands for what is in it, so that a changed network is another
        setting; and so does the file of a function.
        """
        about = {
            "step": self.step.name,
            "options": {name: _content(value) for name, value in self.options.items()},
            "function": self.step.function and _function_content(self.step.function),
            "threads": self.threads,
            "source": self.source and self.source.digest,
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @property
    def varied(self) -> dict[str, Any]:
        """The options that other runs have otherwise, of the steps before as well."""
        before = {} if self.source is None else self.source.varied
        return before | {n: v for n, v in self.options.items() if n not in self.step.options}

    def place(self, folder: Path) -> Path:
        """Return the folder of what the job leaves in the study's `folder`."""
        return folder / "runs" / self.digest[:20]

    def output(self, folder: Path) -> Path | None:
        """Return the last file that the job, or one before it, leaves for the next step."""
        if self.step.form.output is not None:
            return self.place(folder) / self.step.form.output
        return None if self.source is None else self.source.output(folder)

    def given(self, folder: Path) -> dict[str, Any]:
        """Return the options with the files that they read from the step before, and write."""
        form, files = self.step.form, {}
        before = None if self.source is None else self.source.output(folder)
        if form.reads is not None and form.reads not in self.options and before is not None:
            files[form.reads] = str(before)
        if form.output is not None:
            files[OUT] = str(self.place(folder) / form.output)
        return {**self.options, **files}


def study_jobs(study: Study) -> list[tuple[dict[str, Any], tuple[Job, ...]]]:
    """(settings, the jobs of all steps) of each run; equal jobs of two runs have one digest."""
    runs = []
    for settings in study.settings():
        jobs: list[Job] = []
        for step in study.steps:
            source = jobs[-1] if jobs else None
            jobs.append(Job(step, study.options(step, settings), source, study.threads))
        runs.append((settings, tuple(jobs)))
    return runs


def _content(value: Any) -> Any:
    """A value, or the digest of the file that it names."""
    if not isinstance(value, str) or len(value) > 4000 or not Path(value).is_file():
        return value
    status = Path(value).stat()
    return {"file": _file_digest(value, status.st_mtime_ns, status.st_size)}


def _function_content(function: str) -> Any:
    file, _, name = function.rpartition(":")
    return [_content(file), name]


@lru_cache(maxsize=1024)
def _file_digest(path: str, changed: int, size: int) -> str:
    """SHA-256 of a file; read once while `changed` and `size` stay."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
