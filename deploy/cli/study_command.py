"""`onchip study`: a command, or a few in a row, for every combination of settings of a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from onchip.checks import require_choice
from onchip.deploy.cli.common import add_command, common_results, say
from onchip.deploy.cli.config_files import actions_of, set_defaults
from onchip.models.cli.options import positive

if TYPE_CHECKING:
    from onchip.deploy.studies.execution import Order
    from onchip.deploy.studies.jobs import Job
    from onchip.deploy.studies.running import Progress, Run
    from onchip.deploy.studies.study import Form, Study

LEFT_OUT = ("study", "completion")
"""Commands that are no runs of a study."""

OUTPUTS = {"train": "checkpoint.pt", "demo": "demo", "run": "outputs.npz", "to-nir": "network.nir"}
"""What a command leaves for the next one, a network file unless said here."""

NOT_TAKEN = (
    *("out", "resume", "log", "tensorboard", "figure", "report", "keep", "keep-every"),
    *("samples-file", "picture", "draw"),
)
"""Options that a study does not take: files of one run, which all runs would share."""

KEPT = "study.toml"


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "study",
        "run a command, or a few in a row, for every combination of settings",
        "onchip study STUDY.toml --out results --jobs 4",
    )
    parser.add_argument("file", type=Path, help="the study, in TOML")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of records, tables and figures"
    )
    parser.add_argument("--jobs", type=positive, default=1, help="runs at once on this machine (1)")
    parser.add_argument(
        "--scheduler",
        default=None,
        metavar="ADDRESS",
        help="run on the workers of this Dask scheduler, for example tcp://host:8786",
    )
    parser.add_argument("--retry", action="store_true", help="run again what failed before")
    parser.set_defaults(execute=execute, commands=commands)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Run what has no record yet; results `runs`, `failed`, `table`, `figures` and `passed`.

    Writes runs.csv (a row for each run), table.csv and table.md (means and spreads over seeds) and
    a figure for each measure to `--out`. A study that was interrupted goes on where it was when it
    is run again. Exit code 1 where a run failed.
    """
    from onchip.deploy.studies.figures import draw_measures
    from onchip.deploy.studies.running import run_study
    from onchip.deploy.studies.study_file import read_study
    from onchip.deploy.studies.table import write_tables
    from onchip.files.writing import write_text

    if args.scheduler is not None and args.jobs != 1:
        raise ValueError("--jobs is for this machine, --scheduler has its own workers; leave one")
    parsers = args.commands.choices
    study = read_study(args.file, partial(command_form, parsers), args.seed)
    make_folder(args.out)
    check_options(args.file, study, parsers, args.out)
    write_text(args.out / KEPT, args.file.read_text(encoding="utf-8"))
    args.left = lambda: f"run the same command again to go on; {args.out} holds what was done"
    different = len(study.drawn_points())
    if different < study.points:
        say(f"note: {study.points} points drew {different} different settings; each runs once")
    runs = run_study(study, args.out, workers(args), report, args.retry)
    text = write_tables(study, runs, args.out)
    figures = draw_measures(study, runs, args.out)
    for note in versions_notes(runs):
        say(note)
    print(text, end="")
    return {
        **common_results(None, None, study.seed, None, None),
        "runs": len(runs),
        "failed": sum(run.error is not None for run in runs),
        "passed": all(run.error is None for run in runs),
        "table": [{**run.settings, **run.values, "failure": run.error} for run in runs],
        "figures": [str(path) for path in figures],
    }


def workers(args: argparse.Namespace) -> Callable[[Sequence[Order]], Iterator[dict[str, Any]]]:
    """What runs the jobs, as the options say."""
    from onchip.deploy.studies.workers import on_cluster, on_machine

    if args.scheduler is not None:
        return partial(on_cluster, scheduler=args.scheduler)
    return partial(on_machine, workers=args.jobs)


def command_form(parsers: Mapping[str, argparse.ArgumentParser], name: str) -> Form:
    """What the command of this name takes and leaves; ValueError for one that no study runs."""
    from onchip.deploy.studies.study import Form

    require_choice("study: command", name, [n for n in parsers if n not in LEFT_OUT])
    actions = actions_of(parsers[name])
    read = next((option for option, action in actions.items() if not action.option_strings), None)
    output = OUTPUTS.get(name, "network.h5") if "out" in actions else None
    taken = frozenset(actions) - set(NOT_TAKEN)
    return Form(taken, output, read, frozenset(actions) - taken)


def make_folder(folder: Path) -> None:
    """Make the results' folder; ValueError where a file has its name."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for the results")
    folder.mkdir(parents=True, exist_ok=True)


def check_options(
    file: Path, study: Study, parsers: Mapping[str, argparse.ArgumentParser], folder: Path
) -> None:
    """Raise ValueError where a command would refuse the options of a run, before any of them."""
    from onchip.deploy.studies.jobs import study_jobs

    for job in {job.digest: job for _, jobs in study_jobs(study) for job in jobs}.values():
        if job.step.function is None:
            where = f"{file}: study: {job.step.name}"
            _check_job(where, job, parsers[job.step.name], folder)


def _check_job(where: str, job: Job, parser: argparse.ArgumentParser, folder: Path) -> None:

    def refuse(message: str) -> NoReturn:
        raise ValueError(f"{where}: {message}")

    set_defaults(where, job.given(folder), job.step.name, parser)
    setattr(parser, "error", refuse)  # noqa: B010  the parser's own would end the process
    parser.parse_args([])


def report(progress: Progress) -> None:
    """Say what came of a job that has ended."""
    from onchip.deploy.studies.table import settings_text

    job, record = progress.job, progress.record
    outcome = f"failed: {record['error']}" if record["error"] else f"{record['seconds']:.1f} s"
    chosen = settings_text(job.varied)
    say(f"[{progress.number}/{progress.total}] {job.step.name} {chosen}: {outcome}")


def versions_notes(runs: Iterable[Run]) -> list[str]:
    """A note for each package of which the runs had more than one version."""
    found: dict[str, set[str]] = {}
    for results in (results for run in runs for results in run.results.values()):
        for package, version in results.get("versions", {}).items():
            found.setdefault(package, set()).add(version)
    return [
        f"note: the runs had {package} {' and '.join(sorted(versions))}; remove --out and run all "
        "again where that matters"
        for package, versions in sorted(found.items())
        if len(versions) > 1
    ]
