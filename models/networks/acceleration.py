"""Neurons by `torch.compile`: a step of a sheet of neurons, and its surrogate, as one kernel each.

What is several elementwise operations otherwise, each a pass over the memory. The rest of a step is
left to torch: convolutions and products have kernels of their own, and a compiled graph would break
at the autograd functions between them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from onchip.arithmetic.real import REAL
from onchip.models.config import TrainingConfig
from onchip.models.networks import autograd
from onchip.models.networks.fast_types import warn_if_slow
from onchip.models.networks.precision import half_precision
from onchip.neurons.base import NeuronState
from onchip.neurons.lif import LIF


def accelerate(stack: ExitStack, model: nn.Module, config: TrainingConfig) -> None:
    """Enter, on `stack`, the settings' precision and compiled neurons on the model's device.

    Warns where the device is a CPU that is slow in this precision.
    """
    device = next(model.parameters()).device
    warn_if_slow(config.autocast, device)
    stack.enter_context(half_precision(config.autocast, device))
    if config.compiled:
        stack.enter_context(compiled_neurons(device))


@contextmanager
def compiled_neurons(device: torch.device | str = "cpu") -> Iterator[None]:
    """Inside, OTTT's neurons run compiled, of all networks and threads of this process.

    The equations are those of `onchip.neurons` and `onchip.neurons.surrogates`; results are the
    same up to rounding. Compiling takes seconds to tens of seconds, at once for the default neurons
    on `device` and later for others. Raises ValueError where torch cannot compile for `device`, as
    without a C++ compiler on a CPU.
    """
    compiled = _Compiled()
    kernels = autograd.NeuronKernels(compiled.advance, compiled.surrogate_gradient)
    _check_compiles(kernels, device)
    before, autograd.kernels = autograd.kernels, kernels
    try:
        yield
    finally:
        autograd.kernels = before


class _Compiled:
    """Compiled functions of vectors, called with maps: one form of each for all shapes."""

    def __init__(self) -> None:
        self._advance = torch.compile(_advance, dynamic=True)
        self._surrogate_gradient = torch.compile(_surrogate_gradient, dynamic=True)

    @torch.no_grad()
    def advance(
        self, current: Tensor, u: Tensor, spikes: Tensor, neuron: LIF
    ) -> tuple[Tensor, Tensor]:
        """As `onchip.models.networks.autograd.advance_lif`."""
        past = (x if x.ndim else torch.zeros_like(current) for x in (u, spikes))
        fired, new = self._advance(*(_vector(x) for x in (current, *past)), neuron)
        return _shaped(fired, current), _shaped(new, current)

    @torch.no_grad()
    def surrogate_gradient(self, gradient: Tensor, u: Tensor, neuron: LIF) -> Tensor:
        """As `onchip.models.networks.autograd.surrogate_gradient`."""
        return _shaped(self._surrogate_gradient(_vector(gradient), _vector(u), neuron), u)


def _advance(current: Tensor, u: Tensor, spikes: Tensor, neuron: LIF) -> tuple[Tensor, Tensor]:
    fired, state = neuron.step(current, NeuronState(u, spikes), REAL)
    return fired, state.u


def _surrogate_gradient(gradient: Tensor, u: Tensor, neuron: LIF) -> Tensor:
    return gradient * neuron.surrogate.derivative(u, neuron.v_threshold)


def _vector(x: Tensor) -> Tensor:
    """The elements in one dimension, maps with their channels last as OTTT keeps them: no copy.

    `data`, as there would be a form for every shape that a vector is a view of.
    """
    return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).reshape(-1).data


def _shaped(vector: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_vector`, with the shape of `like`."""
    if like.ndim != 4:
        return vector.view(like.shape)
    samples, channels, height, width = like.shape
    return vector.view(samples, height, width, channels).permute(0, 3, 1, 2)


def _check_compiles(kernels: autograd.NeuronKernels, device: torch.device | str) -> None:
    """Compile for the default neuron; ValueError with the reason where that fails."""
    current, u, spikes = torch.zeros((3, 2, 4, 8, 8), device=device).unbind()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")
        try:
            kernels.advance(current, u, spikes, LIF())
            kernels.surrogate_gradient(current, u, LIF())
        except Exception as error:  # whatever torch's compilers raise: there are many
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(
                f"compile: torch.compile does not work for {device} here ({lines[0]}); install a "
                "C++ compiler (CPU) or Triton (GPU), or leave the option out"
            ) from error
