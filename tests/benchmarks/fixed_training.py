"""Trained networks for the benchmarks of integers, kept as checkpoints in a folder."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from onchip.models import SpikingNetwork, TrainingConfig, build_model, recommended_training, train
from onchip.models.data import FrameDataset, load_dataset
from onchip.models.training.checkpoint import Checkpoint, load_checkpoint

EPOCHS = {"convnet": 8, "mlp": 15}


def trained(
    name: str, seed: int, folder: Path
) -> tuple[SpikingNetwork, TrainingConfig, tuple[FrameDataset, FrameDataset]]:
    """The network `name` with the recommended OTTT_A settings on digits-dvs, random split.

    A seed decides the split, the recordings, the weights and the order.
    """
    parts = load_dataset("digits-dvs", split="random", seed=seed)
    path = folder / f"{name}-{seed}.pt"
    if not path.exists():
        model = build_model(
            name,
            seed=seed,
            input_shape=parts[0].frames.shape[2:],
            classes=parts[0].classes,
            time_steps=parts[0].frames.shape[1],
        )
        config = recommended_training(name, "ottt_a", seed=seed, epochs=EPOCHS[name])
        made = folder / f"{name}-{seed}"
        train(model, *parts, config, checkpoint_dir=made)
        (made / "last.pt").replace(path)
    checkpoint: Checkpoint = load_checkpoint(path)
    return checkpoint.build(), checkpoint.training, parts


def summary(values: list[float]) -> dict[str, Any]:
    """Mean and population standard deviation."""
    return {"mean": mean(values), "spread": pstdev(values), "values": values}
