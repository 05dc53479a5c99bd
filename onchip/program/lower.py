"""Lowering: from a network and the name of a schedule to a program, and learned weights back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onchip.network.spec import NetworkSpec
from onchip.program import integer_lowering, real_lowering
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.program import INTEGERS, Program
from onchip.program.timetable import make_schedule


def lower(network: NetworkSpec | FixedNetworkSpec, schedule: str) -> Program:
    """Return the program of a network of dense layers on the named schedule.

    Raises ValueError, with the reason, for a network that the schedule cannot execute.
    """
    timetable = make_schedule(schedule, network)
    if isinstance(network, FixedNetworkSpec):
        return integer_lowering.lower(network, timetable)
    return real_lowering.lower(network, timetable)


def learned(program: Program, weights: Mapping[str, np.ndarray]) -> Any:
    """Return the program's network with other weights, [post, pre] by the name of synapses."""
    integers = program.numbers == INTEGERS
    return (integer_lowering if integers else real_lowering).learned(program, weights)
