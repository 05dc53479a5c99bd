"""What becomes of trained networks with tdBN: fused, deployed, learning on after a drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from onchip import with_learning
from onchip.deploy import build, quantize
from onchip.deploy.backends.host import trunk_spikes
from onchip.models import SensorConfig, describe_model, load_dataset
from onchip.models.data import FrameDataset
from onchip.models.tdbn.fusion import fuse
from onchip.models.tdbn.networks import TdBNNetwork, build_network
from onchip.models.tdbn.recording import layer_spikes
from onchip.network.partition import split_trunk

STEPS = 6
STREAM = 600
"""Labelled samples of the drifted sensor that are learned from, once each."""
PLASTIC = ("fc1", "readout")
PLASTIC_BLOCK = ("block3.inner", "block3", *PLASTIC)
"""The last residual block, its shortcut included, and all above it."""
RATE = 0.01
"""Of learning online; chosen with seed 0."""
BATCH = 30

Parts = tuple[FrameDataset, FrameDataset]


def data(seed: int, drifted: bool = False) -> Parts:
    """(train, test) of the original or the drifted sensor."""
    sensor = SensorConfig().drifted() if drifted else None
    return load_dataset("digits-dvs", split="random", time_steps=STEPS, seed=seed, sensor=sensor)


def fusion(network: TdBNNetwork, test_set: FrameDataset) -> dict[str, int]:
    """Spikes of the fused network that differ, in float64, on all test samples."""
    exact = fresh(network).double()
    fused, compared, changed = fuse(exact), 0, 0
    for start in range(0, len(test_set), BATCH):
        frames = torch.from_numpy(test_set.frames[start : start + BATCH])
        ours, theirs = layer_spikes(exact, frames), layer_spikes(fused, frames)
        compared += sum(spikes.numel() for spikes in ours.values())
        changed += sum(int((ours[name] != theirs[name]).sum()) for name in ours)
    return {"spikes_compared": compared, "spikes_changed": changed}


def fresh(network: TdBNNetwork) -> TdBNNetwork:
    """A copy."""
    copy = build_network(network.config)
    copy.load_state_dict(network.state_dict())
    return copy


def deployed(network: TdBNNetwork, test_set: FrameDataset) -> dict[str, float]:
    """Accuracy in Lava, in floats and integers."""
    spec = describe_model(network)
    found = {}
    for precision, net in (("float", spec), ("integers", quantize(spec))):
        with build(net, "lava-fused") as execution:
            found[precision] = execution.evaluate(test_set.frames, test_set.labels)
    return found


def drift(
    network: TdBNNetwork,
    seed: int,
    parts: Parts,
    plastic: tuple[str, ...] = PLASTIC,
    precisions: tuple[str, ...] = ("float", "integers"),
) -> dict[str, dict[str, float]]:
    """Accuracies on test samples before and after learning online from the drifted sensor."""
    drifted = data(seed, drifted=True)
    order = np.random.default_rng(seed).permutation(len(drifted[0]))[:STREAM]
    spec = with_learning(
        describe_model(network),
        plastic=plastic,
        learning_rate=RATE,
        feedback="symmetric",
        seed=seed,
    )
    forms = {"float": lambda: spec, "integers": lambda: quantize(spec)}
    return {name: recovered(forms[name](), parts[1], drifted, order) for name in precisions}


def recovered(
    network: Any, test_set: FrameDataset, drifted: Parts, order: np.ndarray
) -> dict[str, float]:
    """On both sensors, before and after; learning in Lava, measured with learning off."""
    head = split_trunk(network)[1]
    sets = {"original": test_set.frames, "drifted": drifted[1].frames}
    features = {name: trunk_spikes(network, frames) for name, frames in sets.items()}
    stream = trunk_spikes(network, drifted[0].frames[order])
    with build(head, "lava-fused") as execution:
        before = {k: execution.evaluate(v, test_set.labels) for k, v in features.items()}
        execution.learn(stream, drifted[0].labels[order])
        after = {k: execution.evaluate(v, test_set.labels) for k, v in features.items()}
    return {
        **{f"{name}_before": value for name, value in before.items()},
        **{f"{name}_after": value for name, value in after.items()},
    }
