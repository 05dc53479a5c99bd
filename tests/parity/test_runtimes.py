"""Lava's own processes do the same in one OS process and in one each: every Var, every step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lava_networks import NETWORKS, make
from parity_cases import LONG

from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.graphs import running
from onchip.lava.runtime.memory import read_var


def course(name: str, runtime: str, steps: int) -> Iterator[dict[str, Any]]:
    """All Vars by name after each of the steps."""
    processes, config = make(name, steps)
    variables = {
        f"{index}.{type(process).__name__}.{var.name}": var
        for index, process in enumerate(processes)
        for var in process.vars
        if var.init is not None  # a rule that the process does not have: Lava cannot read it
    }
    with running(processes[0], config, runtime) as network:
        for _ in range(steps):
            network.run(1)
            yield {key: values_of(var) for key, var in variables.items()}


def values_of(var: Any) -> Any:
    """As whole arrays where that is possible, else as Lava has it."""
    if var.aliased_var is not None or not isinstance(var.init, (int, float, np.ndarray, list)):
        value = var.get()
        return value.toarray() if hasattr(value, "toarray") else value
    return read_var(var)


def equal(ours: Any, theirs: Any) -> bool:
    """In type and every bit; NaN, which some stock traces hold, is equal to itself."""
    if isinstance(theirs, str):
        return bool(ours == theirs)
    floats = theirs.dtype.kind == "f"
    return ours.dtype == theirs.dtype and np.array_equal(ours, theirs, equal_nan=floats)


# What Lava's own models do is theirs.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:lava")
@pytest.mark.parametrize("steps", [20, pytest.param(200, marks=LONG)])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_variable_is_equal_after_every_step(name, steps):
    changed = set()
    first: dict[str, Any] = {}
    pairs = zip(course(name, ONE_PROCESS, steps), course(name, PROCESSES, steps), strict=True)
    for step, (here, there) in enumerate(pairs):
        assert here.keys() == there.keys()
        first = first or here
        for key, value in there.items():
            assert equal(here[key], value), (step, key, here[key], value)
            if not equal(value, first[key]):
                changed.add(key)
    assert changed, "nothing happened"
