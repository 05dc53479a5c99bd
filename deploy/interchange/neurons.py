"""Neurons as NIR's nodes.

Ours, with the step dt, as NIR's (forward Euler, v_leak = v_reset = 0):

    LIF              tau = dt / (1 - lambda), r = tau / dt, v_threshold = Vth; with lambda 1: IF
    CuBa             tau_mem and tau_syn by the same rule, r = tau_mem / dt, w_in = tau_syn / dt
    LeakyIntegrator  LI by the same rule; with lambda 1: I

so that an input adds exactly its weight in a step. `onchip.deploy.interchange.parameters` reads
them, and those of others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onchip.deploy.interchange.nir_package import nir_package
from onchip.neurons.base import Neuron
from onchip.neurons.cuba import CuBa
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator

NODES = ("LIF", "CubaLIF", "IF", "LI", "I")
"""Types of NIR's nodes that are neurons here."""

REFUSED = {
    "CubaLI": "no readout here filters its current; use an LI",
    "Threshold": "no neuron here is without a membrane; use a LIF",
}


def node_of(neuron: Neuron, shape: tuple[int, ...], dt: float, metadata: dict[str, str]) -> Any:
    """Return the node of a population; ValueError, naming the neuron, where NIR has none."""
    write = _WRITERS.get(type(neuron))
    if write is None:
        raise ValueError(
            f"{type(neuron).__name__}: NIR has no such neuron; it has those of "
            f"{', '.join(kind.__name__ for kind in _WRITERS)} (and LinearReadout)"
        )
    values = write(neuron, dt)
    kind = getattr(nir_package(), values.pop("type"))
    return kind(**{k: np.full(shape, v) for k, v in values.items()}, metadata=metadata)


def _lif(neuron: LIF, dt: float) -> dict[str, Any]:
    reset = {"v_threshold": neuron.v_threshold, "v_reset": 0.0}
    if neuron.decay == 1:
        return {"type": "IF", "r": 1 / dt, **reset}
    tau = dt / (1 - neuron.decay)
    return {"type": "LIF", "tau": tau, "r": tau / dt, "v_leak": 0.0, **reset}


def _cuba(neuron: CuBa, dt: float) -> dict[str, Any]:
    for name in ("decay", "current_decay"):
        if getattr(neuron, name) == 1:
            raise ValueError(
                f"CuBa: {name} is 1, a time constant without end, and NIR's CubaLIF needs one; "
                "let it be below 1"
            )
    mem, syn = dt / (1 - neuron.decay), dt / (1 - neuron.current_decay)
    return {
        "type": "CubaLIF",
        "tau_mem": mem,
        "tau_syn": syn,
        "r": mem / dt,
        "v_leak": 0.0,
        "v_threshold": neuron.v_threshold,
        "v_reset": 0.0,
        "w_in": syn / dt,
    }


def _integrator(neuron: LeakyIntegrator, dt: float) -> dict[str, Any]:
    if neuron.decay == 1:
        return {"type": "I", "r": 1 / dt}
    tau = dt / (1 - neuron.decay)
    return {"type": "LI", "tau": tau, "r": tau / dt, "v_leak": 0.0}


_WRITERS: dict[type, Callable[[Any, float], dict[str, Any]]] = {
    LIF: _lif,
    CuBa: _cuba,
    LeakyIntegrator: _integrator,
}
