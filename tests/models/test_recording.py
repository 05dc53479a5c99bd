"""A recorded run of the trainer's own layers against an unrolled loop."""

from __future__ import annotations

import numpy as np
import torch

from onchip.models.training.recording import run_recorded


def test_recorded_spikes_are_those_of_an_independent_loop(make_mlp, make_batch) -> None:
    model = make_mlp(output_scale=2.0)
    frames, _ = make_batch(model)
    result = run_recorded(model, frames.numpy())
    x, expected = frames.double().flatten(2).numpy(), []
    for layer in model.layers[:-1]:
        weight, bias = layer.connection.weight.detach().numpy(), layer.connection.bias
        u = s = np.zeros((len(x), len(weight)))
        steps = []
        for n in range(x.shape[1]):
            u = 0.5 * (u - s) + x[:, n] @ weight.T + bias.detach().numpy()
            s = (u >= 1).astype(float)
            steps.append(s)
        expected.append(np.stack(steps, axis=1))
        x = 2.0 * expected[-1]
    assert list(result.spikes) == ["fc1", "fc2"]
    for ours, theirs in zip(result.spikes.values(), expected, strict=True):
        assert ours.dtype == np.uint8 and 0.02 < ours.mean() < 0.98
        np.testing.assert_array_equal(ours, theirs)
    torch.testing.assert_close(torch.from_numpy(result.outputs), model(frames))


def test_maps_are_recorded_before_their_pool(make_convnet, make_batch) -> None:
    model = make_convnet()
    frames, _ = make_batch(model)
    spikes = run_recorded(model, frames.numpy()).spikes
    assert list(spikes) == ["conv1", "conv2", "conv3", "fc1"]
    assert spikes["conv1"].shape == (3, 5, 4 * 12 * 12)
    assert all(set(np.unique(values)) == {0, 1} for values in spikes.values())
