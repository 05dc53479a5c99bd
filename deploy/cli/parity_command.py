"""`onchip parity`: do all executions make the same spikes and the same updates?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.backends.table import (
    BACKENDS,
    FLOAT,
    build,
    executions,
    in_lava,
    precision_of,
)
from onchip.deploy.cli.common import add_command, common_results, say
from onchip.deploy.cli.data import add_data_options, remembered_data, seed_of, split_name, take
from onchip.deploy.cli.networks import add_convolutions
from onchip.models.cli.options import positive

if TYPE_CHECKING:
    from onchip.deploy.backends.execution import Execution
    from onchip.program.graphs import AnyNetwork


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "parity",
        "compare every spike, output and weight of torch and Lava to the NumPy engine",
        "onchip parity network.h5 --samples 5   (exit code 1 when one differs or nothing happens)",
    )
    parser.add_argument("file", type=Path, help="network file")
    parser.add_argument("--samples", type=positive, default=3, help="to learn from (3)")
    parser.add_argument(
        "--executions",
        default=",".join(simulated()),
        metavar="NAMES",
        help=f"{', '.join(executions())} (those that need no chip)",
    )
    parser.add_argument("--precision", default="float", help="float, or fixed: the integers")
    add_convolutions(parser)
    parser.add_argument("--drifted", action="store_true", help="digits-dvs: the drifted sensor")
    add_data_options(parser, remembered=True)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Compare; prints the table.

    Results `passed, spike_mismatches, max_relative_weight_error`, over all and for each execution
    ("lava-sequenced.passed", with `spikes_fired` and `weights_changed`); `untested` says where
    nothing happened, which does not pass. Executions that cannot run this network are named in
    `left_out`.
    """
    from onchip.deploy.cli.networks import load_network, precision_name
    from onchip.deploy.parity.comparison import compare

    spec = load_network(args.file, args.precision)
    names = args.executions.split(",")
    factories, left_out = choose_executions(spec, names, args.convolutions)
    choice = remembered_data(args, spec)
    train_set, _ = choice.load(args.data_root, args.limit, args.drifted)
    seed = seed_of(args, choice)
    frames, labels = take(train_set, args.samples, np.random.default_rng(seed))
    report = compare(spec, frames, labels, factories, left_out, say, args.convolutions)
    print(report.markdown())
    verdict = "FAILED: not tested" if report.untested else "FAILED"
    print(f"parity: {'passed' if report.passed else verdict}")
    if report.rounding_grew and precision_name(spec) == "float64":
        print(
            "Every spike and output agrees; only weights differ. Where learning is unstable it "
            "multiplies the last digit's rounding step by step: try a smaller learning rate."
        )
    return {
        **common_results(
            choice.dataset, split_name(train_set), seed, ",".join(factories), precision_name(spec)
        ),
        "split_seed": choice.seed,
        "samples": report.samples,
        "learned": report.learned,
        **report.flat(),
    }


def simulated() -> list[str]:
    """The names of the executions that need no chip."""
    return [name for name, (backend, _) in executions().items() if not BACKENDS[backend].chip]


def plain_name(name: str) -> str:
    """The name of an execution as it is written today.

    An underscore once stood before the schedule: `lava_sequenced` is `lava-sequenced`.
    """
    hyphenated = name.replace("_", "-")
    return hyphenated if hyphenated in executions() else name


def choose_executions(
    spec: AnyNetwork, names: list[str], convolutions: str | None = None
) -> tuple[dict[str, Callable[[], Execution]], dict[str, str]]:
    """(factories by name, reasons by name of those that cannot run this network).

    `convolutions` is for the backends that have a choice of where frozen ones run.
    Raises ValueError where a backend was asked for and none of its executions can: a comparison
    without it would pass for the wrong reason. A backend without integers may be missing there, as
    long as something else is compared.
    """
    from onchip.checks import require_choice
    from onchip.deploy.cli.networks import choose_backend

    known = executions()
    factories: dict[str, Callable[[], Execution]] = {}
    left_out: dict[str, str] = {}
    for name in map(plain_name, names):
        require_choice("execution", name, known)
        backend, schedule = known[name]
        place = convolutions if BACKENDS[backend].convolutions else None
        reason = why_not(spec, backend, schedule, in_lava(backend, place))
        if reason is None and convolutions != place:
            reason = _other_epochs(spec, backend)
        if reason is not None:
            left_out[name] = reason
            continue
        choose_backend(backend, spec)  # before the work, not after it
        factories[name] = partial(build, spec, backend, schedule, True, None, place)
    backends = {known[name][0] for name in factories}
    for name, reason in left_out.items():
        backend = known[name][0]
        floats_only = BACKENDS[backend].precisions == (FLOAT,)
        if backend not in backends and not (floats_only and backends):
            raise ValueError(
                f"parity: {name} cannot run this network ({reason}), nor can another execution on "
                "its backend; export or quantize it otherwise, or leave it out with --executions"
            )
    return factories, left_out


def _other_epochs(spec: AnyNetwork, backend: str) -> str | None:
    """Why a backend without Lava's convolutions is another execution of integers that learn."""
    from onchip.network.partition import trunk_names
    from onchip.program.graphs import as_graph

    if precision_of(spec) == FLOAT or spec.learning is None or not trunk_names(as_graph(spec)):
        return None
    return f"with convolutions in Lava integers round by other random numbers than on {backend}"


def why_not(
    spec: AnyNetwork, backend: str, schedule: str | None, convolutions: bool = False
) -> str | None:
    """Why a backend cannot execute this network by this schedule, or None where it can.

    `convolutions` says whether it is to run the frozen ones, too.
    """
    from onchip.network.partition import split_trunk
    from onchip.program.ahead import schedule_of_all
    from onchip.program.graphs import as_graph
    from onchip.program.schedules import make_schedule

    precision = precision_of(spec)
    if precision not in BACKENDS[backend].precisions:
        return f"{backend} has no {'floating point' if precision == FLOAT else 'integers'}"
    if schedule is None:
        return None
    try:
        if convolutions:
            schedule_of_all(schedule, as_graph(spec))
        else:
            make_schedule(schedule, split_trunk(spec)[1])
    except ValueError as error:
        return str(error)
    return None
