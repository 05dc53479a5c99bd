"""A network of the task's sizes in NEST, learning by its e-prop (Bellec et al. 2020), float64.

Another rule: traces are filtered by the readout's membrane, the error is that of squares, and a
synapse applies its sum once a sample, event by event. Steps are milliseconds.
"""

from __future__ import annotations

import time
from typing import Any

import nest
import numpy as np
from task import DECAY, Task

LEAD = 4
"""Steps from the generators to the first error."""


class ByNest:
    """NEST's kernel, which there is one of in a process."""

    def __init__(self, task: Task, samples: int) -> None:
        if len(task.weights) != 2:
            raise ValueError(f"NEST: {len(task.weights)} layers; its e-prop has one hidden layer")
        self._task, self.samples = task, samples
        self._prepare()
        inputs, neurons, readouts = self._nodes()
        self._connect(inputs, neurons, readouts)
        self._errors(readouts)
        self._pairs = [(inputs, neurons), (neurons, readouts)]
        nest.Simulate(float(LEAD + task.steps))

    def _prepare(self) -> None:
        steps = float(self._task.steps)
        nest.verbosity = nest.VerbosityLevel.ERROR
        nest.ResetKernel()
        nest.set(
            resolution=1.0,
            total_num_virtual_procs=1,
            eprop_update_interval=steps,
            eprop_learning_window=steps,
            eprop_reset_neurons_on_update=True,
        )

    def _nodes(self) -> tuple[Any, Any, Any]:
        """Generators behind relays, as generators have no plastic synapses; neurons; readouts."""
        task = self._task
        post, pre = task.weights[0].shape
        membrane = {"C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "tau_m": -1 / np.log(DECAY)}
        generators = nest.Create("spike_generator", pre)
        relays = nest.Create("parrot_neuron", pre)
        nest.Connect(generators, relays, "one_to_one", {"delay": 1.0})
        frames = np.tile(task.frames.reshape(-1, pre), (64, 1))
        for index, generator in enumerate(generators):
            generator.spike_times = np.flatnonzero(frames[:, index]).astype(float) + 1
        more = {"V_th": 1.0, "t_ref": 0.0, "c_reg": 0.0, "I_e": float(task.biases[0][0])}
        neurons = nest.Create("eprop_iaf_bsshslm_2020", post, {**membrane, **more})
        readouts = nest.Create("eprop_readout_bsshslm_2020", len(task.weights[-1]), membrane)
        return relays, neurons, readouts

    def _connect(self, inputs: Any, neurons: Any, readouts: Any) -> None:
        task = self._task
        optimizer = {"type": "gradient_descent", "batch_size": 1, "eta": task.rate}
        nest.SetDefaults(
            "eprop_synapse_bsshslm_2020", {"optimizer": optimizer, "average_gradient": False}
        )
        plastic = {"synapse_model": "eprop_synapse_bsshslm_2020", "delay": 1.0}
        plastic["tau_m_readout"] = -1 / np.log(DECAY)
        pairs = zip(((inputs, neurons), (neurons, readouts)), task.weights, strict=True)
        for (before, after), weight in pairs:
            nest.Connect(before, after, "all_to_all", {**plastic, "weight": weight})
        back = {"synapse_model": "eprop_learning_signal_connection_bsshslm_2020", "delay": 1.0}
        nest.Connect(readouts, neurons, "all_to_all", {**back, "weight": task.weights[1].T})

    def _errors(self, readouts: Any) -> None:
        task, repeats = self._task, 64
        rates = nest.Create("step_rate_generator", len(readouts))
        connection = {"synapse_model": "rate_connection_delayed", "delay": 1.0, "receptor_type": 2}
        nest.Connect(rates, readouts, "one_to_one", connection)
        times = np.arange(repeats * len(task.labels)) * float(task.steps) + LEAD
        labels = np.tile(task.labels, repeats)
        for index, generator in enumerate(rates):
            values = (labels == index).astype(float)
            generator.set(amplitude_times=times, amplitude_values=values)

    def run(self) -> tuple[float, float]:
        """Go on learning; CPU and wall seconds."""
        started, cpu = time.perf_counter(), time.process_time()
        nest.Simulate(float(self._task.steps * self.samples))
        return time.process_time() - cpu, time.perf_counter() - started

    def weights(self) -> list[np.ndarray]:
        """By layer, in NEST's order of connections."""
        return [np.array(nest.GetConnections(*pair).weight) for pair in self._pairs]

    def close(self) -> None:
        """Nothing to end."""
