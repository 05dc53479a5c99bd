"""Runs all jobs of a study that have no record yet, step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from onchip.deploy.studies.execution import Order, order_of, read_record
from onchip.deploy.studies.jobs import Job, study_jobs
from onchip.deploy.studies.measures import find_number, number_names
from onchip.deploy.studies.study import Study

Workers = Callable[[Sequence[Order]], Iterator[dict[str, Any]]]
"""What runs jobs and yields their records as they end."""


class Run(NamedTuple):
    """One run: its settings, the `digest` of its last job, and what came of it.

    `values` holds the measured results by name, `results` all of them by step; both are empty where
    there is an `error`.
    """

    settings: dict[str, Any]
    digest: str
    values: dict[str, float]
    results: dict[str, dict[str, Any]]
    error: str | None = None


class Progress(NamedTuple):
    """A job that has ended: the `number`-th of `total` of its step."""

    number: int
    total: int
    job: Job
    record: Mapping[str, Any]


def run_study(
    study: Study,
    folder: Path,
    workers: Workers,
    report: Callable[[Progress], None] = lambda progress: None,
    retry: bool = False,
) -> list[Run]:
    """Run what has no record in `folder` yet; returns all runs in the order of their settings.

    A job that failed is not run again, but with `retry`, nor are the steps after it. Raises
    ValueError where a step has no result that is to be measured: all records are kept, so that the
    study goes on with another name.
    """
    folder, work = folder.resolve(), Path.cwd()
    runs = study_jobs(study)
    records: dict[str, dict[str, Any]] = {}
    for index in range(len(study.steps)):
        jobs = {chain[index].digest: chain[index] for _, chain in runs}
        found = {digest: read_record(job, folder) for digest, job in jobs.items()}
        known = {d: r for d, r in found.items() if r and not (retry and r["error"])}
        ready = [job for d, job in jobs.items() if d not in known and _may_run(job, records)]
        records |= known
        for record in known.values():
            require_measures(study, record)
        orders = [order_of(job, folder, work) for job in ready]
        for number, record in enumerate(_records(workers, orders), len(known) + 1):
            records[record["digest"]] = record
            require_measures(study, record)
            report(Progress(number, len(jobs), jobs[record["digest"]], record))
        _require_shared(ready, folder)
    return [_run(study, settings, chain, records) for settings, chain in runs]


def require_measures(study: Study, record: Mapping[str, Any]) -> None:
    """Raise ValueError where the record of a step lacks a result that is to be measured."""
    results = record["results"]
    if results is None:
        return
    for name in study.measure:
        step, result = study.measured(name)
        if step == record["step"] and find_number(results, result) is None:
            numbers = ", ".join(number_names(results))
            raise ValueError(
                f"study: measure {name!r}: {step} has no number of that name; it has {numbers}"
            )


def _records(workers: Workers, orders: Sequence[Order]) -> Iterable[dict[str, Any]]:
    if not orders:
        return
    with contextlib.closing(workers(orders)) as records:  # type: ignore[type-var]
        yield from records


def _may_run(job: Job, records: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the job's step before it was done without an error."""
    if job.source is None:
        return True
    before = records.get(job.source.digest)
    return before is not None and before["error"] is None


def _require_shared(jobs: Iterable[Job], folder: Path) -> None:
    """Raise ValueError where a worker wrote its record somewhere else."""
    for job in jobs:
        if read_record(job, folder) is None:
            raise ValueError(
                f"study: a worker's record is not in {job.place(folder)}; the workers must see the "
                "study's folder under the same path"
            )


def _run(
    study: Study,
    settings: dict[str, Any],
    chain: Sequence[Job],
    records: Mapping[str, Mapping[str, Any]],
) -> Run:
    found = {job.step.name: records.get(job.digest) for job in chain}
    failed = [r for r in found.values() if r is not None and r["error"] is not None]
    digest = chain[-1].digest
    if failed:
        error = f"{failed[0]['step']}: {failed[0]['error']}"
        return Run(settings, digest, {}, {}, error)
    results = {name: (record or {})["results"] for name, record in found.items()}
    values = {}
    for name in study.measure:
        step, result = study.measured(name)
        found_number = find_number(results[step], result)
        assert found_number is not None  # `require_measures` has seen to it
        values[name] = found_number
    return Run(settings, digest, values, results)
