"""`onchip quantize`: a network file gets its integers, and a report says what they cost."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.common import (
    add_command,
    common_results,
    say,
    show_progress,
    with_provenance,
)
from onchip.deploy.cli.data import DataChoice, add_data_options, remembered_data, split_name, take
from onchip.deploy.cli.quantization_page import write_quantization_page
from onchip.deploy.cli.report_options import add_report_option
from onchip.models.cli.options import positive

if TYPE_CHECKING:
    from onchip.deploy.quantization.network import Quantization
    from onchip.deploy.reports.quantization_report import QuantizationReport
    from onchip.models.data import FrameDataset
    from onchip.network.spec import NetworkSpec
    from onchip.program.integer_spec import FixedNetworkSpec

    Parts = tuple[FrameDataset, FrameDataset]


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "quantize",
        "write a network file's integers for Loihi 2 and report what they cost",
        "onchip quantize network.h5 --out quantized.h5 --fine-tune 2 --checkpoint checkpoint.pt",
    )
    parser.add_argument("file", type=Path, help="network file")
    parser.add_argument("--out", type=Path, required=True, help="network file to write")
    parser.add_argument(
        "--schedule", default="sequenced", help="to learn on: sequenced or pipelined (sequenced)"
    )
    parser.add_argument(
        "--headroom",
        type=float,
        default=None,
        help="room for plastic weights to grow (1.25; 0.6 with plastic convolutions)",
    )
    parser.add_argument(
        "--netx",
        action="store_true",
        help="only what lava-dl's netx can read too: no weight exponents, coarser biases",
    )
    parser.add_argument(
        "--samples", type=positive, default=None, help="test samples for the report (all)"
    )
    parser.add_argument(
        "--fine-tune",
        type=positive,
        default=None,
        metavar="EPOCHS",
        help="first train on with the weights in integers; needs --checkpoint",
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=None, help="that the network file was exported from"
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=None,
        help="of --fine-tune (a hundredth of training's)",
    )
    add_report_option(parser)
    add_data_options(parser, remembered=True)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Quantize; prints the report, whose keys are the results.

    With --fine-tune `before.accuracy` and `before.integer_accuracy` are those without it.
    """
    from onchip.deploy.cli.graph_fine_tuning import require_chain, tuned_graph
    from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
    from onchip.deploy.files.netx import netx_tree
    from onchip.deploy.offline import chain_only
    from onchip.deploy.quantization.network import quantize
    from onchip.network.graph import Network

    _check_options(args)
    settings = _settings(args)
    spec: Any = load_bundle(args.file).spec
    read = spec
    if args.fine_tune is not None:
        require_chain(spec)
    if args.headroom is not None and not spec.plastic_names:
        raise ValueError("--headroom is for plastic layers and this network has none; leave it out")
    choice, parts = _data(args, spec)
    fixed = quantize(spec, settings)
    if args.netx:
        netx_tree(chain_only(fixed, "--netx"))  # refuses, with the reason, before the work
    before: dict[str, Any] = {}
    if args.fine_tune is not None and parts is not None:
        first = _report(args, spec, fixed, parts)
        say(f"before fine-tuning: {first.outcome()}")
        names = ("accuracy", "integer_accuracy", "outputs_agreeing")
        before = {f"before.{name}": getattr(first, name) for name in names}
        tune = tuned_graph if isinstance(spec, Network) else fine_tuned
        spec = tune(args, spec, fixed, parts)
        fixed = quantize(spec, settings, like=fixed)
    report = _report(args, spec, fixed, parts)
    metadata = with_provenance(spec.metadata, args)
    bundle = Bundle(replace(spec, metadata=metadata), replace(fixed, metadata=metadata))
    save_bundle(args.out, bundle)
    print(report.markdown())
    parts_named = "connections" if isinstance(spec, Network) else "layers"
    print(f"integers of {len(report.layers)} {parts_named}: {args.out}")
    dataset = None if choice is None else choice.dataset
    split = None if parts is None else split_name(parts[1])
    results = {
        **common_results(dataset, split, settings.seed, "numpy", "integers"),
        "split_seed": None if choice is None else choice.seed,
        "schedule": settings.schedule,
        "headroom": settings.headroom_of(spec),
        "fine_tuned_epochs": args.fine_tune or 0,
        "file": str(args.out),
        **before,
        **report.flat(),
    }
    if args.report is not None:
        results |= write_quantization_page(args, results, report, (read, spec, fixed))
    return results


def fine_tuned(
    args: argparse.Namespace, spec: NetworkSpec, fixed: FixedNetworkSpec, parts: Parts
) -> NetworkSpec:
    """`spec` after training on with the weights on the grid of `fixed`.

    How the network learns on the chip stays: layers, rates and feedback matrices. Raises ValueError
    where `spec` is not the checkpoint's network.
    """
    from onchip.deploy.offline import chain_only
    from onchip.models import load_checkpoint
    from onchip.models.description import describe_model
    from onchip.models.training.fine_tuning import fine_tune, fine_tuning_config

    checkpoint = load_checkpoint(args.checkpoint)
    model = checkpoint.build()
    _check_same_network(args, spec, chain_only(describe_model(model), "--fine-tune"))
    config = fine_tuning_config(checkpoint.training, args.fine_tune, args.learning_rate)
    steps = {layer.name: layer.weight_step for layer in fixed.layers}
    fine_tune(model, *parts, config, steps, progress=show_progress())
    return _with_parameters(spec, chain_only(describe_model(model), "--fine-tune"))


def _check_options(args: argparse.Namespace) -> None:
    if args.fine_tune is not None and args.checkpoint is None:
        raise ValueError(
            f"--fine-tune needs --checkpoint: the one that {args.file} was exported from"
        )
    unused = args.checkpoint is not None or args.learning_rate is not None
    if args.fine_tune is None and unused:
        raise ValueError("--checkpoint and --learning-rate are for --fine-tune; name its epochs")


def _settings(args: argparse.Namespace) -> Quantization:
    from onchip.checks import require_choice
    from onchip.deploy.quantization.network import Quantization
    from onchip.program.timetable import SCHEDULES

    require_choice("schedule", args.schedule, SCHEDULES)
    settings = Quantization(args.schedule, seed=args.seed or 0, netx=args.netx)
    return settings if args.headroom is None else replace(settings, headroom=args.headroom)


def _data(args: argparse.Namespace, spec: NetworkSpec) -> tuple[DataChoice | None, Parts | None]:
    """The network's data; none where it does not remember any and none is named or needed."""
    options = (args.dataset, args.samples, args.fine_tune)
    needed = (*options, args.split, args.limit, args.data_root)
    if all(option is None for option in needed) and "dataset" not in spec.metadata:
        say("note: the network does not remember its dataset; only its weights are compared")
        return None, None
    choice = remembered_data(args, spec)
    return choice, choice.load(args.data_root, args.limit)


def _report(
    args: argparse.Namespace, spec: NetworkSpec, fixed: FixedNetworkSpec, parts: Parts | None
) -> QuantizationReport:
    from onchip.deploy.reports.quantization_report import report_quantization

    if parts is None:
        return report_quantization(spec, fixed)
    return report_quantization(spec, fixed, *take(parts[1], args.samples))


def _check_same_network(
    args: argparse.Namespace, spec: NetworkSpec, described: NetworkSpec
) -> None:
    names = [layer.name for layer in described.layers]
    if names != [layer.name for layer in spec.layers]:
        raise ValueError(
            f"checkpoint {args.checkpoint}: its layers {names} are not those of {args.file}; name "
            "the checkpoint that it was exported from"
        )
    for layer, theirs in zip(spec.layers, described.layers, strict=True):
        if not all(_same(layer, theirs, name) for name in PARAMETERS):
            raise ValueError(
                f"layer {layer.name!r}: its weights in {args.file} are not those of checkpoint "
                f"{args.checkpoint}; export that checkpoint and quantize the new file"
            )


PARAMETERS = ("weight", "bias", "recurrent_weight")


def _same(ours: Any, theirs: Any, name: str) -> bool:
    """Whether a parameter of two layers is the same up to rounding, or absent in both."""
    a, b = getattr(ours, name, None), getattr(theirs, name, None)
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-5)


def _with_parameters(spec: NetworkSpec, described: NetworkSpec) -> NetworkSpec:
    """`spec` with the weights and biases of `described`."""
    layers = []
    for layer, found in zip(spec.layers, described.layers, strict=True):
        changes = {name: getattr(found, name) for name in PARAMETERS if hasattr(found, name)}
        layers.append(replace(layer, **changes))
    return replace(spec, layers=tuple(layers))
