"""`onchip learn`: online learning from a stream of labelled samples."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.checks import require_choice
from onchip.deploy.backends.table import FLOAT, build, in_lava, precision_of
from onchip.deploy.cli.common import (
    add_command,
    common_results,
    say,
    show_progress,
    with_provenance,
)
from onchip.deploy.cli.data import (
    add_data_options,
    add_drift_options,
    drift_of,
    remembered_data,
    seed_of,
    split_name,
    take,
)
from onchip.deploy.cli.keeping import KEEP_EVERY, Keeping
from onchip.deploy.cli.learning_report import LearnedStream, write_learning_report
from onchip.deploy.cli.live_view import wants_live
from onchip.deploy.cli.networks import (
    add_execution_options,
    choose_backend,
    load_network,
    precision_name,
    tell_copies,
)
from onchip.deploy.cli.patience import add_patience_option, patience_stop
from onchip.deploy.cli.report_options import add_report_option
from onchip.deploy.cli.watching import StreamRecord, add_watching_options, watching
from onchip.models.cli.options import positive
from onchip.rules.presets import RULES

if TYPE_CHECKING:
    from onchip.program.graphs import AnyNetwork

LABELED = tuple(name for name, preset in RULES.items() if preset.objective is None)
"""The rules that learn whatever objective a network has, classes among them."""


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "learn",
        "learn online from labelled training samples, one at a time",
        "onchip learn network.h5 --backend lava --drifted --samples 300 --out learned.h5",
    )
    parser.add_argument("file", type=Path, help="network file with a learning section")
    add_execution_options(parser)
    parser.add_argument(
        "--rule", default=None, help=f"learn by another rule: {', '.join(LABELED)} (the file's)"
    )
    parser.add_argument("--samples", type=positive, default=None, help="to learn from (all)")
    parser.add_argument("--passes", type=positive, default=1, help="times through them (1)")
    parser.add_argument(
        "--test-samples", type=positive, default=None, help="held out for the accuracies (all)"
    )
    parser.add_argument(
        "--evaluate-on", default="numpy", help="backend for the two accuracies (numpy)"
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="predict each sample first as well, as --live and --report do in floating point (in "
        "integers it draws random numbers, so that weights round otherwise)",
    )
    add_patience_option(parser)
    add_drift_options(parser)
    parser.add_argument("--out", type=Path, default=None, help="network file for what was learned")
    parser.add_argument(
        "--keep-every",
        type=positive,
        default=None,
        metavar="N",
        help=f"keep the state beside --out after so many samples ({KEEP_EVERY} where it can be)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the state that an interrupted run with the same options kept",
    )
    add_watching_options(parser)
    add_report_option(parser)
    add_data_options(parser, remembered=True)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Learn; results `accuracy_before`, `accuracy_after`, `samples`, `steps_per_second`.

    The samples come from the training part in an order drawn from the seed. Both accuracies are of
    test samples, never learned from, with learning off; the NumPy engine measures them unless
    `--evaluate-on` says otherwise. `accuracy_stream` (with --measure) is that of each sample before
    it was learned from; `stopped` (with --patience) whether the stream ended early. On a long
    stream the state is kept as it goes (`onchip.deploy.backends.kept_learning`).
    """
    from onchip.deploy.backends.kept_learning import Learned, learn_on

    spec = by_rule(load_network(args.file, args.precision), args.rule, args.seed or 0)
    backend, evaluate_on = (choose_backend(b, spec) for b in (args.backend, args.evaluate_on))
    in_lava(backend, args.convolutions)  # which may refuse, before the work
    live = wants_live(args.live)
    # What it says while it learns from a sample, of which it is told the class, is no prediction;
    # but no view or report may change what is learned, and in integers predicting does. It is the
    # option that counts and not the terminal, so that the same command gives the same results.
    args.measure |= precision_of(spec) == FLOAT and (args.live or args.report is not None)
    choice = remembered_data(args, spec)
    seed = seed_of(args, choice)
    train_set, test_set = choice.load(args.data_root, args.limit, drift_of(args))
    stream = _passes(*take(train_set, args.samples, np.random.default_rng(seed)), args.passes)
    held_out = take(test_set, args.test_samples)

    def accuracy(network: AnyNetwork) -> float:
        with build(network, evaluate_on) as execution:
            return execution.evaluate(*held_out, show_progress())

    stop = patience_stop(args)
    keeping = Keeping.of(args, spec, backend, stream)
    result = keeping.start() or Learned(accuracy_before=accuracy(spec))
    before = result.accuracy_before
    tell_copies(spec)
    say(f"accuracy {before:.4f} before learning from {len(stream[1])} samples on {backend}")
    record = None if args.report is None else StreamRecord()
    with build(spec, backend, args.schedule, live, args.runtime, args.convolutions) as execution:
        keep, shown = keeping.keep if keeping.every else None, show_progress()
        every = keeping.every or KEEP_EVERY
        with watching(args, execution, record, live, result.samples, len(stream[1])) as told:
            options = (every, keep, args.measure, shown and not live)
            result = learn_on(execution, stream, result, *options, told or None, told.often, stop)
        learned = execution.snapshot()
    if args.out is not None:  # before it is measured, which takes time
        save_learned(args, _remember(learned, args, backend, choice.dataset, result.samples, seed))
    keeping.finished()
    after = accuracy(learned)
    print(f"accuracy {before:.4f} before, {after:.4f} after, on {len(held_out[1])} test samples")
    results = {
        **common_results(choice.dataset, split_name(test_set), seed, backend, precision_name(spec)),
        "split_seed": choice.seed,
        "accuracy_before": before,
        "accuracy_after": after,
        "samples": result.samples,
        "steps_per_second": result.samples * spec.time_steps / max(result.seconds, 1e-9),
        "seconds": result.seconds,
        "test_samples": len(held_out[1]),
        "evaluated_on": evaluate_on,
        "drifted": drift_of(args) > 0,
        "drift": drift_of(args),
    }
    if args.measure:
        right = result.predictions == stream[1][: result.samples]
        results["accuracy_stream"] = float(right.mean())
    if stop is not None:
        results["stopped"] = result.stopped
    if record is not None:
        results |= write_learning_report(
            args, results, LearnedStream(spec, learned, stream, record, choice, test_set, held_out)
        )
    return results


def by_rule(spec: AnyNetwork, rule: str | None, seed: int) -> Any:
    """Return the network that learns by the rule of this name, None for its own.

    Raises ValueError for a rule that learns something else than labels.
    """
    from onchip.network.rule_change import with_rule
    from onchip.program.graphs import as_graph

    if rule is None:
        return spec
    require_choice("rule", rule, RULES)
    if rule not in LABELED:
        raise ValueError(
            f"rule {rule!r} learns by objective {type(RULES[rule].objective).__name__}, but a data "
            f"set has labels; use one of {', '.join(LABELED)}, or onchip.with_learning in Python"
        )
    return with_rule(as_graph(spec), rule, seed)


def save_learned(args: argparse.Namespace, learned: AnyNetwork) -> None:
    """Write what was learned: a float network alone, or integers with what they are worth."""
    from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
    from onchip.deploy.quantization.network import dequantize
    from onchip.program.graphs import INTEGERS, numbers_of

    if numbers_of(learned) == INTEGERS:
        integers: Any = learned
        floats: Any = load_bundle(args.file).spec
        worth: Any = dequantize(integers, floats)
        save_bundle(args.out, Bundle(replace(worth, metadata=learned.metadata), integers))
        return
    if load_bundle(args.file).fixed is not None:
        say(f"note: the integers of {args.file} have not learned and are left out of {args.out}")
    network: Any = learned
    save_bundle(args.out, Bundle(network))


def _passes(frames: np.ndarray, labels: np.ndarray, passes: int) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([frames] * passes), np.concatenate([labels] * passes)


def _remember(
    spec: AnyNetwork,
    args: argparse.Namespace,
    backend: str,
    dataset: str,
    samples: int,
    seed: int,
) -> AnyNetwork:
    """The spec with one more entry in its history of learning."""
    entry = {
        "dataset": dataset,
        "drifted": drift_of(args) > 0,
        "backend": backend,
        "precision": precision_name(spec),
        "samples": samples,
        "seed": seed,
    }
    history = [*spec.metadata.get("learned", []), entry]
    metadata = {**with_provenance(spec.metadata, args), "learned": history}
    return replace(spec, metadata=metadata)
