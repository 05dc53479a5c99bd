"""What is not deployed, and says why."""

from __future__ import annotations

from typing import Any

from onchip.network.graph import Network
from onchip.program.graphs import AnyNetwork, as_graph


def refuse_offline(network: object, task: str) -> None:
    """Raise ValueError where `network` has an `offline_reason`, as liquid networks have.

    Also for what is not a network of the toolkit, such as a module of torch, and for neurons that
    the engine alone runs. `task` is what cannot
    be done to it, such as "build". The reason is the network's own: this package knows none of them
    (`onchip.models.fptt.offline`).
    """
    reason = getattr(network, "offline_reason", None)
    if reason is not None:
        raise ValueError(f"{type(network).__name__}: cannot {task} {reason}")
    if not isinstance(network, AnyNetwork):
        raise ValueError(
            f"{type(network).__name__}: cannot {task} what is neither a NetworkSpec, a Network nor "
            "one in integers; pass what onchip.models.describe_model makes of a trained network"
        )
    for population in as_graph(network).populations:
        if population.neuron.engine_only:
            raise ValueError(
                f"{type(network).__name__}: cannot {task} population {population.name!r}: "
                f"{population.neuron.engine_only}; onchip.Engine runs it"
            )


def chain_only(network: Any, task: str) -> Any:
    """Return a network that is a chain; ValueError for a graph, which the `task` does not take."""
    if isinstance(network, Network):
        raise ValueError(
            f"network: it is a graph of {len(network.populations)} populations, and {task} takes "
            "chains of layers (onchip.NetworkSpec) only"
        )
    return network
