"""`onchip export`: a checkpoint becomes a network file with its learning section."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from onchip.checks import require_choice
from onchip.deploy.cli.common import add_command, common_results, say, with_provenance
from onchip.deploy.cli.networks import tell_copies
from onchip.rules.presets import OTTT, RULES

EXACT = (
    "note: exact feedback reads the live weights, which simulators alone can do; a chip learns by "
    "symmetric, random or direct feedback"
)


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "export",
        "write a checkpoint's network, and how it is to learn, to an HDF5 file",
        "onchip export checkpoint.pt --out network.h5 --learning-rate 0.05 --feedback symmetric",
    )
    parser.add_argument("checkpoint", type=Path, help="file that onchip train wrote")
    parser.add_argument("--out", type=Path, required=True, help="network file to write")
    parser.add_argument(
        "--plastic",
        default=None,
        metavar="NAMES",
        help="layers that learn, e.g. fc1,readout, convolutions among them (all dense ones)",
    )
    parser.add_argument("--rule", default=OTTT, help=f"learning rule: {', '.join(RULES)} ({OTTT})")
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=0.05,
        help="of an update, in units of the loss (0.05)",
    )
    parser.add_argument("--mode", default="online", help="online or accumulate (online)")
    parser.add_argument(
        "--feedback",
        default="symmetric",
        help="symmetric, random or direct, as a chip can do, or exact, for simulators (symmetric)",
    )
    parser.add_argument(
        "--mse-weight", type=float, default=0.05, help="share of the squared error, 0 to 1 (0.05)"
    )
    parser.add_argument(
        "--schedule",
        default="sequenced",
        help="that the network will learn by: sequenced or pipelined (sequenced)",
    )
    parser.add_argument(
        "--update-delay",
        type=int,
        default=None,
        help="steps by which an online update lags: 0 or 1 (what the schedule needs)",
    )
    parser.add_argument("--inference-only", action="store_true", help="no learning section")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Export; results name the layers and the file."""
    from onchip.deploy.cli.networks import is_network_file, load_checkpoint_model
    from onchip.deploy.files.hdf5 import save_spec
    from onchip.network.learning import with_learning
    from onchip.program.graphs import as_graph
    from onchip.program.timetable import SCHEDULES

    require_choice("rule", args.rule, RULES)
    require_choice("schedule", args.schedule, SCHEDULES)
    if is_network_file(args.checkpoint):
        raise ValueError(f"{args.checkpoint} is a network file already; name a checkpoint")
    spec: Any
    _, spec = load_checkpoint_model(args.checkpoint)
    plastic = None if args.plastic is None else args.plastic.split(",")
    if needs_graph(spec, plastic, args.rule):
        spec = as_graph(spec)
    delay = int(args.schedule == "pipelined" and args.mode == "online")
    if args.update_delay is not None:
        delay = args.update_delay
    if not args.inference_only:
        if args.feedback == "exact" and not RULES[args.rule].feedback:
            say(EXACT)
        spec = with_learning(
            spec,
            plastic=plastic,
            learning_rate=args.learning_rate,
            rule=args.rule,
            mode=args.mode,
            feedback=None if RULES[args.rule].feedback else args.feedback,
            mse_weight=args.mse_weight,
            update_delay=delay,
            seed=args.seed or 0,
        )
    spec = replace(spec, metadata=with_provenance(spec.metadata, args))
    save_spec(args.out, spec)
    names = [population.name for population in as_graph(spec).populations]
    learning = ", ".join(spec.plastic_names) or "none"
    print(f"layers {', '.join(names)}; learning: {learning}: {args.out}")
    tell_copies(spec)
    kept = spec.metadata
    return {
        **common_results(kept.get("dataset"), kept.get("split"), args.seed or 0, None, "float64"),
        "layers": names,
        "plastic": list(spec.plastic_names),
        "file": str(args.out),
    }


def needs_graph(spec: Any, plastic: list[str] | None, rule: str) -> bool:
    """Whether learning has no place in a chain of layers: in convolutions, or by another rule."""
    from onchip.network.graph import Network
    from onchip.network.spec import is_convolution

    if isinstance(spec, Network):
        return False
    named = {layer.name for layer in spec.layers if is_convolution(layer)} & set(plastic or ())
    return bool(named) or rule != OTTT
