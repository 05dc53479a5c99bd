"""Factors of a graph in integers: what they are worth, and the weights that carry errors back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np

from onchip.arithmetic.integer_surrogates import surrogate_peak
from onchip.arithmetic.loihi import TRACE_BITS, TRACE_MAX
from onchip.deploy.quantization.learning import SATURATION, TYPICAL_FACTOR, naming_layer
from onchip.deploy.quantization.scales import WEIGHT_MAX, round_even
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import Connection, Learning, Population, Route
from onchip.network.transform import Transform
from onchip.network.transforms import Bias, Dense
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation, FactorScale
from onchip.program.integer_spec import SHIFT_MAX
from onchip.program.rates import PAIR_SHIFT


def is_shared(connection: Connection) -> bool:
    """Whether several synapses share each weight of a connection."""
    transform = connection.transform
    return isinstance(transform, Convolution) or (
        isinstance(transform, Bias) and len(transform.shape) > 1
    )


class _Sent(NamedTuple):
    """What a route brings: its weights in float units, and what one integer sent is worth.

    `weight` is a matrix [receiving, sending], or kernels [out, in, height, width].
    """

    route: Route
    weight: np.ndarray
    unit: float
    is_error: bool


def factor_scales(
    network: Network, chip: ChipNetwork, learning: Learning, mode: str, error_unit: float
) -> tuple[dict[str, FactorScale], tuple[Route, ...]]:
    """The factor scales by population, and the routes with integer matrices."""
    factors = {name: _of_readout(network, name, error_unit) for name in network.readouts}
    routes: dict[int, Route] = {}
    for population in reversed(network.populations[:-1]):
        into = [route for route in learning.routes if route.target == population.name]
        if not into:
            continue
        sent = [_sent(network, chip, route, factors, error_unit) for route in into]
        unit, weights = _common_unit(population.name, sent, chip)
        shift = _shift(network, sent, weights)
        scale = 2.0**shift * unit * derivative_unit(population)
        multiple = _multiple(network, population, mode)
        heard = _heard(network, population.name, network_shift=shift, unit=unit)
        factors[population.name] = FactorScale(shift, scale, multiple, *heard)
        routes |= {id(s.route): _with(s.route, w) for s, w in zip(sent, weights, strict=True)}
    return factors, tuple(routes.get(id(route), route) for route in learning.routes)


def _of_readout(network: Network, name: str, error_unit: float) -> FactorScale:
    scale = _readout_factor(network.population(name), error_unit)
    return replace(scale, signal_unit=error_unit) if _filters(network, name) else scale


def _multiple(network: Network, population: Population, mode: str) -> int | None:
    """8 where many products are summed through tags: their shift by 3 then drops nothing."""
    into = [c for c in network.connections if c.target == population.name and c.plastic]
    exact = mode != "online" and any(is_shared(c) for c in into)
    return 2**PAIR_SHIFT if exact else None


def _heard(
    network: Network, name: str, network_shift: int, unit: float
) -> tuple[int | None, float | None]:
    """Shift and unit of a signal without its derivative, of 7 bits; None where none hears it."""
    if not _filters(network, name):
        return None, None
    shift = max(0, network_shift - TRACE_BITS)
    return shift, 2.0**shift * unit


def _filters(network: Network, name: str) -> bool:
    """Whether synapses into a population filter their eligibilities."""
    into = (c.rule for c in network.connections if c.target == name and c.rule is not None)
    return any(rule.eligibility_decay for rule in into)


def _with(route: Route, weight: np.ndarray) -> Route:
    """The route with integer weights; those of a live one are not its own."""
    if route.matrix is not None:
        return replace(route, matrix=weight)
    if route.transform is not None:
        fixed: Any = replace(route.transform, weight=weight)  # type: ignore[type-var]
        return replace(route, transform=fixed)
    return route


def _sent(
    network: Network,
    chip: ChipNetwork,
    route: Route,
    factors: Mapping[str, FactorScale],
    error_unit: float,
) -> _Sent:
    spiking = network.population(route.source).neuron.spiking
    is_error = route.is_error or (route.source in network.readouts and not spiking)
    unit = error_unit if is_error else factors[route.source].unit
    if route.matrix is not None:
        return _Sent(route, route.matrix, unit, is_error)
    transform = route.transform or _live(network, route).transform
    return _Sent(route, _backward(transform), unit, is_error)


def _backward(transform: Transform) -> np.ndarray:
    """The weights that carry an error back: a matrix [receiving, sending], or kernels."""
    return transform.weight.T if isinstance(transform, Dense) else transform.weight


def _live(network: Network, route: Route) -> Connection:
    pair = (route.target, route.source)
    return next(c for c in network.connections if (c.source, c.target) == pair and not c.delay)


def _common_unit(name: str, sent: list[_Sent], chip: ChipNetwork) -> tuple[float, list[np.ndarray]]:
    """What one integer of the summed signals is worth, and the integer matrices for it."""
    live = [s for s in sent if s.route.matrix is None and s.route.transform is None]
    if live:
        if len(sent) > 1:
            raise ValueError(
                f"population {name!r}: several live weights of different scales would bring its "
                "error; in integers use feedback 'symmetric', 'random' or 'direct'"
            )
        connection = cast(ChipConnection, _live(chip, live[0].route))
        population = cast(ChipPopulation, chip.population(connection.target))
        step = connection.weight_step(population.membrane_unit)
        return step * live[0].unit, [_backward(connection.transform)]
    largest = max(float(np.abs(s.weight).max()) * s.unit for s in sent)
    if largest == 0:
        raise ValueError(f"population {name!r}: its feedback matrices are all 0")
    unit = largest / WEIGHT_MAX
    return unit, [round_even(s.weight * (s.unit / unit)) for s in sent]


def _shift(network: Network, sent: list[_Sent], weights: list[np.ndarray]) -> int:
    """Bits after which three standard deviations of the signal x derivative are 127."""
    spreads = []
    for s, weight in zip(sent, weights, strict=True):
        if s.is_error:
            rows = weight if weight.ndim == 2 else weight.reshape(len(weight), -1)
            spreads.append(math.sqrt(2) * TRACE_MAX * float(rows.std(axis=1).mean()))
        else:
            senders = _senders(network, s.route, weight)
            spreads.append(TYPICAL_FACTOR * math.sqrt(senders) * float(weight.std()))
    spread = math.hypot(*spreads)
    return min(max(0, round(math.log2(max(SATURATION * spread, 1.0)))), SHIFT_MAX)


def _senders(network: Network, route: Route, weight: np.ndarray) -> float:
    """How many factors one neuron receives: through kernels, those of the positions that see it."""
    if weight.ndim == 2:
        return weight.shape[1]
    transform = route.transform or _live(network, route).transform
    if not isinstance(transform, Convolution):
        return 1.0
    return float(weight.size / weight.shape[1] / math.prod(transform.stride))


def _readout_factor(population: Population, error_unit: float) -> FactorScale:
    if not population.neuron.spiking:
        return FactorScale(0, error_unit)
    unit = 2.0**TRACE_BITS * error_unit * derivative_unit(population)
    return FactorScale(TRACE_BITS, unit)


def derivative_unit(population: Population) -> float:
    """What one of the 127 integers of the derivative is worth: ds/du in the float network."""
    neuron = population.neuron
    surrogate, threshold = getattr(neuron, "surrogate", None), getattr(neuron, "v_threshold", 1.0)
    assert surrogate is not None
    with naming_layer(population.name):
        return surrogate_peak(surrogate) / (TRACE_MAX * threshold)
