"""Own events: train, export, learn on in Lava, add a class; run again to resume and report."""

from pathlib import Path

import numpy as np

from onchip import add_classes, with_learning
from onchip.deploy import StreamLog, build, load_spec, save_spec
from onchip.models import build_model, describe_model, load_dataset, recommended_training, train


def events(count, classes, seed):
    """Bars at one of `classes` heights: 0 and 1 [samples, steps, channels, y, x], and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    rates = np.where(np.arange(8) // 2 == labels[:, None], 0.25, 0.1)[:, None, None, :, None]
    return (rng.random((count, 8, 1, 8, 8)) < rates).astype(np.uint8), labels


def stream(classes, seed, first=0):
    """Make samples one by one; every fourth label is missing."""
    frames, labels = events(400, classes, seed)
    yield from ((frames[i], None if i % 4 == 3 else labels[i]) for i in range(first, 400))


if not Path("bars.h5").exists():
    np.savez("bars.npz", **dict(zip(("frames", "labels"), events(400, 3, seed=0), strict=True)))
    model = build_model("mlp", input_shape=(1, 8, 8), classes=3, time_steps=8, hidden=[64])
    train(model, *load_dataset("bars.npz"), recommended_training("mlp", "ottt_o", epochs=5))
    spec = with_learning(describe_model(model), learning_rate=0.02, feedback="symmetric")
    with build(spec, "lava-fused") as network:
        print(f"stream of the old classes: {network.stream(stream(3, seed=2)).accuracy:.2f}")
        save_spec("bars.h5", add_classes(network.snapshot(), 1))
with build(load_spec("bars.h5"), "lava-fused") as network:
    resumed = network.resume("bars.stream") if Path("bars.stream").exists() else 0
    with StreamLog("bars.csv", going_on=resumed) as log:
        network.stream(stream(4, 3, resumed), [log, lambda event: event.index == 199 - resumed])
    network.save("bars.stream")
    print(f"{network.samples} samples, {network.evaluate(*events(300, 4, seed=4)):.2f} are right")
