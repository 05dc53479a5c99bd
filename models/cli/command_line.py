"""The command line of training, on one process or on many; the program is `onchip.models`.

Every process loads the data set, builds the same network and calls
`onchip.models.training.training.train`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata as packages
from typing import TYPE_CHECKING, Any, NoReturn

from onchip.files.targets import check_target
from onchip.models.cli.failures import failure_text, is_bad_input
from onchip.models.cli.interruption import ending_in_order, ending_word, exit_code
from onchip.models.cli.options import (
    add_training_options,
    folder,
    make_config,
    make_model,
    settings_line,
    source_line,
)
from onchip.models.cli.own_data_options import add_own_data_options
from onchip.models.cli.program import load_named_data
from onchip.models.cli.streams import patient_streams
from onchip.models.training.torchrun import process_count

if TYPE_CHECKING:
    from onchip.models.config import TrainingConfig
    from onchip.models.data import FrameDataset
    from onchip.models.networks.network import SpikingNetwork
    from onchip.models.training.distributed import Processes

PROGRAM = ("python", "-m", "onchip.models")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; returns the exit code.

    0 done, 1 another process failed, 2 bad input, 130 Ctrl-C, 143 SIGTERM (129 SIGHUP).
    """
    with patient_streams():
        # Behind torchrun a process ends at once: what rank 0 wrote after each epoch is there.
        with ending_in_order() if process_count() == 1 else contextlib.nullcontext():
            return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    args = make_parser().parse_args(arguments)
    from onchip.models.training.distributed import ALONE, LostProcessError, SharedError, joined

    args.command_line = shlex.join([*PROGRAM, *(sys.argv[1:] if arguments is None else arguments)])
    args.left = lambda: ""
    processes = ALONE
    try:
        with joined(args.device) as processes:
            run(args, processes)
    except LostProcessError as error:
        return _fail(str(error), 1)
    except SharedError as error:
        if error.__cause__ is not None and not is_bad_input(error.__cause__):
            raise
        return _fail_together(_joined(str(error), args.left()), processes)
    except Exception as error:
        if not is_bad_input(error):
            raise
        who = "" if processes.size == 1 else f"process {processes.rank} of {processes.size}: "
        return _fail(f"{who}{_joined(failure_text(error), args.left())}", 2)
    except KeyboardInterrupt as interrupt:
        if processes.rank == 0:
            _fail(_joined(ending_word(interrupt), args.left()), 2)
        return exit_code(interrupt)
    return 0


def leave(code: int) -> NoReturn:
    """End this process; at once where it is one of several.

    gloo's threads may still hold tensors then, and abort a process whose interpreter is ending.
    """
    if process_count() == 1:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(args: argparse.Namespace, processes: Processes) -> None:
    """Load the data, build the network and train it on `processes`."""
    from onchip.models import train
    from onchip.models.training.run_files import KeptEpochs

    data = processes.first_alone(lambda: load_named_data(args))
    job = processes.together(lambda: _prepare(args, *data, processes))
    first = processes.rank == 0
    if first:
        print(_beginning(args, job, processes), flush=True)
    kept = KeptEpochs(args.out, job.config.epochs)
    args.left = kept.advice
    result = train(
        job.model,
        job.train_set,
        job.test_set,
        job.config,
        out=args.out,
        resume=args.resume,
        log=args.log,
        tensorboard=args.tensorboard,
        metadata=job.metadata,
        progress=first and sys.stderr.isatty(),
        report=lambda line: print(line, flush=True),
        processes=processes,
        saved=kept.saved,
        warn=lambda line: print(line, flush=True),
    )
    if first:
        print(f"test accuracy {result.accuracy:.4f} after {result.epochs} epochs: {args.out}")


def make_parser() -> argparse.ArgumentParser:
    """The options: the data's, the training's and `--device`."""
    parser = argparse.ArgumentParser(
        prog="onchip.models",
        description="Train a spiking network with OTTT or BPTT, on one process or many (torchrun).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  torchrun --nproc-per-node 2 -m onchip.models --model mlp --out c.pt",
    )
    parser.add_argument("--seed", type=int, default=None, help="seed of all that is random (0)")
    parser.add_argument("--dataset", default="digits-dvs", help="see onchip datasets (digits-dvs)")
    add_own_data_options(parser)
    parser.add_argument("--split", default=None, help="how the dataset is split")
    parser.add_argument("--data-root", type=folder, default=None, help="folder with the dataset's")
    parser.add_argument("--limit", type=int, default=None, help="samples of each part at most")
    parser.add_argument("--time-steps", type=int, default=None, help="frames of a sample (10)")
    parser.add_argument("--framing", default="time", help="time or count (time)")
    parser.add_argument("--counts", action="store_true", help="event counts instead of 0 and 1")
    parser.add_argument("--size", type=int, default=None, help="side of the frames in pixels")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto)")
    add_training_options(parser)
    return parser


@dataclass(frozen=True)
class _Job:
    model: SpikingNetwork
    train_set: FrameDataset
    test_set: FrameDataset
    config: TrainingConfig
    metadata: dict[str, Any]


def _prepare(
    args: argparse.Namespace,
    train_set: FrameDataset,
    test_set: FrameDataset,
    processes: Processes,
) -> _Job:
    for target in filter(None, (args.out, args.log)):
        check_target(target, stream=False)
    config = make_config(args, train_set)
    model = make_model(args, train_set).to(processes.device)
    metadata = _metadata(args, train_set, test_set, config)
    return _Job(model, train_set, test_set, config, metadata)


def _metadata(
    args: argparse.Namespace,
    train_set: FrameDataset,
    test_set: FrameDataset,
    config: TrainingConfig,
) -> dict[str, Any]:
    """What `onchip train` keeps in a checkpoint as well."""
    return {
        "dataset": train_set.metadata.get("dataset", args.dataset),
        "split": train_set.split.split(":")[0],
        "seed": args.seed or 0,
        "framing": {
            "time_steps": train_set.frames.shape[1],
            "by": args.framing,
            "binary": not args.counts,
            "size": args.size,
        },
        "train_samples": len(train_set),
        "test_samples": len(test_set),
        "data": {**train_set.metadata, "part": "train"},
        "training": asdict(config),
        "history": [{"command": args.command_line, "versions": _versions()}],
    }


def _versions() -> dict[str, str]:
    return {name: packages.version(name) for name in ("numpy", "torch")}


def _beginning(args: argparse.Namespace, job: _Job, processes: Processes) -> str:
    where = f"{processes.size} process{'es' if processes.size > 1 else ''} ({processes.device})"
    lines = (
        f"training {args.model} on {len(job.train_set)} samples, {where}",
        settings_line(job.config),
        source_line(args),
    )
    return "\n".join(filter(None, lines))


def _fail_together(message: str, processes: Processes) -> int:
    """Rank 0 says what all know; the others wait, as torchrun ends all when the first one ends."""
    if processes.rank == 0:
        _fail(message, 2)
    with contextlib.suppress(RuntimeError):
        processes.gather(None)
    return 2


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _fail(message: str, code: int) -> int:
    print(f"onchip.models: error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code
