"""`onchip cost`: what a sample costs, run or learned from: operations, memory, cores, energy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.deploy.cli.common import add_command, common_results
from onchip.deploy.cli.data import (
    add_data_options,
    add_part_options,
    drift_of,
    load_part,
    remembered_data,
    seed_of,
    split_name,
    take,
)
from onchip.deploy.cli.networks import load_network, precision_name
from onchip.models.cli.options import positive

if TYPE_CHECKING:
    import numpy as np

    from onchip.deploy.costs.counts import Costs
    from onchip.program.graphs import AnyNetwork


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "cost",
        "count what a sample costs, run and learned from: operations, memory, cores, energy",
        "onchip cost network.h5 --samples 20 --figure cost.png",
    )
    parser.add_argument("file", type=Path, help="network file")
    parser.add_argument(
        "--precision",
        default="float",
        help="float, or fixed: the file's integers, made by onchip quantize (float)",
    )
    parser.add_argument("--samples", type=positive, default=20, help="how many are counted (20)")
    parser.add_argument(
        "--sanafe",
        action="store_true",
        help="simulate the spike traffic of the first sample on Loihi 1 with SANA-FE, an extra of "
        "its own: pip install sanafe (GPL-3.0)",
    )
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the costs by layer (PNG)")
    add_part_options(parser)
    add_data_options(parser, remembered=True)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Count; prints the tables.

    Results `run` and `learned` (None for a network that does not learn), `memory`,
    `memory_of_copies` and `memory_by_layer` in bytes, `placement` by chip, `energy` and `traffic`.
    """
    from onchip.deploy.costs.counting import count
    from onchip.deploy.costs.figure import draw_costs
    from onchip.deploy.costs.table import operations_table, sparsity_line
    from onchip.program.graphs import as_graph

    spec = load_network(args.file, args.precision)
    choice = remembered_data(args, spec)
    part = load_part(args, choice)
    frames, labels = take(part, args.samples)
    costs = [count(spec, frames)]
    if as_graph(spec).learning is not None:
        costs.append(count(spec, frames, labels))
    print(f"{len(labels)} samples of {part.name} ({part.split}), {spec.time_steps} steps each\n")
    print(operations_table(costs), sparsity_line(costs[-1]), sep="\n\n")
    found = {
        **_memory(spec),
        "placement": _placement(spec),
        "energy": {"run": None, "learned": None},
        "traffic": {"run": None, "learned": None},
    }
    for name, part_costs in zip(("run", "learned"), costs, strict=False):
        found["energy"][name] = _energy(spec, part_costs)
        if args.sanafe:
            found["traffic"][name] = _traffic(spec, frames[:1], part_costs.learning)
    if args.figure is not None:
        draw_costs(args.figure, spec, costs, f"{len(labels)} samples of {part.name}")
    return {
        **common_results(
            choice.dataset, split_name(part), seed_of(args, choice), None, precision_name(spec)
        ),
        "samples": len(labels),
        "part": args.part,
        "drifted": drift_of(args) > 0,
        "drift": drift_of(args),
        "run": costs[0].as_json(),
        "learned": costs[1].as_json() if len(costs) > 1 else None,
        **found,
    }


def _memory(spec: AnyNetwork) -> dict[str, Any]:
    from onchip.deploy.costs.memory import memory_of, total_memory
    from onchip.deploy.costs.table import memory_line

    kept, copied = total_memory(spec), total_memory(spec, copies=True)
    print(memory_line(kept, precision_name(spec)))
    return {
        "memory": kept.in_bytes(),
        "memory_of_copies": copied.in_bytes(),
        "memory_by_layer": {name: m.in_bytes() for name, m in memory_of(spec).items()},
    }


def _placement(spec: AnyNetwork) -> dict[str, Any]:
    """By chip; a network that does not fit has the reason instead."""
    from onchip.deploy.checks.placement import LOIHI_2
    from onchip.deploy.costs.placement import LOIHI_1, place
    from onchip.deploy.costs.table import placement_line

    found: dict[str, Any] = {}
    for limits in (LOIHI_2, LOIHI_1):
        try:
            placement = place(spec, limits)
        except ValueError as error:
            print(f"cores of {limits.chip} (estimate): {error}")
            found[limits.chip] = {"estimate": True, "refused": str(error)}
            continue
        print(placement_line(placement))
        found[limits.chip] = placement.as_json()
    return found


def _energy(spec: AnyNetwork, costs: Costs) -> dict[str, Any]:
    """By published figures; a network without a schedule has the reason instead."""
    from onchip.deploy.costs.energy import energy_of
    from onchip.deploy.costs.table import energy_line

    try:
        energy = energy_of(spec, costs)
    except ValueError as error:
        print(f"energy: no estimate: {error}")
        return {"estimate": True, "refused": str(error)}
    print(energy_line(energy, costs.learning))
    return energy.as_json()


def _traffic(spec: AnyNetwork, frames: np.ndarray, learning: bool) -> dict[str, Any]:
    """By SANA-FE."""
    from onchip.deploy.costs.table import traffic_line
    from onchip.deploy.costs.traffic import traffic_of

    traffic = traffic_of(spec, frames, learning)
    print(traffic_line(traffic, learning))
    return traffic.as_json()
