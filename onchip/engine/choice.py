"""The NumPy engine of a network, by its precision."""

from __future__ import annotations

from onchip.engine.engine import Engine
from onchip.engine.integer_engine import FixedEngine
from onchip.network.spec import NetworkSpec
from onchip.program.integer_spec import FixedNetworkSpec

AnySpec = NetworkSpec | FixedNetworkSpec
"""A network in floating point or in integers; executions choose their arithmetic by its type."""


def make_engine(spec: AnySpec) -> Engine | FixedEngine:
    """The NumPy engine of the spec's precision."""
    return FixedEngine(spec) if isinstance(spec, FixedNetworkSpec) else Engine(spec)
