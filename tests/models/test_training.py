"""Training runs: they learn, resume to the identical result, and refuse what does not fit."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onchip import Engine
from onchip.models.architectures.table import build_model
from onchip.models.config import OPTIMIZERS, TrainingConfig, make_optimizer
from onchip.models.data.augmentation import distort_frames, shift_frames
from onchip.models.description import describe_model
from onchip.models.training.batches import epoch_batches
from onchip.models.training.checkpoint import load_checkpoint
from onchip.models.training.evaluation import evaluate
from onchip.models.training.training import train

SHAPE = {"input_shape": (2, 6, 6), "classes": 3, "time_steps": 4}


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


def tiny(seed=0, **options):
    return build_model("mlp", seed=seed, hidden=(16,), weight_gain=2.0, **SHAPE, **options)


@pytest.mark.parametrize(
    ("method", "feedback"),
    [("bptt", "exact")]
    + [(m, f) for m in ("ottt_a", "ottt_o") for f in ("exact", "symmetric", "random", "direct")],
)
def test_every_method_and_feedback_learns_a_simple_task(toy, method, feedback):
    rate = 2e-3 if method == "ottt_o" else 1e-2
    config = TrainingConfig(
        method=method, feedback=feedback, epochs=8, batch_size=10, learning_rate=rate
    )
    model = tiny()
    assert evaluate(model, toy[1]) < 0.8
    result = train(model, *toy, config)
    assert result.accuracy == evaluate(model, toy[1]) >= 0.9
    assert result.epochs == len(result.history) == 8
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert result.peak_memory_bytes > 2**20


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(epochs=4, batch_size=7, max_shift=1, feedback="random"),
        TrainingConfig(method="ottt_o", epochs=4, batch_size=7, optimizer="sgd", update_delay=1),
        TrainingConfig(epochs=4, batch_size=16, feedback="symmetric", optimizer="rmsprop"),
        TrainingConfig(method="bptt", epochs=4, batch_size=16, grad_clip=0.1),
    ],
    ids=lambda c: f"{c.method}-{c.feedback}-{c.optimizer}",
)
def test_a_resumed_run_gives_the_identical_network(toy, tmp_path, monkeypatch, config):
    whole, stopped = tiny(), tiny()
    expected = train(whole, *toy, config)
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, *toy, config, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    torch.rand(5)  # whatever happened in between must not matter
    resumed = tiny(seed=99)
    found = train(resumed, *toy, config, resume=tmp_path / "last.pt")
    for ours, theirs in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    without_time = [{k: v for k, v in e.items() if k != "seconds"} for e in found.history]
    assert without_time == [
        {k: v for k, v in e.items() if k != "seconds"} for e in expected.history
    ]
    assert not torch.equal(next(stopped.parameters()), next(resumed.parameters()))


def interrupt_after(monkeypatch, epochs):
    """Ctrl-C in the middle of the epoch after `epochs`."""
    from onchip.models.training import run

    def interrupted(dataset, config, epoch, processes):
        for index, batch in enumerate(epoch_batches(dataset, config, epoch, processes)):
            if epoch == epochs and index == 1:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(run, "epoch_batches", interrupted)


def test_a_checkpoint_rebuilds_its_network(toy, tmp_path):
    model = tiny(surrogate="triangle", decay=0.7)
    train(model, *toy, TrainingConfig(epochs=2), checkpoint_dir=tmp_path, metadata={"split": "toy"})
    checkpoint = load_checkpoint(tmp_path / "last.pt")
    rebuilt = checkpoint.build()
    frames = torch.from_numpy(toy[1].frames)
    assert torch.equal(rebuilt(frames), model(frames))
    assert checkpoint.metadata == {"split": "toy"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.pt", "last.pt"]


def test_the_best_checkpoint_is_that_of_the_best_epoch(toy, tmp_path):
    config = TrainingConfig(epochs=5, batch_size=30, learning_rate=3e-2, cosine=False)
    result = train(tiny(), *toy, config, checkpoint_dir=tmp_path)
    best = load_checkpoint(tmp_path / "best.pt")
    accuracies = [entry["test_accuracy"] for entry in result.history]
    assert best.epoch == 1 + accuracies.index(max(accuracies))
    assert evaluate(best.build(), toy[1]) == max(accuracies)


def one_line(error):
    return "\n" not in str(error.value) and str(error.value)


def test_a_checkpoint_of_another_architecture_is_refused_in_one_line(toy, tmp_path):
    config = TrainingConfig(epochs=1)
    train(tiny(), *toy, config, checkpoint_dir=tmp_path)
    others = [tiny(recurrent=True), build_model("convnet", pools=(1, 1, 1), **SHAPE)]
    for other in others:
        with pytest.raises(ValueError, match=r"it holds mlp\(.*but the model is") as error:
            train(other, *toy, config, resume=tmp_path / "last.pt")
        assert one_line(error)


def test_a_checkpoint_of_another_run_is_refused(toy, tmp_path):
    config = TrainingConfig(epochs=1)
    train(tiny(), *toy, config, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="other values of learning_rate") as error:
        train(tiny(), *toy, replace(config, learning_rate=0.5), resume=tmp_path / "last.pt")
    assert one_line(error)


def test_files_that_are_no_checkpoints_are_refused(tmp_path, toy):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_checkpoint(tmp_path / "none.pt")
    train(tiny(), *toy, TrainingConfig(epochs=1), checkpoint_dir=tmp_path)
    whole = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "pops.pt").write_text("a.b")  # the unpickler pops from an empty stack
    (tmp_path / "short.pt").write_bytes(b"r")  # it unpacks four bytes of none
    torch.save({"weights": torch.zeros(3)}, tmp_path / "foreign.pt")
    torch.save({"object": SimpleNamespace(code=1)}, tmp_path / "object.pt")
    for name in ("half", "text", "pops", "short", "foreign", "object"):
        with pytest.raises(ValueError, match="not a whole onchip-checkpoint file") as error:
            load_checkpoint(tmp_path / f"{name}.pt")
        assert one_line(error)


def test_a_checkpoint_from_the_future_is_refused(toy, tmp_path):
    train(tiny(), *toy, TrainingConfig(epochs=1), checkpoint_dir=tmp_path)
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save({**content, "version": 99}, tmp_path / "new.pt")
    with pytest.raises(ValueError, match="its version is 99"):
        load_checkpoint(tmp_path / "new.pt")


def test_data_that_do_not_fit_are_refused_before_training(toy):
    train_set, test_set = toy
    short = SimpleNamespace(**{**vars(train_set), "frames": train_set.frames[:, :3]})
    with pytest.raises(ValueError, match=r"training data: one sample has shape \(3, 2, 6, 6\)"):
        train(tiny(), short, test_set)
    labels = test_set.labels.copy()
    labels[4] = 3
    wrong = SimpleNamespace(**{**vars(test_set), "labels": labels})
    with pytest.raises(ValueError, match="test data: label 3 is out of range"):
        train(tiny(), train_set, wrong)
    empty = SimpleNamespace(frames=test_set.frames[:0], labels=labels[:0], classes=3)
    with pytest.raises(ValueError, match="test data: it has no samples"):
        train(tiny(), train_set, empty)


def test_a_diverging_run_says_what_to_do(toy):
    config = TrainingConfig(optimizer="sgd", learning_rate=1e6, epochs=9, mse_weight=1.0)
    with pytest.raises(
        ValueError, match=r"is NaN or infinite in epoch \d; lower the learning rate"
    ):
        train(tiny(), *toy, config)


def test_a_parameter_that_is_not_a_number_is_named(toy):
    model = tiny()
    with torch.no_grad():
        model.layers[-1].connection.bias[1] = float("inf")
    with pytest.raises(
        ValueError, match="layer 'readout': bias is NaN or infinite before training"
    ):
        train(model, *toy, TrainingConfig(epochs=1))


def test_the_same_seed_gives_the_same_run_and_another_one_does_not(toy):
    def weights(seed):
        model = tiny()
        train(model, *toy, TrainingConfig(epochs=1, batch_size=8, max_shift=1, seed=seed))
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_shifted_frames_are_moved_with_zeros_coming_in(rng):
    frames = rng.integers(1, 9, (3, 2, 1, 5, 4)).astype(np.uint8)
    shifts = np.array([[0, 0], [2, -1], [-5, 1]])
    found = shift_frames(frames, shifts)
    for sample, (down, right) in enumerate(shifts):
        for row in range(5):
            for column in range(4):
                y, x = row - down, column - right
                inside = 0 <= y < 5 and 0 <= x < 4
                expected = frames[sample, :, :, y, x] if inside else 0
                np.testing.assert_array_equal(found[sample, :, :, row, column], expected)


def test_a_quarter_turn_is_that_of_numpy_and_no_distortion_changes_nothing(rng):
    frames = rng.integers(0, 9, (2, 3, 1, 6, 6)).astype(np.uint8)
    quarter = SimpleNamespace(uniform=lambda low, high, size=None: high if size is None else 1.0)
    found = distort_frames(frames, 90.0, 0.2, quarter)
    turned = [np.rot90(frames, k, axes=(-2, -1)) for k in (1, 3)]
    assert any(np.array_equal(found, expected) for expected in turned)
    np.testing.assert_array_equal(distort_frames(frames, 0.0, 0.0, rng), frames)


def test_zooming_in_enlarges_about_the_centre():
    frames = np.zeros((1, 1, 1, 9, 9), np.uint8)
    frames[..., 3:6, 3:6] = 1
    double = SimpleNamespace(uniform=lambda low, high, size=None: 0.0 if size is None else high)
    found = distort_frames(frames, 0.0, 0.9, double)
    expected = np.zeros_like(frames)
    expected[..., 2:7, 2:7] = 1  # |(row - 4) / 1.9| rounds to at most 1
    np.testing.assert_array_equal(found, expected)


def test_an_epoch_visits_every_sample_once_in_a_new_order(toy):
    orders = [
        np.concatenate([frames.reshape(len(frames), -1) for frames, _ in batches])
        for batches in (epoch_batches(toy[0], TrainingConfig(batch_size=7), e) for e in (0, 1))
    ]
    everything = toy[0].frames.reshape(60, -1)
    for order in orders:
        assert sorted(map(bytes, order)) == sorted(map(bytes, everything))
    assert not np.array_equal(orders[0], orders[1])


def test_the_learning_rate_falls_along_half_a_cosine(toy, monkeypatch):
    rates = []
    original = torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD,
        "step",
        lambda self, *a: (rates.append(self.param_groups[0]["lr"]), original(self, *a))[1],
    )
    train(tiny(), *toy, TrainingConfig(optimizer="sgd", epochs=2, batch_size=30, learning_rate=0.4))
    expected = [0.2 * (1 + np.cos(np.pi * k / 4)) for k in range(4)]
    np.testing.assert_allclose(rates, expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_offered_optimizer_can_take_a_step(name):
    weight = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = make_optimizer(TrainingConfig(optimizer=name, learning_rate=0.1), [weight])
    weight.grad = torch.ones(3, 2)
    optimizer.step()
    assert float(weight.detach().max()) < 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "ottt"}, "choose one of ottt_a, ottt_o, bptt"),
        ({"optimizer": "adamm"}, "adam, "),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"feedback": "random", "method": "bptt"}, "method 'bptt' needs 'exact'"),
        ({"update_delay": 1}, "update_delay is for method 'ottt_o'"),
        ({"mse_weight": 1.5}, "mse_weight is 1.5"),
    ],
)
def test_bad_training_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lenet", {}, "'lenet' is unknown; choose one of mlp, convnet"),
        ("mlp", {"hiden": (3,)}, "'hiden' is unknown; choose one of"),
        ("mlp", {"hidden": (0,)}, "hidden is"),
        ("mlp", {"readout": "mean"}, "choose one of leaky, linear, lif"),
        ("mlp", {"decay": 1.5}, "decay is 1.5"),
        ("mlp", {"surrogate": "step"}, "choose one of sigmoid, rectangle"),
        ("convnet", {"pools": (2, 2, 2)}, "must end in 1"),
        ("convnet", {"strides": (1, 1)}, "one entry for each"),
        ("convnet", {"kernels": (2, 3, 3)}, "must be odd"),
        ("convnet", {"pools": (7, 1, 1)}, "does not divide"),
    ],
)
def test_bad_architectures_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        build_model(name, **{**SHAPE, **options})


@pytest.mark.parametrize("side", [32, 34, 48])
def test_the_convnet_s_default_fits_the_usual_frames(side, rng):
    model = build_model("convnet", input_shape=(2, side, side), classes=4, time_steps=2).double()
    with torch.no_grad():
        for layer in model.layers[:-1]:
            layer.connection.gain.mul_(3)  # so that spikes reach the last layer
    frames = (rng.random((2, 2, 2, side, side)) < 0.4).astype(np.uint8)
    expected = model(torch.from_numpy(frames)).numpy()
    outputs = Engine(describe_model(model)).run(frames)
    np.testing.assert_allclose(outputs, expected, atol=1e-12)
    assert abs(outputs).max() > 0.1


def test_building_a_model_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = build_model("mlp", seed=1, **SHAPE)
    assert torch.equal(torch.rand(4), expected)
    again, other = build_model("mlp", seed=1, **SHAPE), build_model("mlp", seed=2, **SHAPE)
    assert torch.equal(first.layers[0].connection.weight, again.layers[0].connection.weight)
    assert not torch.equal(first.layers[0].connection.weight, other.layers[0].connection.weight)


def test_an_epoch_that_spoiled_the_weights_does_not_replace_the_last_good_one(
    toy, tmp_path, monkeypatch
):
    """NaN may be in the weights while the loss is finite: an update comes after its loss."""
    from onchip.models.training import run

    honest = run.Run.learn

    def learn(self, *rest):
        found = honest(self, *rest)
        if self.epoch == 1:
            with torch.no_grad():
                self.model.layers[0].connection.weight[0, 0] = float("nan")
        return found

    monkeypatch.setattr(run.Run, "learn", learn)
    with pytest.raises(ValueError, match=r"layer 'fc1': weight is NaN or infinite in epoch 2; low"):
        train(tiny(), *toy, TrainingConfig(epochs=3), out=tmp_path / "x.pt")
    kept = load_checkpoint(tmp_path / "x.pt")
    assert kept.epoch == 1 and all(torch.isfinite(w).all() for w in kept.model.values())


def test_what_a_run_writes_is_tried_before_the_first_epoch(toy, tmp_path, monkeypatch):
    from onchip.models.training import run

    monkeypatch.setattr(run, "epoch_batches", None)
    (tmp_path / "file").write_text("")
    for options in (
        {"out": tmp_path / "x" / ("a" * 300)},
        {"out": tmp_path / "x.pt", "log": tmp_path / "file" / "log.csv"},
        {"checkpoint_dir": tmp_path / "file"},
        {"out": tmp_path / "x.pt", "log": tmp_path / "x.pt"},
        {"out": tmp_path / "x.pt", "log": tmp_path / "x.best.pt"},
        {"out": tmp_path / f"{'a' * 250}.pt"},  # the best one's name is longer
    ):
        with pytest.raises((OSError, ValueError), match=r"a{250}|file|x\.pt|x\.best\.pt"):
            train(tiny(), *toy, TrainingConfig(epochs=1), **options)
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "x"}


def test_a_resumed_run_leaves_what_it_resumed_from_before_its_first_epoch(
    toy, tmp_path, monkeypatch
):
    train(tiny(), *toy, TrainingConfig(epochs=3), out=tmp_path / "a.pt")
    from onchip.models.training import run

    heard = []
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), *toy, TrainingConfig(epochs=3), out=tmp_path / "b.pt", saved=heard.append)
    assert heard == [1, 2]
    with pytest.raises(KeyboardInterrupt):
        options = {"resume": tmp_path / "b.pt", "saved": heard.append}
        train(tiny(), *toy, TrainingConfig(epochs=3), out=tmp_path / "c.pt", **options)
    assert heard == [1, 2, 2] and load_checkpoint(tmp_path / "c.pt").epoch == 2
    assert run.epoch_batches is not epoch_batches
