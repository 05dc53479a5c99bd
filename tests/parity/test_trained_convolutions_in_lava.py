"""The convolutional networks of the trainer in Lava: chains, residual ones, fed back ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from graph_cases import largest_difference, weights_of
from parity_cases import TOLERANCE

from onchip import Engine
from onchip.deploy import build, quantize
from onchip.models import build_model, describe_model
from onchip.network.learning import with_learning
from onchip.program.graphs import as_graph

SHAPE, STEPS, CLASSES = (2, 8, 8), 4, 10
MODELS = {
    "vgg": {"channels": (4, "P", 6)},
    "convnet": {},
    "vggf": {"channels": (4, "P", 6)},
    "resnet34": {"blocks": (1, 1), "widths": (4, 6), "stem_kernel": 3, "stem_stride": 1},
}
LAYERED = ("lava", "lava-fast")


def described(kind: str):
    options = {"input_shape": SHAPE, "classes": CLASSES, "time_steps": STEPS}
    model = build_model(kind, **MODELS[kind], **options, seed=0)
    with torch.no_grad():  # so that every layer fires
        for parameter in model.parameters():
            parameter += 0.3 * (parameter.ndim == 1)
    return describe_model(model)


def frames_of(rng, samples=2):
    return (rng.random((samples, STEPS, *SHAPE)) < 0.4).astype(np.uint8)


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("kind", MODELS)
def test_every_spike_of_a_network_that_runs_is_the_engines(rng, kind, integers):
    spec = quantize(described(kind)) if integers else described(kind)
    frames, recorded = frames_of(rng), {}

    def record(name: str, spikes: np.ndarray) -> None:
        recorded.setdefault(name, []).append(spikes.reshape(len(frames), -1).copy())

    outputs = Engine(spec).run(frames, record)
    for backend in LAYERED:
        with build(spec, backend, convolutions="lava", record=True) as execution:
            result = execution.run(frames)
        limit = 0 if integers else TOLERANCE
        np.testing.assert_allclose(result.outputs, outputs, rtol=0, atol=limit)
        for name, spikes in result.spikes.items():
            np.testing.assert_array_equal(spikes, np.stack(recorded[name], axis=1), name)
        assert sum(spikes.sum() for spikes in result.spikes.values()) > 0


@pytest.mark.parametrize("kind", MODELS)
def test_all_of_its_convolutions_learn(rng, kind):
    """With connections from above, residual sums, folded pools and enlarged maps among them."""
    graph = as_graph(described(kind))
    names = [p.name for p in graph.populations]
    spec = with_learning(graph, learning_rate=0.02, plastic=names, feedback="symmetric")
    frames, labels = frames_of(rng, 3), rng.integers(0, CLASSES, 3)
    learned = []
    for backend in ("numpy", *LAYERED):
        with build(spec, backend) as execution:
            outputs = execution.learn(frames, labels).outputs
            learned.append((outputs, weights_of(execution.snapshot())))
    moved = zip(weights_of(spec), learned[0][1], strict=True)
    assert sum(bool((before != after).any()) for before, after in moved) > 2
    for outputs, weights in learned[1:]:
        np.testing.assert_allclose(outputs, learned[0][0], rtol=0, atol=TOLERANCE)
        assert largest_difference(weights, learned[0][1]) < TOLERANCE
