"""The constants of the demo, in full, in little time and for deeper networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from onchip.checks import require_choice


@dataclass(frozen=True)
class Scenario:
    """The demo's constants.

    Training: the recommended `model`, changed by `model_options`, by `method` with the recommended
    settings, changed by `training`. Online learning: the `plastic` layers, in `mode` by `feedback`,
    from `stream_samples` labelled samples in as many stages as there are `learning_rates` (the
    network is rebuilt with what it learned for each), every `measure`-th sample of a stage
    predicted before it is learned from. `rate_shares` are those of layers that learn at a part of
    the rate: the gradient of a convolution is a sum over positions. `parity_samples` are learned
    from in the parity check, `lava_checked` test samples run in Lava after learning. `limit` bounds
    the samples of each part of the dataset (None: all), `chosen_on` names the seeds that these
    constants were chosen with.
    """

    dataset: str = "digits-dvs"
    split: str = "random"
    time_steps: int = 10
    model: str = "convnet"
    method: str = "ottt_a"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=lambda: {"epochs": 8})
    plastic: tuple[str, ...] = ("conv2", "conv3")
    mode: str = "online"
    feedback: str = "symmetric"
    learning_rates: tuple[float, ...] = (0.1, 0.1, 0.05, 0.05, 0.025, 0.01)
    rate_shares: Mapping[str, float] = field(default_factory=lambda: {"conv2": 0.2, "conv3": 0.2})
    stream_samples: int = 600
    measure: int = 3
    parity_samples: int = 2
    lava_checked: int = 20
    limit: int | None = None
    chosen_on: str = "seeds 0 to 5"

    def rates(self, stage: int) -> dict[str, float]:
        """The learning rate of each plastic layer in a stage of the stream."""
        rate = self.learning_rates[stage]
        return {name: rate * self.rate_shares.get(name, 1.0) for name in self.plastic}


def in_little_time(scenario: Scenario) -> Scenario:
    """The same on few samples: it shows that everything runs, its accuracies mean little.

    It is trained until every layer spikes and learning changes weights, which takes about a hundred
    updates: parity on a silent network would test nothing, and fail for that.
    """
    return replace(
        scenario,
        training={**scenario.training, "epochs": 8, "batch_size": 8},
        stream_samples=12,
        measure=1,
        parity_samples=1,
        lava_checked=2,
        limit=100,
    )


FULL = Scenario()


QUICK = in_little_time(FULL)


DEEP = Scenario(
    model="vgg",
    model_options={"channels": (16, "P", 32, "P", 64, "P", 64), "hidden": (256,)},
    training={"epochs": 16},
    plastic=("fc1",),
    learning_rates=(1.6, 1.6, 0.8, 0.8, 0.4, 0.16),
    rate_shares={},
    chosen_on="seeds 7 to 9",
)
"""A VGG, whose standardized weights, output scale and pools fold into six plain layers.

Its readout stays as it was trained: with it plastic as well, less came back.
"""


def choose(model: str, quick: bool) -> Scenario:
    """The scenario of `model`, "convnet" or "vgg"; ValueError for other names."""
    require_choice("model", model, ("convnet", "vgg"))
    if model == "vgg":
        return in_little_time(DEEP) if quick else DEEP
    return QUICK if quick else FULL
