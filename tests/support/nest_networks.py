"""A recurrent network that learns by e-prop in NEST, sample after sample.

Imported in the environment of `make test-nest` only. Steps are milliseconds. NEST starts generators
in step 1 and takes a step from input to recurrent neuron, one more to the readout and one more to
the error, which its learning takes back; `Recorded` has all of them by the steps of a sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nest
import numpy as np

GENERATORS, TO_RECURRENT, TO_READOUT, TO_ERROR, BACK = 1, 1, 1, 1, 1
"""Steps of delay, one after the other."""

FIRST = GENERATORS + TO_RECURRENT + 1
"""The time that NEST writes on the first step of a recurrent neuron: the step's end."""

PAPER = "_bsshslm_2020"

REST = 20
"""Steps after a single sample whose synapses wait for the last spike, where they have no samples:
all errors have come by then."""

STRONG = 1000.0
"""A weight at which every neuron spikes, which makes its synapses apply what waits in them."""


@dataclass(frozen=True)
class Task:
    """What both simulators are given.

    `weights` are "in" [recurrent, inputs], "rec" [recurrent, recurrent] and "out" [outputs,
    recurrent], `feedback` B [recurrent, outputs], `frames` [samples, T, inputs] of 0 and 1 (none in
    the first step of a sample, which NEST drops), `targets` [samples, T, outputs]; time constants
    are in steps.
    `neuron` and `readout` are more of NEST's parameters, `average` and `batch` those of its
    synapses: the gradient is averaged over a sample's steps, and over so many samples.
    """

    weights: Mapping[str, np.ndarray]
    feedback: np.ndarray
    frames: np.ndarray
    targets: np.ndarray
    tau: float = 20.0
    tau_out: float = 12.0
    threshold: float = 0.8
    eta: float = 1e-3
    model: str = "eprop_iaf_bsshslm_2020"
    neuron: Mapping[str, Any] = field(default_factory=dict)
    readout: Mapping[str, Any] = field(default_factory=dict)
    average: bool = False
    batch: int = 1

    @property
    def suffix(self) -> str:
        """What NEST's models of one kind have in common at the end of their names.

        Those of the paper update once a sample; those without a suffix with every spike, know no
        samples (so there must be one) and keep their error a step less.
        """
        return PAPER if self.model.endswith(PAPER) else ""

    @property
    def error_delay(self) -> int:
        """Steps from a readout's potential to its error."""
        return TO_ERROR if self.suffix else 0


@dataclass(frozen=True)
class Recorded:
    """By step of a sample, [samples, T, neurons]: potentials (before a reset in the models of the
    paper, after it in the others), spikes, factors L psi and learning signals L of the recurrent
    neurons, and the outputs; the weights at the end."""

    potentials: np.ndarray
    spikes: np.ndarray
    factors: np.ndarray
    signals: np.ndarray
    outputs: np.ndarray
    weights: Mapping[str, np.ndarray]


def learned_by_nest(task: Task) -> Recorded:
    """Return what NEST records while it learns from the samples, one after the other."""
    samples, steps, _ = task.frames.shape
    _prepare(steps)
    pairs = _network(task)
    end = _error_starts(task) + samples * steps + (0 if task.suffix else REST)
    relays, neurons = pairs["in"]
    last = nest.Create("spike_generator", 1, {"spike_times": [float(end - 1)]})
    nest.Connect(last, relays + neurons, "all_to_all", {"weight": STRONG})
    of_neurons = _recorder(neurons, ["V_m", "surrogate_gradient", "learning_signal"])
    of_readouts = _recorder(pairs["out"][1], ["V_m"])
    fired = nest.Create("spike_recorder")
    nest.Connect(neurons, fired)
    nest.Simulate(float(end + 2))
    weights = {name: _weights(*pair) for name, pair in pairs.items()}
    found = (meter.get("events") for meter in (of_neurons, of_readouts, fired))
    return Recorded(*_sorted(task, *found, min(neurons.tolist())), weights)


def _network(task: Task) -> dict[str, Any]:
    """What each group of synapses connects."""
    outputs, recurrent = task.weights["out"].shape
    generators = nest.Create("spike_generator", task.frames.shape[2])
    relays = nest.Create("parrot_neuron", task.frames.shape[2])
    neurons = nest.Create(task.model, recurrent, _neuron(task))
    readouts = nest.Create("eprop_readout" + task.suffix, outputs, _readout(task))
    rates = nest.Create("step_rate_generator", outputs)
    pairs = {"in": (relays, neurons), "rec": (neurons, neurons), "out": (neurons, readouts)}
    nest.Connect(generators, relays, "one_to_one", {"delay": 1.0})
    _connect(task, pairs, rates)
    _give(task, generators, rates)
    if not task.suffix:
        _open_window(task, readouts)
    return pairs


def _sorted(task: Task, neurons: Any, readouts: Any, fired: Any, least: int) -> list[np.ndarray]:
    """The arrays of `Recorded`, from events in NEST's time; `least` is the first neuron."""
    outputs, recurrent = task.weights["out"].shape
    shape = (*task.frames.shape[:2], recurrent)
    spikes = {**fired, "spikes": np.ones(len(fired["times"]))}
    late = FIRST + TO_READOUT + task.error_delay + BACK
    signals = _by_step(neurons, "learning_signal", shape, late)
    return [
        _by_step(neurons, "V_m", shape, FIRST),
        _by_step(spikes, "spikes", shape, FIRST, least),
        signals * _by_step(neurons, "surrogate_gradient", shape, FIRST),
        signals,
        _by_step(readouts, "V_m", (*shape[:2], outputs), FIRST + TO_READOUT),
    ]


def _prepare(steps: int) -> None:
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.set(
        resolution=1.0,
        total_num_virtual_procs=1,
        eprop_update_interval=float(steps),
        eprop_learning_window=float(steps),
        eprop_reset_neurons_on_update=True,
    )


def _error_starts(task: Task) -> int:
    """The step of the first error, in which its target must have arrived."""
    return GENERATORS + TO_RECURRENT + TO_READOUT + task.error_delay


def _neuron(task: Task) -> dict[str, Any]:
    kappa = {} if task.suffix else {"kappa": float(np.exp(-1 / task.tau_out))}
    return {
        "C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "V_th": task.threshold, "tau_m": task.tau,
        "t_ref": 0.0, "c_reg": 0.0, **kappa, **task.neuron,
    }  # fmt: skip


def _readout(task: Task) -> dict[str, Any]:
    return {
        "C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "tau_m": task.tau_out,
        **task.readout,
    }  # fmt: skip


def _connect(task: Task, pairs: Mapping[str, Any], rates: Any) -> None:
    neurons, readouts = pairs["out"]
    model = "eprop_synapse" + task.suffix
    nest.SetDefaults(model, _synapse(task))
    kappa = {"tau_m_readout": task.tau_out} if task.suffix else {}
    for name, (before, after) in pairs.items():
        synapse = {"synapse_model": model, "delay": 1.0, "weight": task.weights[name], **kappa}
        nest.Connect(before, after, {"rule": "all_to_all", "allow_autapses": True}, synapse)
    back = {"synapse_model": "eprop_learning_signal_connection" + task.suffix, "delay": 1.0}
    nest.Connect(readouts, neurons, "all_to_all", {**back, "weight": task.feedback})
    rate = {"synapse_model": "rate_connection_delayed", "delay": 1.0, "receptor_type": 2}
    nest.Connect(rates, readouts, "one_to_one", rate)


def _synapse(task: Task) -> dict[str, Any]:
    """Plain gradient descent; where NEST counts batches in steps, one batch is the whole run."""
    if task.suffix:
        optimizer = {"type": "gradient_descent", "batch_size": task.batch, "eta": task.eta}
        return {"optimizer": optimizer, "average_gradient": task.average}
    steps = task.frames.shape[1] + REST
    return {
        "optimizer": {
            "type": "gradient_descent", "batch_size": steps, "eta": task.eta * steps,
            "optimize_each_step": False,
        }
    }  # fmt: skip


def _give(task: Task, spikes: Any, rates: Any) -> None:
    samples, steps, inputs = task.frames.shape
    frames = task.frames.reshape(samples * steps, inputs)
    for index, generator in enumerate(spikes):
        generator.spike_times = np.flatnonzero(frames[:, index]).astype(float) + GENERATORS
    times = np.arange(samples * steps, dtype=float) + _error_starts(task)
    targets = task.targets.reshape(samples * steps, -1)
    for index, generator in enumerate(rates):
        generator.set(amplitude_times=times, amplitude_values=targets[:, index])


def _open_window(task: Task, readouts: Any) -> None:
    """Let the readouts have errors in the steps of the one sample only."""
    start = float(_error_starts(task))
    window = nest.Create("step_rate_generator")
    times = [start, start + task.frames.shape[1]]
    window.set(amplitude_times=times, amplitude_values=[1.0, 0.0])
    rate = {"synapse_model": "rate_connection_delayed", "delay": 1.0, "receptor_type": 1}
    nest.Connect(window, readouts, "all_to_all", rate)


def _recorder(nodes: Any, names: list[str]) -> Any:
    meter = nest.Create("multimeter", {"interval": 1.0, "record_from": names})
    nest.Connect(meter, nodes)
    return meter


def _by_step(
    events: Mapping[str, Any], name: str, shape: tuple[int, int, int], first: int, least: int = 0
) -> np.ndarray:
    """Events by step, 0 where there are none; `least` is the first neuron, if some are silent."""
    senders = events["senders"] - (least or events["senders"].min())
    times = np.rint(events["times"]).astype(int) - first
    table = np.zeros((shape[0] * shape[1], shape[2]))
    inside = (times >= 0) & (times < len(table))
    table[times[inside], senders[inside]] = events[name][inside]
    return table.reshape(shape)


def _weights(before: Any, after: Any) -> np.ndarray:
    found = nest.GetConnections(before, after).get(["source", "target", "weight"])
    matrix = np.full((len(after), len(before)), np.nan)
    rows = np.array(found["target"]) - min(found["target"])
    columns = np.array(found["source"]) - min(found["source"])
    matrix[rows, columns] = found["weight"]
    return matrix
