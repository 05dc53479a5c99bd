"""Which half precisions a CPU computes fast: those that it has instructions for.

Measured on an AVX-512 BF16 processor, one thread: convolutions and products of matrices take half
the time of float32 in bfloat16, and in float16, which it has no instructions for, five times as
long and more.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch

INSTRUCTIONS = {"bf16": ("amx_bf16", "avx512_bf16"), "fp16": ("amx_fp16", "avx512_fp16")}
"""By the names of `onchip.models.config.AUTOCAST`; those of torch.cpu.get_capabilities."""


def warn_if_slow(name: str | None, device: torch.device) -> None:
    """Warn where `device` is an x86 CPU without instructions for the precision `name` (or None).

    Silent where torch does not tell what the CPU has.
    """
    if name is None or device.type != "cpu":
        return
    has = _capabilities()
    if has.get("architecture") == "x86_64" and not any(has.get(key) for key in INSTRUCTIONS[name]):
        wanted = " nor ".join(INSTRUCTIONS[name])
        warnings.warn(
            f"training: autocast {name!r} has no instructions on this CPU (neither {wanted}) and "
            "may be many times slower than float32; leave it out, or train on a GPU",
            stacklevel=2,
        )


def _capabilities() -> Mapping[str, object]:
    found = getattr(torch.cpu, "get_capabilities", dict)
    return found()
