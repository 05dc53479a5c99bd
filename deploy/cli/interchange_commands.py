"""`onchip to-nir`, `from-nir` and `from-netx`: networks to and from the files of others."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from onchip.deploy.cli.common import add_command, common_results, say, with_provenance
from onchip.models.cli.options import positive


def add(commands: Any) -> None:
    """Add the parsers of the three commands."""
    _add_writing(commands)
    _add_reading(commands)
    _add_reading_lava_dl(commands)


def _add_writing(commands: Any) -> None:
    parser = add_command(
        commands,
        "to-nir",
        "write the float network of a network file or checkpoint as a NIR file",
        "onchip to-nir network.h5 --dt 1e-4 --out network.nir",
    )
    parser.add_argument("file", type=Path, help="network file or checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="NIR file to write")
    parser.add_argument(
        "--dt", type=float, required=True, help="length of a step in the time constants' unit"
    )
    parser.add_argument(
        "--pools", default="folded", help="folded, or separate: average pools as nodes (folded)"
    )
    parser.add_argument(
        "--draw", type=Path, default=None, metavar="FILE", help="picture of it, .svg or .dot"
    )
    parser.set_defaults(execute=write)


def _add_reading(commands: Any) -> None:
    parser = add_command(
        commands,
        "from-nir",
        "read a NIR file, of whatever framework, and write a network file",
        "onchip from-nir net.nir --written-by snntorch --reset zero --time-steps 25 --out net.h5",
    )
    parser.add_argument("file", type=Path, help="NIR file")
    parser.add_argument("--out", type=Path, required=True, help="network file to write")
    parser.add_argument("--written-by", default="nir", help=_WRITERS)
    parser.add_argument(
        "--dt", type=float, default=None, help="length of a step (the framework's, if it has one)"
    )
    parser.add_argument("--reset", default=None, help="subtract or zero; most files do not say")
    parser.add_argument("--fires", default=None, help="> or >= (the framework's)")
    parser.add_argument("--time-steps", type=positive, default=None, help="steps of a sample")
    parser.set_defaults(execute=read)


def _add_reading_lava_dl(commands: Any) -> None:
    parser = add_command(
        commands,
        "from-netx",
        "read a network that lava-dl exported (.net), in integers",
        "onchip from-netx trained.net --time-steps 16 --out network.h5",
    )
    parser.add_argument("file", type=Path, help="file that slayer's export_hdf5 wrote")
    parser.add_argument("--out", type=Path, required=True, help="network file to write")
    parser.add_argument("--time-steps", type=positive, required=True, help="steps of a sample")
    parser.add_argument(
        "--skip-input-neurons", action="store_true", help="the frames are spikes of the input layer"
    )
    parser.set_defaults(execute=read_lava_dl)


_WRITERS = "nir, snntorch, spikingjelly, norse or sinabs: what its parameters mean in steps (nir)"


def write(args: argparse.Namespace) -> dict[str, Any]:
    """Write a NIR file; results name the nodes and the files."""
    from onchip.deploy.cli.networks import load_any
    from onchip.deploy.interchange.drawing import draw
    from onchip.deploy.interchange.files import load_graph, write_nir
    from onchip.files.targets import check_target
    from onchip.network.learning import without_learning

    if args.draw is not None:
        check_target(args.draw)
    network: Any = load_any(args.file)
    write_nir(args.out, without_learning(network), dt=args.dt, pools=args.pools)
    if network.learning is not None:
        say("note: NIR has no place for learning; the network was written without it")
    if args.draw is not None:
        draw(network, args.draw)
    nodes = list(load_graph(args.out).nodes)
    print(f"{len(nodes)} nodes, dt {args.dt:g}: {args.out}")
    return {
        **_common(network, args),
        "nodes": nodes,
        "dt": args.dt,
        "file": str(args.out),
    }


def read(args: argparse.Namespace) -> dict[str, Any]:
    """Read a NIR file; results name the populations and the file."""
    from onchip.deploy.files.hdf5 import save_spec
    from onchip.deploy.interchange.files import read_nir

    network = read_nir(
        args.file,
        dt=args.dt,
        reset=args.reset,
        fires=args.fires,
        written_by=args.written_by,
        time_steps=args.time_steps,
    )
    network = replace(network, metadata=with_provenance(network.metadata, args))
    save_spec(args.out, network)
    names = [population.name for population in network.populations]
    print(f"populations {', '.join(names)}; {network.time_steps} steps: {args.out}")
    return {**_common(network, args), "populations": names, "file": str(args.out)}


def _common(network: Any, args: argparse.Namespace) -> dict[str, Any]:
    kept = network.metadata
    return common_results(kept.get("dataset"), kept.get("split"), args.seed or 0, None, "float64")


def read_lava_dl(args: argparse.Namespace) -> dict[str, Any]:
    """Read a file of lava-dl; results name the layers and the file."""
    from onchip.deploy.files.hdf5 import Bundle, save_bundle
    from onchip.deploy.files.netx_reading import read_netx
    from onchip.program.graphs import as_graph

    bundle = read_netx(
        args.file, time_steps=args.time_steps, skip_input_neurons=args.skip_input_neurons
    )
    metadata = with_provenance({}, args)
    spec, fixed = bundle.spec, bundle.fixed
    assert fixed is not None
    save_bundle(
        args.out, Bundle(replace(spec, metadata=metadata), replace(fixed, metadata=metadata))
    )
    names = [population.name for population in as_graph(spec).populations]
    print(f"layers {', '.join(names)}; {args.time_steps} steps: {args.out}")
    return {**_common(spec, args), "layers": names, "file": str(args.out)}
