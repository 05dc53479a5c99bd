"""Surrogate derivatives of the spike function.

The spike s = [u >= Vth] has no useful derivative; learning replaces it by sigma'(z) with the
distance to the threshold in units of the threshold, z = (u - Vth) / Vth. All functions take and
return NumPy or torch arrays of any shape. Rectangle and triangle have exact integer forms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onchip.checks import require_between, require_choice
from onchip.namespace import array_namespace

Array = Any


def sigmoid(z: Array, sharpness: float = 4.0) -> Array:
    """alpha sig(alpha z) (1 - sig(alpha z)), alpha = `sharpness` (Xiao et al. 2022 use 4)."""
    tanh = array_namespace(z).tanh(z * (sharpness / 2))
    return (sharpness / 4) * (1 - tanh * tanh)


def rectangle(z: Array, width: float = 1.0) -> Array:
    """1 / width where |z| < width / 2, else 0 (Wu et al. 2018)."""
    xp = array_namespace(z)
    return xp.astype(abs(z) < width / 2, z.dtype) / width


def triangle(z: Array, width: float = 1.0) -> Array:
    """max(0, 1 - |z| / width) / width (Bellec et al. 2018 up to their scale)."""
    rising = 1 - abs(z) / width
    return array_namespace(z).clip(rising, 0, None) / width


def fast_sigmoid(z: Array, slope: float = 10.0) -> Array:
    """1 / (1 + gamma |z|)^2, gamma = `slope` (Zenke & Ganguli 2018)."""
    denominator = 1 + slope * abs(z)
    return 1 / (denominator * denominator)


SURROGATES: dict[str, tuple[Callable[..., Array], float]] = {
    "sigmoid": (sigmoid, 4.0),
    "rectangle": (rectangle, 1.0),
    "triangle": (triangle, 1.0),
    "fast_sigmoid": (fast_sigmoid, 10.0),
}
"""Name -> (derivative, default of its one parameter)."""


@dataclass(frozen=True)
class Surrogate:
    """A surrogate by name with its one parameter: sharpness, width or slope; see the functions.

    `parameter=None` takes the default of `SURROGATES`. Raises ValueError for an unknown name (the
    message lists the valid ones) and for a parameter that is not positive.
    """

    name: str = "sigmoid"
    parameter: float | None = None

    def __post_init__(self) -> None:
        """Check the name, fill in the default parameter."""
        require_choice("surrogate", self.name, SURROGATES)
        if self.parameter is None:
            object.__setattr__(self, "parameter", SURROGATES[self.name][1])
        name = f"surrogate {self.name!r}: parameter"
        require_between(name, self.parameter, 0, 1e6, open_low=True)

    def derivative(self, u: Array, v_threshold: float) -> Array:
        """ds/du = sigma'((u - Vth) / Vth) / Vth, elementwise."""
        function = SURROGATES[self.name][0]
        return function((u - v_threshold) / v_threshold, self.parameter) / v_threshold
