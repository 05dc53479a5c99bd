"""From spike times to z = exp(t / time constant) and back, with the ranges that this needs."""

from __future__ import annotations

import numpy as np

from onchip.checks import plain_array, require_between

LATEST = 50.0
"""Latest input, in synaptic time constants: z = exp(50) is 5e21, and sums of it stay exact enough
to be inverted; a double overflows at 709."""


def require_time_constant(value: float) -> None:
    """Raise ValueError unless the synaptic time constant lies in (0, 1e6]."""
    require_between("spike times: time constant", value, 0, 1e6, open_low=True)


def to_z(times: np.ndarray, time_constant: float = 1.0) -> np.ndarray:
    """Return z of spike times [...], infinity (never) staying infinity.

    Raises ValueError for NaN, negative times and times over 50 time constants.
    """
    require_time_constant(time_constant)
    times = plain_array("spike times", times).astype(np.float64)
    if np.isnan(times).any():
        raise ValueError("spike times hold NaN; use infinity for an input that never fires")
    if (times < 0).any():
        raise ValueError(f"spike times: {times.min():g} is negative; shift them to start at 0")
    latest = times[np.isfinite(times)].max(initial=0.0)
    if latest > LATEST * time_constant:
        raise ValueError(
            f"spike times: {latest:g} is over {LATEST:g} time constants of {time_constant:g}; "
            "scale the times or raise the time constant"
        )
    return np.exp(times / time_constant)


def to_times(z: np.ndarray, time_constant: float = 1.0) -> np.ndarray:
    """Return the times of z [...]; infinity stays infinity."""
    return time_constant * np.log(np.asarray(z, dtype=np.float64))
