"""A graph in every execution, compared with the independent loop over its equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from graph_cases import largest_difference, weights_of
from own_parts import Loops
from parity_cases import TOLERANCE

from onchip import Engine, Network
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.models.torch_graph import TorchGraph


def one_by_one(execution: Any, frames: np.ndarray, targets: Any) -> tuple[np.ndarray, Network]:
    outputs = [execution.learn(frames[[i]], targets[[i]])[0] for i in range(len(frames))]
    return np.array(outputs), execution.snapshot()


def in_lava(make: Callable[[], Any], frames: np.ndarray, targets: Any) -> tuple[Any, Network]:
    with make() as execution:
        return execution.learn(frames, targets).outputs, execution.snapshot()


def executions(spec: Network, frames: np.ndarray, targets: Any) -> dict[str, tuple[Any, Network]]:
    """Outputs and the learned network by each execution of the packages."""
    fast = FastSimCfg("floating_pt")
    return {
        "numpy": one_by_one(Engine(spec), frames, targets),
        "torch": one_by_one(TorchGraph(spec), frames, targets),
        "lava": in_lava(lambda: LavaNetwork(spec), frames, targets),
        "lava-fast": in_lava(lambda: LavaNetwork(spec, run_config=fast), frames, targets),
        "lava-fused": in_lava(lambda: FusedLavaNetwork(spec), frames, targets),
    }


def assert_all_equal(spec: Network, frames: np.ndarray, targets: Any, moved: float = 0.01) -> None:
    """Outputs and weights of all are the loop's; the weights have moved by `moved` at least."""
    loops = Loops(spec)
    expected = loops.stream(zip(frames, targets, strict=True), len(frames)).outputs
    assert largest_difference(weights_of(spec), loops.weights) > moved
    for name, (outputs, learned) in executions(spec, frames, targets).items():
        np.testing.assert_allclose(outputs, expected, atol=TOLERANCE, err_msg=name)
        assert largest_difference(weights_of(learned), loops.weights) < TOLERANCE, name
