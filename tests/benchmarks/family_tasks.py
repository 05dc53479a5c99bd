"""Tasks for the family of rules: spikes at given times, rewards, a sine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from onchip import LIF, Connection, CuBa, LeakyIntegrator, Network, Population, Surrogate
from onchip.deploy import build
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT
from onchip.network.transforms import Dense
from onchip.objectives.base import Objective
from onchip.objectives.regression import Regression
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.filtered import Filtered

SHARP = Surrogate("fast_sigmoid", 10.0)
DECAY, CURRENT_DECAY = float(np.exp(-1 / 10)), float(np.exp(-1 / 5))
"""Of membranes, 10 steps, and of synaptic currents, 5 steps."""

KERNEL = (0.8125, 0.90625)
"""The two filters by which distances of spike trains are reported, whatever was learned with."""

WINDOW = 2
"""Steps by which a spike may miss its target."""


class TrainTask(NamedTuple):
    """A network that is to spike as target trains do, for one frozen input."""

    network: Network
    frames: np.ndarray
    targets: np.ndarray


def train_task(
    seed: int,
    neuron: Any,
    rule: str,
    learning_rate: float,
    weights: tuple[float, float],
    outputs: int = 1,
    hidden: int = 0,
    steps: int = 200,
    inputs: int = 100,
    rate: float = 0.03,
    objective: Objective | None = None,
) -> TrainTask:
    """Frozen Poisson `inputs` of a `rate` a step and five target spikes for each output.

    `weights` are mean and spread of the first ones; `hidden` neurons get their error by symmetric
    feedback.
    """
    rng = np.random.default_rng(seed)
    frames = (rng.random((1, steps, inputs)) < rate).astype(np.uint8)
    targets = np.zeros((1, steps, outputs))
    for output in range(outputs):
        targets[0, spike_times(rng, steps), output] = 1
    first = Dense(rng.normal(*weights, (hidden or outputs, inputs)))
    populations, connections = (), (Connection(INPUT, "out", first),)
    if hidden:
        populations = (Population("hidden", (hidden,), neuron),)
        second = Dense(rng.normal(0.05, 0.2, (outputs, hidden)))
        connections = (Connection(INPUT, "hidden", first), Connection("hidden", "out", second))
    network = Network(
        (*populations, Population("out", (outputs,), neuron)), connections, (inputs,), steps
    )
    network = with_learning(
        network,
        learning_rate=learning_rate,
        rule=rule,
        feedback="symmetric",
        objective=objective,
    )
    return TrainTask(network, frames, targets)


def spike_times(rng: np.random.Generator, steps: int, count: int = 5) -> np.ndarray:
    """Times with at least an eighth of the sample between two of them, none at its ends."""
    while True:
        times = np.sort(rng.integers(steps // 10, steps - 5, count))
        if np.diff(times).min() >= steps // 8:
            return times


def matched(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Whether each output [T, outputs] has all spikes of its target, in time, and no other."""
    found = []
    for own, wanted in zip(output.T, target.T, strict=True):
        times, given = np.flatnonzero(own), np.flatnonzero(wanted)
        same = len(times) == len(given)
        found.append(same and np.abs(times - given).max(initial=0) <= WINDOW)
    return np.array(found)


def distance(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The van Rossum distance of each output [T, outputs], by a kernel of two exponentials."""
    inner = outer = total = np.zeros(target.shape[1])
    for own, wanted in zip(output, target, strict=True):
        inner = KERNEL[0] * inner + own - wanted
        outer = KERNEL[1] * outer + inner
        total = total + outer * outer
    return total


def learn_trains(task: TrainTask, trials: int, backend: str = "numpy") -> dict[str, Any]:
    """Learn until every output has once been matched, for `trials` at most.

    `trials` by output (None: not matched), `spikes_before`, and `distance`, the last trial's
    relative to the first's, of the worst output. A match counts at a tenth of the first distance.
    """
    after: list[int | None] = [None] * task.targets.shape[2]
    start, ratio, spikes = None, np.inf, 0.0
    with build(task.network, backend) as execution:
        for trial in range(1, trials + 1):
            output = execution.learn(task.frames, task.targets).outputs[0]
            far = distance(output, task.targets[0])
            if start is None:
                start, spikes = far, float(output.sum())
            good = matched(output, task.targets[0]) & (far <= 0.1 * start)
            after = [a or (trial if g else None) for a, g in zip(after, good, strict=True)]
            ratio = float((far / start).max())
            if all(after):
                break
        learned = execution.snapshot()
    return {"trials": after, "spikes_before": spikes, "distance": ratio, "learned": learned}


# -- rewards --------------------------------------------------------------------------------------


def choosing(
    rng: np.random.Generator, inputs: int, steps: int, learning_rate: float, decay: float
) -> Network:
    """Two neurons that inhibit each other; the one that spikes more is the choice."""
    network = Network(
        (
            Population("choice", (2,), LIF(0.9, surrogate=SHARP)),
            Population("out", (2,), LeakyIntegrator(0.9)),
        ),
        (
            Connection(INPUT, "choice", Dense(rng.normal(0.1, 0.03, (2, inputs)))),
            Connection("choice", "choice", Dense(np.eye(2) - 1), 1),
            Connection("choice", "out", Dense(np.eye(2))),
        ),
        (inputs,),
        steps,
    )
    network = with_learning(
        network,
        learning_rate=learning_rate,
        rule="reward-modulated",
        eligibility=Filtered(decay),
        plastic=["choice"],
    )
    frozen = tuple(replace(c, rule=None) if c.delay else c for c in network.connections)
    return replace(network, connections=frozen)


def choice_of(output: np.ndarray, rng: np.random.Generator) -> int:
    """0 or 1, whichever output [T, 2] is larger; drawn where they are equal."""
    first, second = output.sum(axis=0)
    return int(rng.integers(2)) if first == second else int(first < second)


def bandit(
    seed: int, backend: str, trials: int = 300, learning_rate: float = 0.005, steps: int = 20
) -> np.ndarray:
    """Whether each trial's choice was the better of two arms, which are rewarded at .8 and .2.

    At first the arm is the better one that the network chooses less often; halfway they change
    places. A reward, less the mean of those before, comes at a trial's last step.
    """
    rng = np.random.default_rng(seed)
    network, expected, good = choosing(rng, 20, steps, learning_rate, 0.875), 0.5, []

    def cue() -> np.ndarray:
        return (rng.random((1, steps, 20)) < 0.2).astype(np.uint8)

    with build(network, backend) as execution:
        liked = np.mean([choice_of(execution.run(cue()).outputs[0], rng) for _ in range(20)])
        better = int(liked < 0.5)
        for trial in range(trials):
            if trial == trials // 2:
                better = 1 - better
            frames = cue()
            chosen = choice_of(execution.run(frames).outputs[0], rng)
            reward = float(rng.random() < (0.8 if chosen == better else 0.2))
            given = np.zeros((1, steps, 1))
            given[0, -1] = reward - expected
            expected += 0.05 * (reward - expected)
            execution.learn(frames, given)
            good.append(chosen == better)
    return np.array(good)


def delayed_reward(
    seed: int,
    backend: str,
    trials: int = 300,
    learning_rate: float = 0.04,
    cue_steps: int = 10,
    delay: int = 15,
) -> tuple[float, np.ndarray]:
    """How often the choice fits one of two cues before learning, and in each trial of learning.

    The cue is over after `cue_steps`; the reward, 1 or 0 less the mean of those before, comes
    `delay` steps later.
    """
    rng, steps, expected = np.random.default_rng(seed), cue_steps + delay + 5, 0.5
    network = choosing(rng, 40, steps, learning_rate, 0.9375)

    def trial() -> tuple[np.ndarray, int]:
        cue, frames = int(rng.integers(2)), np.zeros((1, steps, 40), np.uint8)
        frames[0, :cue_steps, 20 * cue : 20 * cue + 20] = rng.random((cue_steps, 20)) < 0.3
        return frames, cue

    with build(network, backend) as execution:

        def answer() -> tuple[np.ndarray, bool]:
            frames, cue = trial()
            return frames, choice_of(execution.run(frames).outputs[0], rng) == cue

        before, good = np.mean([answer()[1] for _ in range(50)]), []
        for _ in range(trials):
            frames, right = answer()
            given = np.zeros((1, steps, 1))
            given[0, cue_steps + delay - 1] = right - expected
            expected += 0.05 * (right - expected)
            execution.learn(frames, given)
            good.append(right)
    return float(before), np.array(good)


# -- regression -----------------------------------------------------------------------------------


def sine(
    seed: int, backend: str, trials: int = 200, learning_rate: float = 0.04, steps: int = 100
) -> np.ndarray:
    """The mean squared error before, and in each trial in which a sine is learned online.

    The input is frozen, the sine has two periods in a trial; silence has an error of .5.
    """
    rng = np.random.default_rng(seed)
    network = Network(
        (
            Population("hidden", (60,), LIF(0.9, surrogate=SHARP)),
            Population("out", (1,), LeakyIntegrator(0.9)),
        ),
        (
            Connection(INPUT, "hidden", Dense(rng.normal(0.05, 0.15, (60, 50)))),
            Connection("hidden", "out", Dense(rng.normal(0, 0.1, (1, 60)))),
        ),
        (50,),
        steps,
    )
    network = with_learning(
        network, learning_rate=learning_rate, feedback="symmetric", objective=Regression()
    )
    frames = (rng.random((1, steps, 50)) < 0.1).astype(np.uint8)
    wanted = np.sin(2 * np.pi * np.arange(steps) / 50)[np.newaxis, :, np.newaxis]
    with build(network, backend) as execution:
        errors = [float(((execution.run(frames).outputs - wanted) ** 2).mean())]
        for _ in range(trials):
            output = execution.learn(frames, wanted).outputs
            errors.append(float(((output - wanted) ** 2).mean()))
    return np.array(errors)


TRAINS: dict[str, dict[str, Any]] = {
    "LIF, one filter": {
        "neuron": LIF(DECAY, surrogate=SHARP),
        "rule": "superspike",
        "learning_rate": 0.3,
        "weights": (0.08, 0.03),
    },
    "LIF, two filters": {
        "neuron": LIF(DECAY, surrogate=SHARP),
        "rule": "superspike-double",
        "learning_rate": 0.01,
        "weights": (0.08, 0.03),
    },
    "CuBa, one filter": {
        "neuron": CuBa(DECAY, CURRENT_DECAY, surrogate=SHARP),
        "rule": "superspike",
        "learning_rate": 0.01,
        "weights": (0.02, 0.01),
    },
    "CuBa, two filters": {
        "neuron": CuBa(DECAY, CURRENT_DECAY, surrogate=SHARP),
        "rule": "superspike-double",
        "learning_rate": 0.0003,
        "weights": (0.02, 0.01),
    },
    "10 outputs, no filter": {
        "neuron": LIF(DECAY, surrogate=SHARP),
        "rule": "ottt",
        "learning_rate": 3.0,
        "weights": (0.08, 0.03),
        "outputs": 10,
        "objective": SpikeTrains(KERNEL[0]),
    },
    "32 hidden, one filter": {
        "neuron": LIF(DECAY, surrogate=SHARP),
        "rule": "superspike",
        "learning_rate": 0.3,
        "weights": (0.06, 0.06),
        "hidden": 32,
    },
}
"""What `train_task` is made with, by name."""
