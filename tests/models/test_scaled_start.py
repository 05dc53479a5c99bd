"""The start that is scaled by the data: currents, rates, and which networks it refuses."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from folding import assert_same_behaviour
from toy_training import tiny, toy_sets

from onchip.files.seal import seal
from onchip.models import build_model, load_dataset, recommended_network, train
from onchip.models.config import TrainingConfig
from onchip.models.data.sensor import SensorConfig
from onchip.models.data.walkthrough import made_cifar10dvs
from onchip.models.networks.activity import firing_rates
from onchip.models.networks.connections import Connection
from onchip.models.training.checkpoint import load_checkpoint
from onchip.models.training.scaling import scale_to_data

SPARSE = SensorConfig(pixels=34, loops=1, noise_rate=0.3)
"""Frames of 34 x 34 with events in few places (N-MNIST: in 8 of 100)."""


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Name of the data -> uint8 [20, 10, 2, side, side], two samples of each class."""
    cache = tmp_path_factory.mktemp("cache")
    made = made_cifar10dvs(2, 1, cache_dir=cache)
    options = {"limit": 20, "cache_dir": cache}
    loaded = {
        "digits-dvs": load_dataset("digits-dvs", **options),
        "sparse": load_dataset("digits-dvs", sensor=SPARSE, **options),
        "cifar10dvs": load_dataset(
            "cifar10dvs", data_root=made, framing="count", size=48, **options
        ),
    }
    return {name: parts[0].frames for name, parts in loaded.items()}


def fitting(frames, name):
    """Frames whose sides the network's strides and pools divide, cut out of the middle."""
    side = 32 if name != "mlp" and name != "convnet" else frames.shape[-1]
    edge = (frames.shape[-1] - side) // 2
    return frames[..., edge : edge + side, edge : edge + side]


def test_the_sparse_frames_are_as_sparse_as_those_of_nmnist(frames):
    assert 0.05 < frames["sparse"].mean() < 0.12 < frames["digits-dvs"].mean()


NETWORKS = {
    "mlp": ("mlp", {}),
    "deep mlp": ("mlp", {"hidden": (128, 128, 128)}),
    "convnet": ("convnet", {}),
    "recommended vgg": ("vgg", recommended_network("vgg")),
    "vgg": ("vgg", {}),
    "vggf": ("vggf", {}),
    "vggf paper_code": ("vggf", {"paper_code": True}),
    "resnet34": ("resnet34", {}),
    "plain convnet": ("convnet", {"normalised": False, "output_scale": 1.0, "v_threshold": 0.7}),
}


@pytest.mark.parametrize("data", ["digits-dvs", "sparse", "cifar10dvs"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_layer_of_every_architecture_fires_at_the_start(frames, data, network):
    """Rates are those of samples that the scaling has not seen."""
    name, options = NETWORKS[network]
    x = fitting(frames[data], name)
    model = build_model(name, input_shape=x.shape[2:], classes=10, **options)
    seen, unseen = (x[::4], x[1::6]) if network.startswith("vgg") else (x[::2], x[1::3])
    scale_to_data(model, seen)
    rates = firing_rates(model, unseen)
    expected = 33 if name == "resnet34" else len(model.layers) - 1
    assert len(rates) == expected
    assert min(rates.values()) >= 0.01 and max(rates.values()) <= 0.5


def test_without_it_the_papers_vgg_begins_with_silent_layers(frames):
    """The reason for all this; and the rates are counted as they are by hand."""
    model = build_model("vgg", input_shape=(2, 32, 32), classes=10)
    x = fitting(frames["sparse"], "vgg")[:4]
    rates = firing_rates(model, x)
    assert [rates[f"conv{k}"] for k in (6, 7, 8)] == [0.0, 0.0, 0.0]
    state, first = model.initial_state(), []
    for n in range(10):
        _, state = model.step(torch.from_numpy(x[:, n]).float(), state)
        first.append(float(state[0].neuron.spikes.detach().mean()))
    assert rates["conv1"] == pytest.approx(np.mean(first), rel=1e-6)


def by_hand(model, x):
    """As the equations say: for every hidden layer the currents' channel means and deviation."""
    found, inputs = [], [x[:, n].astype(float) for n in range(x.shape[1])]
    for layer in model.layers[:-1]:
        weight, bias = layer.connection.weight.numpy(), layer.connection.bias.numpy()
        if layer.connection.gain is not None:
            flat = weight.reshape(len(weight), -1)
            centred = flat - flat.mean(1, keepdims=True)
            norm = np.sqrt(flat.var(1, ddof=1, keepdims=True) * flat.shape[1] + 1e-4)
            weight = layer.connection.gain.numpy()[:, None] * centred / norm
        u = np.zeros((len(x), len(weight)))
        spikes, currents, outputs = u, [], []
        for step in inputs:
            current = step.reshape(len(x), -1) @ weight.T + bias
            u = layer.neuron.decay * (u - layer.neuron.v_threshold * spikes) + current
            spikes = (u >= layer.neuron.v_threshold).astype(float)
            currents.append(current)
            outputs.append(layer.scale * spikes)
        currents = np.concatenate(currents)
        mean = currents.mean(0)
        found.append((mean, np.sqrt(((currents - mean) ** 2).mean())))
        inputs = outputs
    return found


@pytest.mark.parametrize("normalised", [True, False])
def test_currents_have_mean_zero_and_half_a_threshold_as_deviation(rng, normalised):
    model = build_model(
        "mlp", input_shape=(2, 4, 4), classes=3, hidden=(20, 15, 12), normalised=normalised,
        v_threshold=1.5, weight_gain=3.0,
    ).double().requires_grad_(False)  # fmt: skip
    x = (rng.random((9, 6, 2, 4, 4)) < 0.3).astype(np.uint8)
    assert abs(by_hand(model, x)[0][1] - 0.75) > 0.1
    scale_to_data(model, x)
    for mean, deviation in by_hand(model, x):
        np.testing.assert_allclose(mean, 0, atol=1e-12)
        assert deviation == pytest.approx(0.75, rel=1e-12)
    assert not model.layers[-1].connection.bias.any()


def test_every_connection_of_a_residual_block_is_scaled(rng):
    """Seen from outside: what each connection transmits while the network runs."""
    model = build_model(
        "resnet34", input_shape=(2, 16, 16), classes=4, time_steps=4, blocks=(1, 2), widths=(6, 8),
        stem_kernel=3, stem_stride=1,
    ).double().requires_grad_(False)  # fmt: skip
    x = (rng.random((8, 4, 2, 16, 16)) < 0.1).astype(np.uint8)
    scale_to_data(model, x)
    hidden = [
        m for layer in model.layers[:-1] for m in layer.modules() if isinstance(m, Connection)
    ]
    assert len(hidden) == 1 + 2 + 3 + 2
    seen = {id(connection): [] for connection in hidden}
    for connection in hidden:
        honest = connection.transmit
        connection.transmit = lambda s, w, c=connection, f=honest: note(seen[id(c)], f(s, w))
    firing_rates(model, x)
    for connection in hidden:
        currents = torch.cat(seen[id(connection)])
        if connection is model.layers[0].connection:
            currents = torch.nn.functional.avg_pool2d(currents, 2)  # what the blocks get of it
        mean = currents.mean((0, 2, 3), keepdim=True)
        assert mean.abs().max() < 1e-12
        assert float(((currents - mean) ** 2).mean().sqrt()) == pytest.approx(0.5, rel=1e-12)


def note(currents, current):
    currents.append(current)
    return current


def test_the_scaled_network_folds_for_deployment(rng):
    options = {"channels": (4, 5, "P", 6, 5), "hidden": (7,), "input_shape": (2, 8, 8)}
    model = build_model("vgg", classes=4, time_steps=6, **options).double()
    frames = (rng.random((6, 6, 2, 8, 8)) < 0.2).astype(np.uint8)
    scale_to_data(model, frames)
    assert_same_behaviour(model, torch.from_numpy(frames), rates=(0.005, 0.5))


def test_training_begins_from_the_scaled_start_and_a_resumed_run_does_not_begin_anew(rng, tmp_path):
    sets = toy_sets(rng)
    config = TrainingConfig(
        epochs=2, optimizer="sgd", learning_rate=1e-30, cosine=False, scaled_start=True, seed=3
    )
    model, expected = tiny(), tiny()
    scale_to_data(expected, sets[0].frames, seed=3)
    train(model, *sets, config, out=tmp_path / "x.pt")
    for found, wanted in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(found, wanted)
    assert (model.layers[0].connection.gain != 1).all()
    resumed = tiny()
    train(resumed, *sets, config, resume=tmp_path / "x.pt")
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), resumed.parameters(), strict=True)
    )


def test_a_network_that_has_learned_is_not_scaled(rng):
    sets = toy_sets(rng)
    model = tiny()
    config = TrainingConfig(epochs=1, learning_rate=0.01)
    train(model, *sets, config)
    with pytest.raises(ValueError, match=r"layer 'fc1' has learned or was scaled already; leave"):
        train(model, *sets, TrainingConfig(epochs=1, scaled_start=True))


def test_frames_without_an_event_are_refused_by_the_layer():
    with pytest.raises(ValueError, match=r"layer 'fc1': its current is the same for all samples"):
        scale_to_data(tiny(), np.zeros((5, 4, 2, 6, 6), np.uint8))


def test_a_run_without_it_is_the_run_it_was(rng, tmp_path):
    """Not named in older checkpoints, which load, and go on, as before."""
    sets = toy_sets(rng)
    assert TrainingConfig().scaled_start is False
    model, start = tiny(), tiny()
    config = TrainingConfig(epochs=1, optimizer="sgd", learning_rate=1e-30, cosine=False)
    train(model, *sets, config, out=tmp_path / "x.pt")
    for found, wanted in zip(model.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-25, rtol=0)
    older = as_before(tmp_path / "x.pt")
    checkpoint = load_checkpoint(older)
    assert checkpoint.training == config and "silent" not in checkpoint.history[0]
    assert all(torch.equal(checkpoint.model[k], v) for k, v in model.state_dict().items())
    result = train(tiny(), *sets, config, resume=older, log=tmp_path / "x.csv")
    assert result.epochs == 1 and len((tmp_path / "x.csv").read_text().splitlines()) == 2


def as_before(path):
    """The same checkpoint, as it was before there was a scaled start and silent layers."""
    content = torch.load(path, weights_only=True)
    training, history = json.loads(content["training"]), json.loads(content["history"])
    del training["scaled_start"], history[0]["silent"]
    content |= {"training": json.dumps(training), "history": json.dumps(history)}
    file = io.BytesIO()
    torch.save(content, file)
    older = path.with_name("older.pt")
    older.write_bytes(seal(file.getvalue()))
    return older
