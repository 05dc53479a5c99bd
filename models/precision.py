"""The types that products are computed in under `torch.autocast`, and how factors fit into them.

float16 ends at 6e-8, below which many gradients lie. A factor is therefore lifted by a power of two
before it becomes float16, and its products are lowered again: no scaler of losses is needed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

HIGHEST, LARGEST_LIFT = -4, 100
"""Exponents of the largest lifted factor, with room in float16 (up to 2^16) for the sum of 10^5
products with traces, and of the largest lift."""


def product_type(weight: Tensor) -> torch.dtype:
    """The type to multiply in: autocast's where it is on, the weight's own otherwise."""
    device = weight.device.type
    if weight.dtype == torch.float32 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


def cast(kind: torch.dtype, *tensors: Tensor | None) -> tuple[Any, ...]:
    """The tensors in the given type, None as it is."""
    return tuple(None if t is None else t.to(kind) for t in tensors)


def lifted(kind: torch.dtype, factor: Tensor) -> tuple[Tensor, Tensor | None]:
    """`factor` in the type `kind`, and what it was multiplied by: None, or for float16 a power of
    two [] that brings its largest element just below 2^HIGHEST.
    """
    if kind != torch.float16:
        return factor.to(kind), None
    exponent = torch.frexp(factor.abs().amax())[1]
    exponent = (HIGHEST - exponent).clamp(max=LARGEST_LIFT)
    lift = torch.ldexp(torch.ones((), device=factor.device), exponent)
    return (factor * lift).to(kind), lift


def lowered(kind: torch.dtype, product: Tensor, lift: Tensor | None) -> Tensor:
    """A product of a lifted factor in the type `kind`, without the lift."""
    return product.to(kind) if lift is None else product.to(kind) / lift
