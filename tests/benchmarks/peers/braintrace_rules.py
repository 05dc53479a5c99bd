"""The task by BrainTrace's rules, float32: one compiled function a sample, a scan over its steps.

With a reset that carries no gradient, the derivative of a membrane by its weights decays as the
trace does, so that D_RTRL makes OTTT's updates; it keeps a trace for every weight. pp_prop keeps
traces of inputs and neurons instead, smoothed, and makes others.
"""

from __future__ import annotations

from typing import Any

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np
from task import DECAY, SHARPNESS, Task


@jax.custom_vjp
def spike(u: Any) -> Any:
    """A spike with the derivative of sigmoid(4 (u - 1)) behind it."""
    return (u >= 1).astype(u.dtype)


def _surrogate(u: Any, gradient: Any) -> tuple[Any]:
    rising = jax.nn.sigmoid(SHARPNESS * (u - 1))
    return (gradient * SHARPNESS * rising * (1 - rising),)


spike.defvjp(lambda u: (spike(u), u), _surrogate)


class Layer(brainstate.nn.Module):
    """A connection and its neurons, hidden ones or the readout's."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray, *, readout: bool) -> None:
        super().__init__()
        post, pre = weight.shape
        self.connection = braintrace.nn.Linear(
            pre, post, jnp.asarray(weight.T, jnp.float32), jnp.asarray(bias, jnp.float32)
        )
        self.readout, self.post = readout, post

    def init_state(self, *args: Any, **kwargs: Any) -> None:
        """A membrane of zeros."""
        self.u = brainstate.HiddenState(jnp.zeros(self.post))

    def reset_state(self, *args: Any, **kwargs: Any) -> None:
        """The same, once more."""
        self.u.value = jnp.zeros(self.post)

    def update(self, x: Any) -> Any:
        """One step."""
        past = self.u.value
        if not self.readout:
            past = past - jax.lax.stop_gradient(spike(past))
        self.u.value = DECAY * past + self.connection(x)
        return self.u.value if self.readout else spike(self.u.value)


class Network(brainstate.nn.Module):
    """The task's layers."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        last = len(task.weights) - 1
        pairs = zip(task.weights, task.biases, strict=True)
        self.layers = [Layer(w, b, readout=i == last) for i, (w, b) in enumerate(pairs)]

    def update(self, x: Any) -> Any:
        """One step."""
        for layer in self.layers:
            x = layer(x)
        return x


class ByBrainTrace:
    """A rule of BrainTrace's with an update at every step."""

    def __init__(self, task: Task, rule: Any, **options: Any) -> None:
        self._net = Network(task)
        pre = task.weights[0].shape[1]
        learner = braintrace.compile(self._net, rule, jnp.zeros(pre), **options)
        weights = self._net.states(brainstate.ParamState)

        def learn(frames: Any, label: Any) -> None:
            for layer in self._net.layers:
                layer.reset_state()
            learner.reset_state()

            def loss(x: Any) -> Any:
                return -jax.nn.log_softmax(learner(x))[label] / len(frames)

            def step(x: Any) -> None:
                gradients = brainstate.transform.grad(loss, weights)(x)
                for name, gradient in gradients.items():
                    move = lambda w, g: w - task.rate * g  # noqa: E731
                    weights[name].value = jax.tree.map(move, weights[name].value, gradient)

            brainstate.transform.for_loop(step, frames.astype(jnp.float32))

        self._learn = brainstate.transform.jit(learn)

    def learn(self, frames: np.ndarray, label: int) -> None:
        """One sample."""
        self._learn(frames, label)
        jax.block_until_ready(self._net.layers[0].connection.weight.value)

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        values = (layer.connection.weight.value for layer in self._net.layers)
        return [np.asarray(value["weight"]).T for value in values]

    def close(self) -> None:
        """Nothing to end."""


def by_d_rtrl(task: Task) -> ByBrainTrace:
    """A trace for every weight."""
    return ByBrainTrace(task, braintrace.D_RTRL)


def by_pp_prop(task: Task) -> ByBrainTrace:
    """Traces of inputs and neurons, smoothed by the membrane's decay."""
    return ByBrainTrace(task, braintrace.pp_prop, decay_or_rank=DECAY)


TRY = {"d_rtrl": by_d_rtrl, "pp_prop": by_pp_prop}
