"""Fine-tuning of graphs that are chains of layers, such as those whose convolutions learn."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.common import show_progress
from onchip.deploy.offline import chain_only
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT

if TYPE_CHECKING:
    from onchip.program.chip_network import ChipNetwork


def require_chain(network: Any) -> None:
    """Raise ValueError for a graph whose populations are not one behind another."""
    if isinstance(network, Network) and not _is_chain(network):
        chain_only(network, "--fine-tune")


def _is_chain(network: Network) -> bool:
    """Whether each population reads the one before it, perhaps itself, and nothing else."""
    names = [p.name for p in network.populations]
    wanted = dict(zip(names, [INPUT, *names], strict=False))
    for name in names:
        into = [c for c in network.connections if c.target == name and c.source != ALWAYS_ON]
        forward = [c for c in into if not c.delay]
        own = all(c.source == name for c in into if c.delay)
        if len(forward) != 1 or forward[0].source != wanted[name] or not own:
            return False
    return True


def tuned_graph(
    args: argparse.Namespace, network: Network, fixed: ChipNetwork, parts: tuple[Any, Any]
) -> Network:
    """Return `network` after training on with the weights on the grid of its integers `fixed`.

    As `onchip.deploy.cli.quantize_command.fine_tuned`, by the names of connections: feedback, rules
    and rates stay. Raises ValueError where it is not the checkpoint's network.
    """
    from onchip.models import load_checkpoint
    from onchip.models.description import describe_model
    from onchip.models.training.fine_tuning import fine_tune, fine_tuning_config
    from onchip.program.graphs import as_graph

    checkpoint = load_checkpoint(args.checkpoint)
    model = checkpoint.build()
    _check_same(args, network, as_graph(chain_only(describe_model(model), "--fine-tune")))
    config = fine_tuning_config(checkpoint.training, args.fine_tune, args.learning_rate)
    fine_tune(model, *parts, config, _steps(fixed), progress=show_progress())
    return network.with_weights(_weights(as_graph(describe_model(model))))


def _steps(fixed: ChipNetwork) -> dict[str, float]:
    """What one integer weight of each layer is worth; ValueError where its connections differ."""
    steps: dict[str, float] = {}
    for name, connection in zip(fixed.names, fixed.connections, strict=True):
        chip: Any = connection
        population: Any = fixed.population(chip.target)
        step = chip.weight_step(population.membrane_unit)
        if steps.setdefault(chip.target, step) != step:
            raise ValueError(
                f"connection {name!r}: its weights have steps other than those beside it, but "
                "--fine-tune knows one of a layer; quantize without it"
            )
    return steps


def _weights(graph: Network) -> dict[str, np.ndarray]:
    named = zip(graph.names, graph.connections, strict=True)
    return {name: c.transform.weight for name, c in named}


def _check_same(args: argparse.Namespace, ours: Network, theirs: Network) -> None:
    """Raise ValueError unless both have the same weights."""
    found, wanted = _weights(ours), _weights(theirs)
    if found.keys() != wanted.keys():
        raise ValueError(
            f"checkpoint {args.checkpoint}: its connections {list(wanted)} are not those of "
            f"{args.file}; name the checkpoint that it was exported from"
        )
    for name, weight in found.items():
        other = wanted[name]
        if weight.shape != other.shape or not np.allclose(weight, other, rtol=1e-5):
            raise ValueError(
                f"connection {name!r}: its weights in {args.file} are not those of checkpoint "
                f"{args.checkpoint}; export that checkpoint and quantize the new file"
            )
