"""Half precision: the type that products are computed in, and gradients that fit into it.

Under `torch.autocast` matrices are multiplied and maps convolved in bfloat16 or float16; currents,
membranes, traces, gradients, weights and their standardization stay as they are. float16 ends at
6e-8, below which many gradients lie: before a product, a postsynaptic factor is scaled by a power
of two, and its products are scaled back, so that no scaler of losses is needed. What lies 2^-20 or
more below the largest element of its layer at its step is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from onchip.models.config import AUTOCAST

MAX_EXPONENT, MAX_SCALE_EXPONENT = -4, 100
"""Exponents of a scaled factor's largest element, which leaves room in float16 (up to 2^16) for the
sum of 10^5 products with traces up to 10, and of the scale."""


@contextmanager
def half_precision(name: str | None, device: torch.device | str) -> Iterator[None]:
    """Inside, products on `device` are computed in a precision of `AUTOCAST`; None changes nothing.

    Weights may change inside: no copy of them is kept. Raises ValueError where the device does not
    have the precision.
    """
    if name is None:
        yield
        return
    kind = torch.device(device).type
    try:
        context = torch.autocast(kind, AUTOCAST[name], cache_enabled=False)
    except RuntimeError as error:
        raise ValueError(f"training: autocast {name!r} does not work on {kind} ({error})") from None
    with context:
        yield


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Outside of autocast: for backward passes, whose products know their types, and for what is no
    product of spikes.
    """
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def compute_dtype(weight: Tensor) -> torch.dtype:
    """The type to multiply in: autocast's where it is on, the weight's own otherwise."""
    device = weight.device.type
    if weight.dtype == torch.float32 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


def cast(dtype: torch.dtype, *tensors: Tensor | None) -> tuple[Any, ...]:
    """The tensors in the given type, None as it is."""
    return tuple(None if t is None else t.to(dtype) for t in tensors)


def scaled(dtype: torch.dtype, factor: Tensor) -> tuple[Tensor, Tensor | None]:
    """`factor` in the type `dtype`, and what it was multiplied by: None, or for float16 a power of
    two [] that brings its largest element just below 2^MAX_EXPONENT.
    """
    if dtype != torch.float16 or not factor.numel():
        return factor.to(dtype), None
    exponent = MAX_EXPONENT - torch.frexp(torch.linalg.vector_norm(factor, math.inf))[1]
    exponent = exponent.clamp(-MAX_SCALE_EXPONENT, MAX_SCALE_EXPONENT)
    scale = torch.ldexp(torch.ones((), device=factor.device), exponent)
    return (factor * scale).to(dtype), scale


def unscaled(dtype: torch.dtype, product: Tensor, scale: Tensor | None) -> Tensor:
    """A product of a scaled factor in the type `dtype`, without the scale."""
    return product.to(dtype) if scale is None else product.to(dtype) / scale
