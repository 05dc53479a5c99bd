"""Functions that build a network for each backend: the `make` of the rows of `BACKENDS`.

Each takes (spec, schedule, record), those of Lava's simulator also `runtime`. What takes seconds to
import (torch, lava) is imported when a network is built.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.network import BackendNetwork
from onchip.engine.engine import Engine
from onchip.program.graphs import INTEGERS, AnyNetwork, numbers_of
from onchip.program.schedules import make_schedule

LARGE_CALL = 2**29
"""Products of a call of `run` from which the NumPy engine leaves it to kernels.

NumPy takes 25 ms or more for them; to load the kernels takes half a second, once.
"""

TORCH_ENGINE = "onchip.models.torch_network:make_torch_network"
"""The trainer's network, as "module:name". It is named in text because this package works without
`onchip.models`: nothing but the command line may import that."""


def numpy_network(spec: AnyNetwork, schedule: str, record: bool) -> BackendNetwork:
    """The NumPy engine in float64 or in integers; frozen convolutions in `spec` run ahead.

    Large calls of `run` go to compiled kernels where these are faster. With `record` it is what
    others are held to, and all by NumPy.
    """
    if numbers_of(spec) == INTEGERS and spec.learning is not None:
        make_schedule(schedule, spec)  # integers depend on it
    return EngineNetwork(Engine(spec, ahead=True, run_from=None if record else LARGE_CALL), record)


def compiled_network(spec: AnyNetwork, schedule: str, record: bool) -> BackendNetwork:
    """The engine in float64 or in integers, learning by compiled kernels where there are some."""
    if numbers_of(spec) == INTEGERS and spec.learning is not None:
        make_schedule(schedule, spec)  # integers depend on it
    return EngineNetwork(Engine(spec, compiled=True), record)


def torch_network(spec: AnyNetwork, schedule: str, record: bool) -> BackendNetwork:
    """The PyTorch trainer's own layers in float64; the schedule decides nothing."""
    return EngineNetwork(imported(TORCH_ENGINE)(spec), record)


def lava_network(
    spec: AnyNetwork, schedule: str, record: bool, runtime: str | None
) -> BackendNetwork:
    """One process for each layer, with Lava's own models of the synapses."""
    from onchip.lava.network import LavaNetwork

    network: BackendNetwork = LavaNetwork(spec, schedule, record=record, runtime=runtime)
    return network


def fast_lava_network(
    spec: AnyNetwork, schedule: str, record: bool, runtime: str | None
) -> BackendNetwork:
    """The processes of `lava_network` with this project's models of the synapses."""
    from onchip.lava.network import LavaNetwork
    from onchip.lava.run_config import FastSimCfg

    tag = "fixed_pt" if numbers_of(spec) == INTEGERS else "floating_pt"
    options: Any = {"run_config": FastSimCfg(tag), "runtime": runtime}
    network: BackendNetwork = LavaNetwork(spec, schedule, record=record, **options)
    return network


def fused_lava_network(
    spec: AnyNetwork, schedule: str, record: bool, runtime: str | None
) -> BackendNetwork:
    """The network as one process."""
    from onchip.lava.fused import FusedLavaNetwork

    network: BackendNetwork = FusedLavaNetwork(spec, schedule, record=record, runtime=runtime)
    return network


def compiled_lava_network(
    spec: AnyNetwork, schedule: str, record: bool, runtime: str | None
) -> BackendNetwork:
    """The network as one process, which learns by compiled kernels in floating point, too."""
    from onchip.lava.fused import FusedLavaNetwork

    options: Any = {"runtime": runtime, "compiled": True}
    network: BackendNetwork = FusedLavaNetwork(spec, schedule, record=record, **options)
    return network


def loihi2_network(spec: AnyNetwork, schedule: str, record: bool) -> BackendNetwork:
    """The processes of `lava_network` on a chip; nothing of this has been run on one yet."""
    from onchip.lava.loihi2 import chip

    network: BackendNetwork = chip.loihi2_network(spec, schedule, record=record)
    return network


def require_torch() -> None:
    """Raise a ValueError that says how to get PyTorch where it is missing."""
    if importlib.util.find_spec("torch") is None:
        raise ValueError("backend torch: PyTorch is not installed; pip install torch")


def require_lava() -> None:
    """Raise a ValueError that says how to get Lava where it is missing."""
    import onchip.lava  # noqa: F401  it looks for everything that the simulator needs


def imported(place: str) -> Any:
    """Return what `place`, "module:name", names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
