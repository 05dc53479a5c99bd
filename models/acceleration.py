"""Faster arithmetic for training: products in half precision, compiled neurons.

Half precision is `torch.autocast` around the training: matrices are multiplied and maps convolved
in bfloat16 or float16 (`models.precision`); currents, membranes, traces, gradients and weights stay
as they are.

Compiled by `torch.compile`, a step of a sheet of neurons is one kernel in place of several
elementwise operations, each a pass over the memory, and so is its surrogate. The rest of a step is
left to torch: convolutions and products have kernels of their own, and a compiled graph would break
at the autograd functions between them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from models import autograd
from onchip.checks import require_choice
from onchip.neurons import LIF, NeuronState, lif_step

AUTOCAST: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Name of a precision -> torch's type."""


@contextmanager
def accelerated(
    method: str,
    device: torch.device | str,
    *,
    autocast: str | None = None,
    compiled: bool = False,
) -> Iterator[None]:
    """Inside, training by `method` runs on `device` with products in `autocast`, neurons compiled.

    Neither is the default. A resumed run is identical only under the same settings. Raises
    ValueError for an unknown precision and for "fp16" with "bptt", whose gradients torch alone
    computes and lets vanish, and as `compiled_neurons`.
    """
    with ExitStack() as stack:
        if autocast is not None:
            require_choice("autocast", autocast, AUTOCAST)
            if (autocast, method) == ("fp16", "bptt"):
                raise ValueError(
                    "autocast: 'fp16' is for OTTT, small gradients of 'bptt' would vanish in it; "
                    "use 'bf16'"
                )
            stack.enter_context(torch.autocast(torch.device(device).type, AUTOCAST[autocast]))
        if compiled:
            stack.enter_context(compiled_neurons(device))
        yield


@contextmanager
def compiled_neurons(device: torch.device | str = "cpu") -> Iterator[None]:
    """Inside, OTTT's neurons run compiled, of all networks and threads of this process.

    The equations are those of `onchip.neurons` and `onchip.surrogates`; results are the same up to
    rounding. Compiling takes seconds to tens of seconds, at once for maps on `device`, later for
    what else comes: neurons of other values, other numbers of dimensions. torch runs what is
    beyond its limit of forms (8) as it is, with a warning. Raises ValueError where torch cannot
    compile for `device`, as without a C++ compiler on a CPU.
    """
    advance = torch.compile(_advance, dynamic=True)
    compiled = autograd.NeuronKernels(
        # the compiler asks for the gradient of what it is given, which only leaves have
        lambda current, u, spikes, neuron: advance(current.detach(), u, spikes, neuron),
        torch.compile(_surrogate_gradient, dynamic=True),
    )
    _try(compiled, device)
    before, autograd.kernels = autograd.kernels, compiled
    try:
        yield
    finally:
        autograd.kernels = before


def _advance(current: Tensor, u: Tensor, spikes: Tensor, neuron: LIF) -> tuple[Tensor, Tensor]:
    """`models.autograd.advance_lif` as its equation."""
    fired, state = lif_step(current, NeuronState(u, spikes), neuron)
    return fired, state.u


def _surrogate_gradient(gradient: Tensor, u: Tensor, neuron: LIF) -> Tensor:
    """`models.autograd.surrogate_gradient` as its equation."""
    return gradient * neuron.surrogate.derivative(u, neuron.v_threshold)


def _try(kernels: autograd.NeuronKernels, device: torch.device | str) -> None:
    """Compile for maps of a convolution; ValueError with the reason where that fails."""
    maps = torch.zeros((2, 4, 8, 8), device=device)
    maps = maps.contiguous(memory_format=torch.channels_last)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")
        try:
            kernels.advance(maps, maps, maps, LIF())
            kernels.surrogate_gradient(maps, maps, LIF())
        except Exception as error:  # whatever torch's compilers raise: there are many
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(
                f"compile: torch.compile does not work for {device} here ({lines[0]}); install a "
                "C++ compiler (CPU) or Triton (GPU), or leave the option out"
            ) from error
