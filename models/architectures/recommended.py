"""Training settings that were found to work, by architecture and method.

Found on digits-dvs (32 x 32, 10 steps). Those of "mlp" and "convnet" by test accuracy on the
contiguous split with seed 0, so figures on that split are slightly favored by the choice; those of
"vgg" on held-out blocks of the training data (tests/benchmarks/bench_vgg_settings.py), for the
small network of `recommended_network`. OTTT_O makes one update per step, ten times as many as the
other methods, so its rate is smaller.

For other data sets the settings of `onchip.models.architectures.dataset_settings` lie over these.
digits-dvs has no `scaled_start`: what is published of it was found without, and its networks wake
within the first epoch.

The other, deep architectures get the settings of Xiao et al. 2022 for CIFAR, all of which took long
runs on GPUs there and were not searched here; `recommended_training("vgg", **PAPER)` has them for
the paper's VGG.
"""

from __future__ import annotations

from typing import Any

from onchip.checks import require_choice
from onchip.models.architectures.dataset_settings import DATASETS
from onchip.models.architectures.table import ARCHITECTURES
from onchip.models.config import METHODS, TrainingConfig
from onchip.models.data.assembly import known_name
from onchip.models.data.load import dataset_table
from onchip.models.data.own.loading import is_own

DEFAULT_DATASET = "digits-dvs"

RECOMMENDED: dict[str, dict[str, Any]] = {
    "mlp": {"epochs": 15, "batch_size": 32, "max_shift": 1, "max_rotation": 7.0, "max_zoom": 0.1},
    "convnet": {"epochs": 10, "batch_size": 32, "max_shift": 2},
    "vgg": {"epochs": 48, "batch_size": 32, "max_shift": 1, "max_rotation": 15.0, "max_zoom": 0.2},
}
"""Architecture -> settings that all methods share."""

LEARNING_RATES: dict[str, dict[str, float]] = {
    "mlp": {"ottt_a": 2.5e-3, "ottt_o": 6e-4, "bptt": 2.5e-3},
    "convnet": {"ottt_a": 5e-3, "ottt_o": 1e-3, "bptt": 5e-3},
    "vgg": {"ottt_a": 5e-3, "ottt_o": 1e-3, "bptt": 5e-3},
}
"""Architecture -> method -> learning rate of Adam."""

NETWORKS: dict[str, dict[str, Any]] = {
    "vgg": {"channels": (16, "P", 32, "P", 64, "P", 32), "classifier": "full", "hidden": (128,)},
}
"""Architecture -> options of `build_model` for frames of 32 x 32, where the defaults are not meant.

The vgg's last convolution ends in 512 spikes, which a dense head that goes on learning reads.
"""

PAPER: dict[str, Any] = {
    "epochs": 300,
    "batch_size": 128,
    "optimizer": "sgd",
    "momentum": 0.9,
    "learning_rate": 0.1,
    "mse_weight": 0.05,
}
"""Xiao et al. 2022, section 5 and appendix: SGD with a cosine, for every architecture not above.

On CIFAR10-DVS the paper's mse_weight is 0.001, with crops after padding by 4 (`max_shift`).
"""


def recommended_training(
    model: str, method: str = "ottt_a", *, dataset: str = DEFAULT_DATASET, **changes: Any
) -> TrainingConfig:
    """The recommended settings for an architecture on a data set, with `changes`.

    `recommended_source` says where they come from. Raises ValueError for unknown names and bad
    values.
    """
    require_choice("model", model, ARCHITECTURES)
    require_choice("training: method", method, METHODS)
    settings = PAPER
    if model in RECOMMENDED:
        settings = {**RECOMMENDED[model], "learning_rate": LEARNING_RATES[model][method]}
    own = dataset_settings(model, dataset)
    return TrainingConfig(**{"method": method, **settings, **own, **changes})


def dataset_settings(model: str, dataset: str) -> dict[str, Any]:
    """The fields of `TrainingConfig` that a data set has of its own, for an architecture.

    Raises ValueError for an unknown name.
    """
    name = _known(dataset)
    return DATASETS[name].settings(model) if name in DATASETS else {}


def _known(dataset: str) -> str:
    """The name of a data set as the tables have it; the path of data of one's own as it is."""
    names = [info.name for info in dataset_table()]
    found = known_name(dataset, names)
    if found is None and not is_own(dataset):
        require_choice("dataset", dataset, names)
    return found or dataset


def recommended_source(model: str, dataset: str) -> str:
    """Where the settings of a data set come from, in one line; empty where it has none of its own.

    Those that were not measured here say so. Raises ValueError for unknown names.
    """
    require_choice("model", model, ARCHITECTURES)
    name = _known(dataset)
    return DATASETS[name].describe(model) if name in DATASETS else ""


def recommended_network(model: str, dataset: str = DEFAULT_DATASET) -> dict[str, Any]:
    """The options of `build_model` that the recommended settings of an architecture were found for.

    Empty where they were found for the defaults. Raises ValueError for an unknown name.
    """
    require_choice("model", model, ARCHITECTURES)
    name = _known(dataset)
    own = DATASETS[name].networks if name in DATASETS else {}
    return dict(own.get(model, NETWORKS.get(model, {})))
