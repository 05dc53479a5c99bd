"""The settings of a training run."""

from __future__ import annotations

import dataclasses
import inspect
import math
from dataclasses import dataclass
from typing import Any

import torch

from onchip.checks import require_between, require_choice
from onchip.rules.feedback import FEEDBACKS

AUTOCAST: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Name of a half precision for products -> torch's type."""

METHODS = ("ottt_a", "ottt_o", "bptt")
OPTIMIZERS = tuple(
    sorted(
        name.lower()
        for name, member in vars(torch.optim).items()
        if inspect.isclass(member)
        and issubclass(member, torch.optim.Optimizer)
        and name not in ("Optimizer", "LBFGS", "SparseAdam", "Muon")
    )
)
"""Names of torch's optimizers, in lower case (not those that need closures or sparse gradients)."""


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    `method`: "ottt_a" adds the gradients of a sample's T steps and updates once per batch, "ottt_o"
    updates at every step, "bptt" is the baseline with the graph through time. `optimizer` any of
    `OPTIMIZERS` with `learning_rate`, `momentum` (where it has one) and `weight_decay`; `cosine`
    lets the rate fall to zero along half a cosine, batch by batch. `mse_weight` alpha of the loss;
    `label_smoothing` s makes its targets (1 - s) onehot y + s / classes. `batch_size` counts the
    samples of an update, on all processes together.

    Augmentation, one draw per sample for all its steps: shifts of up to `max_shift` pixels (the
    same as a crop after padding by so many), rotations of up to `max_rotation` degrees, zoom of
    each axis within 1 +- `max_zoom`, left and right exchanged in half of the samples with `flip`,
    and up to `event_drop` of the events left out (`onchip.models.data.augmentation.drop_events`).

    `feedback` one of `onchip.rules.feedback.FEEDBACKS` (OTTT only), `grad_clip` the largest norm of
    the gradient of one update (0: no limit), `update_delay` the number of steps by which an update
    of "ottt_o" lags. `seed` decides the order of the data, augmentation and feedback.

    `patience` ends the run where the loss of the training data has not fallen below its lowest for
    so many epochs (0: never); `cosine` goes on as if it did not.

    `scaled_start` scales gains and biases before the first update so that every layer fires on the
    training data (`onchip.models.training.scaling`); for a network as it was built.

    `autocast` one of `AUTOCAST` for products in
    half precision ("fp16" for OTTT only), None for the network's own; `compiled` runs OTTT's
    neurons by `torch.compile` (see `onchip.models.networks.acceleration`). Raises ValueError for
    bad values.
    """

    method: str = "ottt_a"
    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 2e-3
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    cosine: bool = True
    mse_weight: float = 0.05
    max_shift: int = 0
    max_rotation: float = 0.0
    max_zoom: float = 0.0
    feedback: str = "exact"
    grad_clip: float = 0.0
    update_delay: int = 0
    seed: int = 0
    label_smoothing: float = 0.0
    flip: bool = False
    event_drop: float = 0.0
    autocast: str | None = None
    compiled: bool = False
    scaled_start: bool = False
    patience: int = 0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        require_choice("training: method", self.method, METHODS)
        require_choice("training: optimizer", self.optimizer, OPTIMIZERS)
        require_choice("training: feedback", self.feedback, FEEDBACKS)
        least = {"epochs": 1, "batch_size": 1, "max_shift": 0, "seed": 0, "patience": 0}
        for name, low in least.items():
            _require_integer(name, getattr(self, name), low)
        require_between("training: learning_rate", self.learning_rate, 0, 1e6, open_low=True)
        require_between("training: momentum", self.momentum, 0, 1)
        require_between("training: weight_decay", self.weight_decay, 0, 1e6)
        require_between("training: mse_weight", self.mse_weight, 0, 1)
        require_between("training: max_rotation", self.max_rotation, 0, 180)
        require_between("training: max_zoom", self.max_zoom, 0, 0.9)
        require_between("training: grad_clip", self.grad_clip, 0, 1e9)
        require_between("training: label_smoothing", self.label_smoothing, 0, 0.99)
        require_between("training: event_drop", self.event_drop, 0, 0.99)
        if self.autocast is not None:
            require_choice("training: autocast", self.autocast, AUTOCAST)
        for name in ("cosine", "flip", "compiled", "scaled_start"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"training: {name} is {getattr(self, name)!r}; it must be a bool")
        _check_method(self)


def make_optimizer(
    config: TrainingConfig, parameters: Any, fused: bool = False
) -> torch.optim.Optimizer:
    """The optimizer that `config` names, over `parameters`.

    `fused` updates each of them in one pass over its memory, where torch has that: several times as
    fast for large ones, equal up to rounding.
    """
    members = {name.lower(): member for name, member in vars(torch.optim).items()}
    optimizer = members[config.optimizer]
    options: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if "momentum" in inspect.signature(optimizer).parameters:
        options["momentum"] = config.momentum
    accepted = inspect.signature(optimizer).parameters
    if fused and config.optimizer in ("adam", "adamw", "sgd"):
        options["fused"] = True
    return optimizer(parameters, **{k: v for k, v in options.items() if k in accepted})


def learning_rate_at(config: TrainingConfig, epochs_done: float) -> float:
    """The rate after `epochs_done` epochs (fractions count batches): the cosine or a constant.

    rate / 2 (1 + cos(pi epochs_done / epochs)); a function of the progress alone, so that nothing
    of it has to be kept in a checkpoint.
    """
    if not config.cosine:
        return config.learning_rate
    progress = min(epochs_done / config.epochs, 1.0)
    return config.learning_rate * (0.5 * (1 + math.cos(math.pi * progress)))


def config_from_dict(values: dict[str, Any]) -> TrainingConfig:
    """The inverse of `dataclasses.asdict`; ValueError for unknown fields."""
    valid = [f.name for f in dataclasses.fields(TrainingConfig)]
    for name in values:
        require_choice("training option", name, valid)
    return TrainingConfig(**values)


def require_same_settings(path: str, before: TrainingConfig, now: TrainingConfig) -> None:
    """Raise ValueError, naming the settings, where the checkpoint's run had others than ours."""
    others = [
        f"{name} ({kept!r}, here {value!r})"
        for name, value in vars(now).items()
        if (kept := getattr(before, name)) != value
    ]
    if others:
        raise ValueError(
            f"checkpoint {path}: its run had other values of {', '.join(others)}; "
            "resume with the same settings or start a new run"
        )


def _require_integer(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"training: {name} is {value!r}; it must be an integer >= {low}")


def _check_method(config: TrainingConfig) -> None:
    if config.update_delay not in (0, 1):
        raise ValueError(f"training: update_delay is {config.update_delay!r}; it must be 0 or 1")
    if config.update_delay and config.method != "ottt_o":
        raise ValueError(
            f"training: update_delay is for method 'ottt_o', not {config.method!r}; set it to 0"
        )
    if config.method == "bptt" and config.feedback != "exact":
        raise ValueError(
            f"training: feedback {config.feedback!r} is for OTTT; method 'bptt' needs 'exact'"
        )
    if config.method == "bptt" and config.autocast == "fp16":
        raise ValueError(
            "training: autocast 'fp16' is for OTTT: small gradients of 'bptt' would vanish; use "
            "'bf16'"
        )
    if config.method == "bptt" and config.compiled:
        raise ValueError("training: compiled neurons are OTTT's, 'bptt' has others; leave it out")
