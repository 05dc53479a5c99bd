"""The task in JAX by hand: one compiled function a sample, a scan over its steps, float32."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from task import DECAY, SHARPNESS, Task


class ByJax:
    """Weights stay on the device and are given away to each call, so that none is copied."""

    def __init__(self, task: Task) -> None:
        single = partial(jnp.asarray, dtype=jnp.float32)
        self._parameters = [
            (single(w), single(b)) for w, b in zip(task.weights, task.biases, strict=True)
        ]
        self._learn = jax.jit(partial(_learn, rate=task.rate), donate_argnums=0)

    def learn(self, frames: np.ndarray, label: int) -> None:
        """One sample."""
        self._parameters = self._learn(self._parameters, frames, label)
        jax.block_until_ready(self._parameters)

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        return [np.asarray(w) for w, _ in self._parameters]

    def close(self) -> None:
        """Nothing to end."""


def _learn(parameters: list[Any], frames: Any, label: Any, rate: float) -> list[Any]:
    posts = [len(b) for _, b in parameters]
    pres = [w.shape[1] for w, _ in parameters]
    target = jax.nn.one_hot(label, posts[-1])
    zeros = tuple([jnp.zeros(size) for size in sizes] for sizes in (posts, posts, pres))

    def step(carry: Any, x: Any) -> tuple[Any, None]:
        parameters, (u, s, a), c = carry
        c = DECAY * c + 1
        u, s, a = _forward(parameters, u, s, a, x)
        g = (jax.nn.softmax(u[-1]) - target) / len(frames)
        return (_updated(parameters, u, a, c, g, rate), (u, s, a), c), None

    start = (parameters, zeros, jnp.float32(0))
    (parameters, _, _), _ = jax.lax.scan(step, start, frames.astype(jnp.float32))
    return parameters


def _forward(parameters: Any, u: Any, s: Any, a: Any, x: Any) -> tuple[Any, Any, Any]:
    last, us, ss, traces = len(parameters) - 1, [], [], []
    for i, (weight, bias) in enumerate(parameters):
        traces.append(DECAY * a[i] + x)
        us.append(DECAY * (u[i] - s[i]) + weight @ x + bias)
        x = (us[-1] >= 1).astype(jnp.float32) if i < last else jnp.zeros_like(us[-1])
        ss.append(x)
    return us, ss, traces


def _updated(parameters: Any, u: Any, a: Any, c: Any, g: Any, rate: float) -> list[Any]:
    made = []
    for i in reversed(range(len(parameters))):
        weight, bias = parameters[i]
        made.append((weight - jnp.outer(rate * g, a[i]), bias - rate * c * g))
        if i:
            rising = jax.nn.sigmoid(SHARPNESS * (u[i - 1] - 1))
            g = (g @ weight) * SHARPNESS * rising * (1 - rising)
    return made[::-1]
