"""Training settings that belong to a data set: measured here, or named as from the literature.

They lie over those of the architecture (`onchip.models.architectures.recommended`). A setting that
stands under `LITERATURE` was read in the source that is named with it and has not been run here:
these data sets are not at hand where this project is made, and the runs take GPUs.

`scaled_start` is this project's own in all of them: frames of events are not normalized here, and
without it a deep network begins with silent layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LITERATURE = "from the literature, not measured here"

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class DatasetSettings:
    """What is recommended for a data set.

    Attributes:
        source: where the settings come from, in one line.
        training: fields of `TrainingConfig` for every architecture.
        tuned: architecture -> fields that were found for it.
        networks: architecture -> options of `build_model`.
        data: arguments of `load_dataset` that they were used with.
        literature: True where they were not measured here.
    """

    source: str
    training: Settings
    tuned: Mapping[str, Settings] = field(default_factory=dict)
    networks: Mapping[str, Settings] = field(default_factory=dict)
    data: Settings = field(default_factory=dict)
    literature: bool = True

    def settings(self, model: str) -> dict[str, Any]:
        """Fields of `TrainingConfig` for an architecture."""
        return {**self.training, **self.tuned.get(model, {})}

    def describe(self, model: str) -> str:
        """Where the settings for an architecture come from, in one line."""
        if self.literature:
            return f"{LITERATURE}: {self.source}"
        return self.source if model in self.tuned else f"not measured for {model!r}: {self.source}"


DATASETS: dict[str, DatasetSettings] = {
    "nmnist": DatasetSettings(
        source="measured here with a convnet by ottt_a, tests/benchmarks/bench_nmnist.py",
        training={"max_shift": 3, "max_rotation": 15.0, "max_zoom": 0.2, "scaled_start": True},
        tuned={"convnet": {"epochs": 50, "batch_size": 16, "event_drop": 0.3}},
        literature=False,
    ),
    "cifar10dvs": DatasetSettings(
        source="Xiao et al. 2022 (arXiv 2210.04195), VGG by OTTT, and the authors' code",
        training={
            "epochs": 300,
            "batch_size": 128,
            "optimizer": "sgd",
            "momentum": 0.9,
            "learning_rate": 0.1,
            "mse_weight": 0.001,
            "max_shift": 4,
            "max_rotation": 0.0,
            "max_zoom": 0.0,
            "scaled_start": True,
        },
        networks={"vgg": {"dropout": 0.1}},
        data={"time_steps": 10, "framing": "count", "size": 48},
    ),
    "dvsgesture": DatasetSettings(
        source="the code of Xiao et al. 2022 (arXiv 2210.04195), VGG by OTTT",
        training={
            "epochs": 300,
            "batch_size": 16,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "mse_weight": 0.001,
            "max_shift": 0,
            "max_rotation": 0.0,
            "max_zoom": 0.0,
            "scaled_start": True,
        },
        data={"time_steps": 20, "framing": "count"},
    ),
    "shd": DatasetSettings(
        source="SpyTorch's tutorial 4 (Halvagal and Zenke), a recurrent network by BPTT, on the "
        "data of Cramer et al. 2022 (IEEE TNNLS 33)",
        training={
            "epochs": 200,
            "batch_size": 256,
            "optimizer": "adamax",
            "learning_rate": 2e-4,
            "cosine": False,
            "max_shift": 0,
            "max_rotation": 0.0,
            "max_zoom": 0.0,
            "scaled_start": True,
        },
        networks={"mlp": {"hidden": (200,), "recurrent": True}},
        data={"time_steps": 100},
    ),
}
"""Data set -> what is recommended for it; digits-dvs has the architectures' own settings."""
