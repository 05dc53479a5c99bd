"""The offline training of the demo: its scenario's network on the original sensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.deploy.cli.common import say, show_progress
from onchip.deploy.cli.data import DataChoice

if TYPE_CHECKING:
    from onchip.deploy.cli.demo_settings import Scenario
    from onchip.deploy.cli.stages import Data
    from onchip.models.training.distributed import Processes


def train_offline(
    scenario: Scenario,
    choice: DataChoice,
    data: Data,
    checkpoint: Path,
    seed: int,
    provenance: Mapping[str, Any],
    resume: bool,
    saved: Callable[[int], None],
) -> None:
    """Train on the original sensor, leave the last checkpoint with `provenance` in its metadata.

    With `resume` the training goes on from that checkpoint where there is one; `saved` hears of
    each epoch that was written. A network that is too small for several threads trains on two
    processes, whatever the machine, so that its last bits are the same.
    """
    from onchip.deploy.cli.train_command import check_same_data
    from onchip.deploy.cli.training_pair import as_pair
    from onchip.models import build_model, recommended_network, recommended_training, train
    from onchip.models.training.distributed import ALONE
    from onchip.models.training.threads import is_small

    model = build_model(
        scenario.model,
        seed=seed,
        input_shape=tuple(data.train.frames.shape[2:]),
        classes=data.train.classes,
        time_steps=scenario.time_steps,
        **{**recommended_network(scenario.model), **scenario.model_options},
    )
    config = recommended_training(scenario.model, scenario.method, seed=seed, **scenario.training)
    metadata = {**choice.metadata(data.train, data.test), "training": asdict(config), **provenance}
    resumed = checkpoint if resume and checkpoint.exists() else None
    if resumed is not None:
        check_same_data(resumed, metadata)
    options: dict[str, Any] = {
        "out": checkpoint,
        "best": False,
        "resume": resumed,
        "saved": saved,
        "metadata": metadata,
        "progress": show_progress(),
        "report": None if show_progress() else say,
        "warn": say,
    }

    def train_on(processes: Processes) -> None:
        train(model, data.train, data.test, config, processes=processes, **options)

    if is_small(model, config.batch_size):
        as_pair(train_on)
    else:
        train_on(ALONE)
