"""Neurons from NIR's nodes: this package's own, and those of others by a convention.

Where an input of 1 adds something else than 1 to the membrane, that becomes a factor of the weights
(`Read.gain`); where neurons of one population have several thresholds, their weights are divided by
them. Time constants are turned into decays in the precision of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from onchip.deploy.interchange.conventions import RESETS, Convention, next_above
from onchip.deploy.interchange.kept import neuron_from_kept
from onchip.deploy.interchange.linear_nodes import plain
from onchip.deploy.interchange.neurons import NODES, REFUSED, node_of
from onchip.neurons.base import Neuron
from onchip.neurons.cuba import CuBa
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.neurons.surrogates import Surrogate


class Read(NamedTuple):
    """A neuron, and the factors [*shape] (or one) on the weights into it."""

    neuron: Neuron
    gain: np.ndarray


def read_neuron(
    node: Any, name: str, meaning: Convention, surrogate: Surrogate | None, kept: dict[str, Any]
) -> Read:
    """Return the neuron that a node stands for, by a convention.

    `kept` are the constants that this package wrote, which count where the node's parameters are
    still those that were written with them. Raises ValueError, naming the node and the parameter,
    for what no neuron here does, for parameters that were changed, and where dt or the reset is
    not known.
    """
    kind = type(node).__name__
    if kind not in NODES:
        raise ValueError(f"NIR: node {name!r}: {kind}: {REFUSED[kind]}")
    if kept:
        return _as_written(node, name, meaning, kept)
    if meaning.dt is None:
        raise ValueError(
            f"NIR: the graph does not say how long a step is (node {name!r} has time constants); "
            "pass dt, in their unit"
        )
    return _Parameters(node, name, meaning, surrogate).read(kind)


def _as_written(node: Any, name: str, meaning: Convention, kept: dict[str, Any]) -> Read:
    neuron = neuron_from_kept(kept, name)
    wanted = node_of(neuron, (1,), meaning.dt or 1.0, {})
    given = {field: np.asarray(getattr(node, field, np.nan)) for field in _fields(wanted)}
    same = type(node).__name__ == type(wanted).__name__ and all(
        np.allclose(value, getattr(wanted, field), rtol=1e-6, atol=0)
        for field, value in given.items()
    )
    if not same:
        raise ValueError(
            f"NIR: node {name!r}: its parameters are not those that its metadata 'onchip' were "
            "written with; remove that entry to read the parameters, or write the network again"
        )
    return Read(neuron, np.ones(1))


def _fields(node: Any) -> list[str]:
    return [f for f in vars(node) if f not in ("input_type", "output_type", "metadata", "shape")]


@dataclass(frozen=True)
class _Parameters:
    """The parameters of one foreign node."""

    node: Any
    name: str
    meaning: Convention
    surrogate: Surrogate | None

    def read(self, kind: str) -> Read:
        if kind in ("LI", "I"):
            return self._readout(kind)
        gain, decay = self._gain(kind)
        low = self._one("v_leak") if kind != "IF" else 0.0
        thresholds = self._array("v_threshold").astype(np.float64) - low
        if thresholds.min() <= 0:
            raise self._refused(
                "v_threshold",
                f"is not above v_leak {low}, so its neurons would fire without end; raise it",
            )
        if np.unique(thresholds).size > 1:  # each neuron in units of its own threshold
            gain, thresholds = gain / thresholds, np.ones(1)
        reset = self._reset(low)
        threshold = next_above(float(thresholds.flat[0]), self.meaning.fires)
        options: dict[str, Any] = {"reset": RESETS[reset], "surrogate": self.surrogate}
        if kind != "CubaLIF":
            return Read(self._made(LIF, decay=decay, v_threshold=threshold, **options), gain)
        current, filtered = self._current()
        neuron = self._made(
            CuBa, decay=decay, current_decay=current, v_threshold=threshold, **options
        )
        return Read(neuron, gain * filtered)

    def _readout(self, kind: str) -> Read:
        if kind == "LI" and self._one("v_leak") != 0:
            raise self._refused(
                "v_leak", "is not 0, and no readout here has an offset; subtract it"
            )
        gain, decay = self._gain(kind)
        return Read(self._made(LeakyIntegrator, decay=decay), gain)

    def _gain(self, kind: str) -> tuple[np.ndarray, float]:
        """(what an input is multiplied by, lambda)."""
        r = self._array("r")
        if kind in ("IF", "I"):
            by_time = self.meaning.integrator == "rate"
            return _tidy(r * r.dtype.type(self.meaning.dt) if by_time else r), 1.0
        tau = "tau_mem" if kind == "CubaLIF" else "tau"
        decay, rest = self._decay(tau)
        return _tidy(r * rest), decay

    def _current(self) -> tuple[float, np.ndarray]:
        """(the current's decay, what an input adds to it)."""
        decay, rest = self._decay("tau_syn")
        w_in = self._array("w_in")
        return decay, _tidy(w_in * rest if self.meaning.synapse == "rate" else w_in)

    def _decay(self, parameter: str) -> tuple[float, Any]:
        """(lambda, 1 - lambda) of a time constant, in the precision of the file."""
        tau = self._array(parameter)
        dt = tau.dtype.type(self.meaning.dt)
        if self.meaning.decay == "exponential":
            decays = np.exp(-dt / tau)
            rests = 1 - decays
        else:
            rests = dt / tau
            decays = 1 - rests
        if np.unique(decays).size > 1:
            raise self._refused(
                parameter,
                f"has {np.unique(decays).size} values, and a population has one; make a "
                "population of each",
            )
        decay = float(decays.flat[0])
        if not 0 < decay <= 1:
            raise self._refused(
                parameter,
                f"{tau.flat[0]:g} with dt {self.meaning.dt:g} is a decay of {decay:g} per step, "
                "outside of (0, 1]; pass a smaller dt",
            )
        return decay, rests.flat[0]

    def _reset(self, low: float) -> str:
        reset = self.meaning.reset
        if reset is None:
            raise ValueError(
                f"NIR: the graph does not say how node {self.name!r} resets; pass reset='zero' "
                "(what NIR's equations do) or 'subtract' (what snnTorch and sinabs do by default)"
            )
        v_reset = self._one("v_reset")
        if reset == "zero" and v_reset != low:
            raise self._refused(
                "v_reset", f"{v_reset:g} is not v_leak {low:g}, to which neurons here reset"
            )
        if reset == "subtract" and (v_reset != 0 or low != 0):
            raise self._refused(
                "v_reset" if v_reset else "v_leak",
                "is not 0, and a reset by subtraction here takes off the threshold above 0; "
                "read it with reset='zero' or shift the potentials",
            )
        return reset

    def _array(self, parameter: str) -> np.ndarray:
        value = getattr(self.node, parameter, None)
        try:
            array = plain(value)
            array = array if array.dtype.kind == "f" else array.astype(np.float64)
        except (TypeError, ValueError):
            raise self._refused(parameter, f"is {value!r:.40}, not a number") from None
        if array.size == 0 or not np.isfinite(array).all():
            raise self._refused(parameter, "is empty, NaN or infinite; write the graph again")
        return array

    def _one(self, parameter: str) -> float:
        """A parameter that all neurons share."""
        values = np.unique(self._array(parameter))
        if values.size > 1:
            raise self._refused(
                parameter, f"has {values.size} values, and a population has one; make one of each"
            )
        return float(values[0])

    def _made(self, kind: type, **constants: Any) -> Any:
        try:
            return kind(**constants)
        except ValueError as error:
            raise ValueError(f"NIR: node {self.name!r}: {error}") from None

    def _refused(self, parameter: str, reason: str) -> ValueError:
        kind = type(self.node).__name__
        return ValueError(f"NIR: node {self.name!r} ({kind}): {parameter} {reason}")


def _tidy(gain: np.ndarray) -> np.ndarray:
    """`gain` in float64, 1 where it is that up to the rounding of the file's precision."""
    near = np.abs(gain - 1) <= 8 * np.finfo(gain.dtype).eps
    return np.where(near, 1.0, gain.astype(np.float64))
