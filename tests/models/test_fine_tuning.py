"""Fine-tuning on the integers' grid: torch sees what the chip holds, and the gradient passes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onchip import Engine
from onchip.deploy.quantization.network import quantize
from onchip.models.architectures.table import build_model
from onchip.models.config import TrainingConfig
from onchip.models.description import describe_model
from onchip.models.training.checkpoint import load_checkpoint
from onchip.models.training.evaluation import evaluate
from onchip.models.training.fake_quantization import WeightGrid, put_on_grid, take_off_grid
from onchip.models.training.feedback import Feedback
from onchip.models.training.fine_tuning import RATE_SHARE, fine_tune, fine_tuning_config
from onchip.models.training.training import train
from onchip.models.training.updates import Learner, ottt_a

SHAPE = {"input_shape": (2, 6, 6), "classes": 3, "time_steps": 4}


@pytest.fixture(params=["convnet", "recurrent", "plain"])
def model(request, make_convnet, make_mlp):
    """Pools and scaled, standardised weights; recurrence; nothing of it."""
    if request.param == "convnet":
        return make_convnet()
    if request.param == "recurrent":
        return make_mlp(recurrent=True, normalised=True, output_scale=2.74)
    return make_mlp()


@pytest.fixture
def toy(rng):
    """Three classes, each with its own noisy pattern of spikes."""
    patterns = rng.random((3, 4, 2, 6, 6)) < 0.4

    def make(samples):
        labels = np.arange(samples, dtype=np.int64) % 3
        flips = rng.random((samples, 4, 2, 6, 6)) < 0.08
        frames = (patterns[labels] ^ flips).astype(np.uint8)
        return SimpleNamespace(frames=frames, labels=labels, classes=3)

    return make(60), make(30)


@pytest.fixture
def trained(toy):
    model = build_model("mlp", hidden=(16,), weight_gain=2.0, **SHAPE)
    config = TrainingConfig(epochs=6, batch_size=10, learning_rate=1e-2)
    train(model, *toy, config)
    return model, config


def steps_of(fixed):
    return {layer.name: layer.weight_step for layer in fixed.layers}


def coarser(spec, times):
    """The quantization of `spec` on a grid that is `times` as coarse."""
    fixed = quantize(spec)
    layers = tuple(
        replace(layer, membrane_unit=times * layer.membrane_unit) for layer in fixed.layers
    )
    return quantize(spec, like=replace(fixed, layers=layers))


def test_weights_go_to_the_nearest_level_ties_to_even_and_clip_at_127_levels():
    weight = torch.tensor([0.2, 0.25, 0.3, 0.75, -0.75, 63.7, 63.8, -90.0])
    expected = torch.tensor([0.0, 0.0, 0.5, 1.0, -1.0, 63.5, 63.5, -63.5])
    assert torch.equal(WeightGrid(0.5)(weight), expected)


def test_the_gradient_passes_straight_through_and_is_zero_where_clipped():
    weight = torch.tensor([0.2, -0.3, 63.7, 63.8, -90.0], requires_grad=True)
    slopes = torch.tensor([1.0, -2.0, 3.0, 4.0, 5.0])
    (slopes * WeightGrid(0.5)(weight)).sum().backward()
    assert torch.equal(weight.grad, torch.tensor([1.0, -2.0, 3.0, 0.0, 0.0]))


def test_the_forward_pass_on_the_grid_is_that_of_the_dequantized_integers(model, make_batch):
    spec = describe_model(model)
    fixed = coarser(spec, 4)
    frames, _ = make_batch(model, 4)
    put_on_grid(model, steps_of(fixed))
    layers = []
    for layer, integers in zip(spec.layers, fixed.layers, strict=True):
        found = {"weight": integers.weight * integers.weight_step}
        if integers.recurrent_weight is not None:
            found["recurrent_weight"] = integers.recurrent_weight * integers.weight_step
        layers.append(replace(layer, **found))
    expected = Engine(replace(spec, layers=tuple(layers))).run(frames.numpy())
    assert not np.allclose(Engine(spec).run(frames.numpy()), expected, rtol=1e-3)
    np.testing.assert_allclose(model(frames).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_grid_that_forgets_scale_and_pool_is_not_the_integers(make_convnet):
    model = make_convnet()
    fixed = quantize(describe_model(model))
    put_on_grid(model, steps_of(fixed))
    model.layers[1].connection.weight_transform = WeightGrid(2 * fixed.layers[1].weight_step)
    weights = [layer.weight / step for layer, step in zip_steps(describe_model(model), fixed)]
    off_grid = [float(np.abs(w / 2 - np.rint(w / 2)).max()) for w in weights]
    assert off_grid[1] > 0.2
    assert max(off_grid[:1] + off_grid[2:]) < 1e-4


def zip_steps(spec, fixed):
    return [(a, b.weight_step) for a, b in zip(spec.layers, fixed.layers, strict=True)]


def test_the_parameters_learn_from_the_gradient_at_the_rounded_weights(make_mlp, make_batch):
    on_grid, rounded = make_mlp(), make_mlp()
    fixed = coarser(describe_model(on_grid), 4)
    put_on_grid(on_grid, steps_of(fixed))
    with torch.no_grad():
        for layer, integers in zip(rounded.layers, fixed.layers, strict=True):
            layer.connection.weight.copy_(torch.tensor(integers.weight * integers.weight_step))
    frames, targets = make_batch(on_grid)
    before = [p.detach().clone() for p in on_grid.parameters()]
    moved = []
    for model in (on_grid, rounded):
        start = [p.detach().clone() for p in model.parameters()]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        ottt_a(Learner(model, optimizer, Feedback(model, "exact")), frames, targets)
        moved.append([p.detach() - b for p, b in zip(model.parameters(), start, strict=True)])
    clipped = np.abs(before[0].numpy()) > 255 * fixed.layers[0].weight_step
    moved[1][0][torch.tensor(clipped)] = 0
    for ours, theirs in zip(*moved, strict=True):
        assert theirs.abs().max() > 1e-4
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


def test_quantizing_like_before_gives_the_integers_that_were_trained(toy, trained):
    model, config = trained
    fixed = quantize(describe_model(model))
    start = [p.detach().clone() for p in model.parameters()]
    fine_tune(model, *toy, fine_tuning_config(config, 2, 1e-3), steps_of(fixed))
    again = quantize(describe_model(model), like=fixed)
    for layer, integers, earlier in zip(model.layers, again.layers, fixed.layers, strict=True):
        fold = 2.74 if layer.name == "readout" else 1.0
        seen = layer.connection.plain_weight().detach().double().numpy() * fold
        np.testing.assert_allclose(seen / earlier.weight_step, integers.weight, atol=1e-3)
        assert not np.any(integers.weight % 2)
        assert integers.weight_step == earlier.weight_step
        assert integers.neuron == earlier.neuron
    pairs = zip(again.layers, fixed.layers, strict=True)
    assert any(np.any(layer.weight != earlier.weight) for layer, earlier in pairs)
    assert not all(map(torch.equal, start, model.parameters()))


def test_a_new_search_for_the_scale_would_move_the_grid(toy, trained):
    model, config = trained
    like = coarser(describe_model(model), 8)
    fine_tune(model, *toy, fine_tuning_config(config), steps_of(like))
    again, searched = quantize(describe_model(model), like=like), quantize(describe_model(model))
    assert steps_of(again) == steps_of(like)
    assert steps_of(searched)["fc1"] < 0.5 * steps_of(like)["fc1"]


def test_scales_of_another_network_are_refused(trained, make_convnet):
    other = quantize(describe_model(make_convnet()))
    with pytest.raises(ValueError, match=r"layer 'conv1': the earlier .*fc1, readout"):
        quantize(describe_model(make_convnet()), like=quantize(describe_model(trained[0])))
    spec = describe_model(trained[0])
    renamed = replace(spec.layers[0], name="readout2"), spec.layers[1]
    with pytest.raises(ValueError, match="layer 'readout2': the earlier quantization"):
        quantize(replace(spec, layers=renamed), like=other)


def test_fine_tuning_wins_back_what_a_coarse_grid_lost(toy, trained):
    model, config = trained
    before = evaluate(model, toy[1])
    steps = steps_of(coarser(describe_model(model), 160))
    put_on_grid(model, steps)
    coarse = evaluate(model, toy[1])
    result = fine_tune(model, *toy, fine_tuning_config(config, 10, 1e-2), steps)
    assert before >= 0.9 and coarse <= 0.5
    assert result.accuracy == evaluate(model, toy[1]) >= 0.9


def test_a_checkpoint_keeps_the_parameters_and_not_the_grid(toy, trained, tmp_path):
    model, config = trained
    frames = torch.from_numpy(toy[1].frames)
    expected = model(frames)
    names = model.state_dict().keys()
    put_on_grid(model, steps_of(coarser(describe_model(model), 16)))
    assert model.state_dict().keys() == names
    assert not torch.equal(model(frames), expected)
    take_off_grid(model)
    assert torch.equal(model(frames), expected)
    put_on_grid(model, steps_of(coarser(describe_model(model), 16)))
    train(model, *toy, fine_tuning_config(config), checkpoint_dir=tmp_path)
    loaded = load_checkpoint(tmp_path / "last.pt").build()
    take_off_grid(model)
    assert torch.equal(loaded(frames), model(frames))


def test_the_settings_are_those_of_the_training_but_for_epochs_and_rate():
    training = TrainingConfig(method="ottt_o", epochs=9, learning_rate=2e-3, max_shift=2, seed=4)
    config = fine_tuning_config(training, 2)
    assert config.learning_rate == pytest.approx(RATE_SHARE * 2e-3)
    assert replace(config, epochs=9, learning_rate=2e-3) == training and config.epochs == 2
    assert fine_tuning_config(training, 1, 7e-5).learning_rate == 7e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc1": None}, "layer 'fc1': it has no weight step"),
        ({"fc9": 0.1}, "weight steps: layer"),
        ({"readout": 0.0}, "layer 'readout': weight step"),
    ],
)
def test_steps_that_do_not_fit_the_network_are_refused(trained, change, message):
    steps = {"fc1": 0.01, "readout": 0.01} | change
    with pytest.raises(ValueError, match=message):
        put_on_grid(trained[0], {name: s for name, s in steps.items() if s is not None})


VGGF = {"channels": (4, 4, "P", 6, 6)}
RESNET = {"blocks": (1, 1), "widths": (4, 6), "stem_kernel": 3, "stem_stride": 1, "stem_pool": 1}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vggf", VGGF, "layer 'feedback': cannot put on the integers' grid the connection from"),
        ("resnet34", RESNET, "layer 'block1': cannot put on the integers' grid ResidualBlock"),
    ],
)
def test_networks_without_integers_are_refused_untouched_and_by_name(name, options, message, toy):
    model = build_model(name, input_shape=(2, 6, 6), classes=3, time_steps=4, **options)
    steps = {layer.name: 0.01 for layer in model.layers}
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=message):
        fine_tune(model, *toy, TrainingConfig(epochs=1), steps)
    for module in model.modules():
        assert getattr(module, "weight_transform", None) is None
    assert all(map(torch.equal, before, model.parameters()))
    take_off_grid(model)


def test_a_grid_shows_in_every_connection_of_a_vgg_and_goes_again(toy):
    options = {"channels": (4, 6, "P", 6), "dropout": 0.1, "weight_gain": 2.0}
    model = build_model("vgg", input_shape=(2, 6, 6), classes=3, time_steps=4, **options)
    fixed = coarser(describe_model(model), 4)
    result = fine_tune(model, *toy, TrainingConfig(epochs=1, batch_size=10), steps_of(fixed))
    assert np.isfinite(result.history[0]["loss"])
    again = quantize(describe_model(model), like=fixed)
    for (layer, step), integers in zip(
        zip_steps(describe_model(model), fixed), again.layers, strict=True
    ):
        levels = layer.weight / (2 * step)
        assert np.abs(levels - np.rint(levels)).max() < 1e-3
        assert np.abs(layer.weight - integers.weight * step).max() < 1e-3 * step
    take_off_grid(model)
    assert all(layer.connection.weight_transform is None for layer in model.layers)
