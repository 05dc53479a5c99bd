"""Whether the package and the published way make the same update, with every layer at work.

A network as it is built may have layers that never spike; the updates below them are zero in both,
and two zeros say nothing. So the parameters are spread until every layer fires, what is silent or
not a number is an error, and the comparison is in float64, where rounding turns no spike around.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from two_pass import ALPHA, TRAINERS

from onchip.models.networks.activity import firing_rates
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.feedback import make_feedback
from onchip.models.training.scaling import scale_to_data
from onchip.models.training.updates import UPDATES, Learner

LEAST_RATE = 0.005
"""Spikes per neuron and step below which a layer counts as silent."""

RATE, MOMENTUM = 1e-3, 0.9


def spread(model: SpikingNetwork, frames: Tensor, seed: int = 0) -> SpikingNetwork:
    """Scale a network by its frames [batch, T, ...] until every layer fires, each channel by its
    own amount; return it. Raises ValueError where a layer stays silent.
    """
    scale_to_data(model, frames.cpu().numpy())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.layers[:-1]:
            gain = layer.connection.gain
            gain.mul_((1.5 + torch.rand(len(gain), generator=generator)).to(gain))
    require_firing(model, frames)
    return model


def require_firing(model: SpikingNetwork, frames: Tensor) -> None:
    """Raise ValueError where a layer fires less than `LEAST_RATE`."""
    rates = firing_rates(model, frames)
    silent = {name: rate for name, rate in rates.items() if not rate >= LEAST_RATE}
    if silent:
        raise ValueError(
            f"control: layers {silent} fire less than {LEAST_RATE} spikes per neuron and step, so "
            "that updates below them say nothing; spread the parameters further"
        )


def update_difference(model: SpikingNetwork, method: str, frames: Tensor, targets: Tensor) -> float:
    """Largest difference of the momentum after a batch, relative to a parameter's largest.

    It is the gradient of OTTT_A and a weighted sum of those of OTTT_O, whose later ones see the
    earlier updates. The model and its dtype are kept; both learn on copies in float64. Raises
    ValueError where a layer is silent or a difference is not a number.
    """
    model = copy.deepcopy(model).double()
    require_firing(model, frames)
    ours, own = _with_optimizer(model)
    other, theirs = _with_optimizer(model)
    targets = targets.double()
    UPDATES[method](Learner(ours, own, make_feedback(ours, "exact"), ALPHA), frames, targets)
    TRAINERS[method](other, theirs).learn(frames, targets)
    pairs = zip(ours.named_parameters(), other.parameters(), strict=True)
    return max(
        relative_difference(name, _momentum(own, p), _momentum(theirs, q)) for (name, p), q in pairs
    )


def relative_difference(name: str, ours: Tensor, theirs: Tensor) -> float:
    """Largest difference of two arrays, in units of the largest of `theirs`.

    Raises ValueError, naming the parameter, where that is not a finite number: `max` would skip it.
    """
    scale = float(theirs.abs().max())
    difference = float((ours - theirs).abs().max())
    if not scale > 0 or not difference < float("inf"):
        raise ValueError(
            f"control: parameter {name!r}: updates differ by {difference}, the largest is {scale}; "
            "both must be numbers and the second above 0, else nothing is compared"
        )
    return difference / scale


def _with_optimizer(model: SpikingNetwork) -> tuple[SpikingNetwork, torch.optim.Optimizer]:
    copied = copy.deepcopy(model)
    return copied, torch.optim.SGD(copied.parameters(), lr=RATE, momentum=MOMENTUM)


def _momentum(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> Tensor:
    return optimizer.state[parameter]["momentum_buffer"]
