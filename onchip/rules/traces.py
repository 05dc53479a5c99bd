"""Presynaptic traces in the sum form.

    a[n] = lambda a[n-1] + s[n],    c[n] = lambda c[n-1] + 1

The sum form adds each spike with weight one (an exponential moving average would add it with 1 -
lambda); with it the trace is exactly d u[n] / d W for a membrane of decay lambda whose reset path
is detached. Source: Xiao et al. 2022, Eq. 4. lambda is the decay of the *postsynaptic* membrane.
"""

from __future__ import annotations

from typing import Any

Array = Any


def trace_step(trace: Array, spikes: Array, decay: float) -> Array:
    """a[n] from a[n-1] and s[n]; any shape; pass 1.0 as `spikes` for the bias's trace c."""
    return decay * trace + spikes
