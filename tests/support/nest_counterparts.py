"""The network of a `nest_networks.Task` in this toolkit, every convention of NEST's translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from nest_networks import Recorded, Task

from onchip import (
    ALIF,
    LIF,
    Connection,
    LeakyIntegrator,
    Network,
    Population,
    Surrogate,
    with_learning,
)
from onchip.engine.engine import Engine
from onchip.network.parts import INPUT, Route
from onchip.network.transforms import Dense
from onchip.neurons.lif import RESETS
from onchip.objectives.regression import Regression
from onchip.rules.eligibility import Eligibility
from onchip.rules.recursive import Adaptive
from onchip.rules.rule import Rule

NAMES = {"in": "rec.synapses", "rec": "rec.recurrent", "out": "out.synapses"}


@dataclass(frozen=True)
class Translation:
    """Each of NEST's conventions; False leaves one out, by which the tests see that it matters.

    The models of the paper subtract Vth from the membrane that has decayed (`whole_reset`) and
    weigh what enters the filter of an eligibility by 1 - kappa (`averaged_filter`). In all of them
    the error is no mean over outputs and steps (`summed_error`).
    """

    whole_reset: bool = True
    averaged_filter: bool = True
    summed_error: bool = True


AS_NEST = Translation()


def constants(task: Task) -> tuple[float, float]:
    """Return lambda and kappa of a step."""
    return float(np.exp(-1 / task.tau)), float(np.exp(-1 / task.tau_out))


def gains(task: Task) -> tuple[float, float]:
    """Return by what a weight is multiplied on its way into the two membranes."""
    decay, kappa = constants(task)
    early = [not part.get("regular_spike_arrival", True) for part in (task.neuron, task.readout)]
    return (1 - decay if early[0] else 1.0), (1 - kappa if early[1] else 1.0)


def reset_of(task: Task) -> str:
    """Return the reset: NEST's models named psc_delta put the membrane to a potential, here 0."""
    return "hard" if "psc_delta" in task.model else "soft"


def neuron(task: Task) -> LIF | ALIF:
    """Return the neuron, its surrogate with NEST's width in units of the threshold."""
    decay, _ = constants(task)
    kind, width = (
        task.neuron["surrogate_gradient_function"],
        task.neuron["surrogate_gradient_width"],
    )
    relative = width / task.threshold
    surrogates = {
        "piecewise_linear": Surrogate("triangle", relative),
        "fast_sigmoid_derivative": Surrogate("fast_sigmoid", 1 / relative),
    }
    chosen = surrogates[kind]
    if "adapt_beta" not in task.neuron:
        return LIF(decay, task.threshold, reset_of(task), surrogate=chosen)
    rho = float(np.exp(-1 / task.neuron["adapt_tau"]))
    strength = task.neuron["adapt_beta"]
    return ALIF(decay, rho, strength, task.threshold, reset_of(task), surrogate=chosen)


def to_ours(
    task: Task, weights: Mapping[str, np.ndarray], how: Translation
) -> dict[str, np.ndarray]:
    """Return NEST's weights as ours: each neuron's own spike takes the rest of the threshold."""
    into, out = gains(task)
    rest = bool(task.suffix) * how.whole_reset * (1 - constants(task)[0]) * task.threshold
    return {
        "in": weights["in"] * into,
        "rec": weights["rec"] * into - rest * np.eye(len(weights["rec"])),
        "out": weights["out"] * out,
    }


def counterpart(task: Task, how: Translation = AS_NEST) -> Network:
    """Return the network in this toolkit."""
    weights = to_ours(task, task.weights, how)
    outputs, recurrent = weights["out"].shape
    decays = constants(task)
    network = Network(
        (
            Population("rec", (recurrent,), neuron(task)),
            Population("out", (outputs,), LeakyIntegrator(decays[1])),
        ),
        (
            Connection(INPUT, "rec", Dense(weights["in"])),
            Connection("rec", "rec", Dense(weights["rec"]), delay=1),
            Connection("rec", "out", Dense(weights["out"])),
        ),
        task.frames.shape[2:],
        task.frames.shape[1],
    )
    learning = with_learning(
        network,
        learning_rate=dict(zip(("rec", "out"), rates(task, how), strict=True)),
        rule="e-prop",
        eligibility=Adaptive(decays[1]),
        mode="accumulate",
        feedback="direct",
        objective=Regression(),
    )
    assert learning.learning is not None
    routes = (Route("out", "rec", True, task.feedback),)
    return replace(learning, learning=replace(learning.learning, routes=routes))


def own_height(task: Task) -> float:
    """Return the height of this toolkit's surrogate, ds/du at the threshold."""
    surrogate = neuron(task).surrogate
    assert surrogate is not None
    return float(surrogate.derivative(np.array(task.threshold), task.threshold))


def rates(task: Task, how: Translation) -> tuple[float, float]:
    """Return the learning rates of recurrent neurons and readout for NEST's eta."""
    steps = task.frames.shape[1]
    eta = task.eta / steps if task.average else task.eta
    if how.summed_error:
        eta *= task.weights["out"].shape[0] * steps
    into, out = gains(task)
    height = task.neuron["surrogate_gradient_height"] / own_height(task)
    averaged = task.suffix and how.averaged_filter
    filtered = 1 - constants(task)[1] if averaged else 1.0
    return eta * filtered * height * into**2, eta * out**2


def learned_by_us(
    task: Task, how: Translation = AS_NEST, readout: Eligibility | None = None
) -> Recorded:
    """Return the same from the engine, in NEST's units; batches as NEST has them.

    `readout` is an eligibility in place of the one that the rule gives to the readout.
    """
    network = counterpart(task, how)
    if readout is not None:
        network = _with_readout(network, readout)
    engine, parts = Engine(network), []
    for start in range(0, len(task.frames), task.batch):
        chosen = slice(start, start + task.batch)
        parts.append(_learned(task, engine, network, task.frames[chosen], task.targets[chosen]))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if not task.suffix:  # NEST writes down the potential after the reset there
        columns[0] = RESETS[reset_of(task)](columns[0], columns[1], task.threshold)
    return Recorded(*columns, weights=_changed(task, network, engine.snapshot()))


def _with_readout(network: Network, kind: Eligibility) -> Network:
    connections = tuple(
        replace(c, rule=Rule.of(c.rule.learning_rate, kind)) if c.target == "out" and c.rule else c
        for c in network.connections
    )
    return replace(network, connections=connections)


def _learned(
    task: Task, engine: Engine, network: Network, frames: np.ndarray, targets: np.ndarray
) -> list[np.ndarray]:
    """Potentials, spikes, factors, learning signals and outputs, [samples, T, neurons]."""
    assert network.learning is not None
    told = network.learning.objective.targets(targets, *targets.shape)
    size = targets.shape[1] * targets.shape[2]
    height = task.neuron["surrogate_gradient_height"] / own_height(task)
    engine.reset(len(frames))
    rows = []
    for step in range(frames.shape[1]):
        output = engine.step(frames[:, step], told[:, step])
        signals = engine.signals()["rec"]
        recorded = (
            engine.potentials()["rec"],
            engine.spikes()["rec"],
            signals.factor * size * height,
        )
        rows.append((*recorded, signals.signal * size, output))
    engine.finish()
    return [np.stack(column, axis=1) for column in zip(*rows, strict=True)]


def _changed(task: Task, before: Network, after: Network) -> dict[str, np.ndarray]:
    """The weights in NEST's units: what was given, and the change divided by the gain."""
    into, out = gains(task)
    gain = {"in": into, "rec": into, "out": out}
    place = {name: before.names.index(full) for name, full in NAMES.items()}
    return {
        name: task.weights[name] + (_weight(after, index) - _weight(before, index)) / gain[name]
        for name, index in place.items()
    }


def _weight(network: Network, index: int) -> np.ndarray:
    return network.connections[index].transform.weight
