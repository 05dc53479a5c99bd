"""Training runs: what is learned, what decides it, and what the command writes and refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from onchip.deploy import load_spec
from onchip.deploy.cli import main as onchip
from onchip.models.config import TrainingConfig
from onchip.models.data.dataset import FrameDataset
from onchip.models.data.load import load_dataset
from onchip.models.tdbn.command_line import main
from onchip.models.tdbn.files import load_network, load_network_and_metadata
from onchip.models.tdbn.networks import TdBNConfig, architecture, build_network
from onchip.models.tdbn.recording import firing_rates, layer_spikes
from onchip.models.tdbn.training import learn_batch, recommended_settings, train_network
from onchip.models.training.evaluation import evaluate
from onchip.network.graph import Network

TINY = {
    "input_shape": (2, 8, 8), "classes": 4, "time_steps": 4, "blocks": (1, 1), "widths": (6, 8),
    "stem_width": 6, "stem_stride": 1, "hidden": (16,),
}  # fmt: skip


def corners(rng, samples):
    """Events in one of four corners, on a noisy ground: the class is the corner."""
    labels = np.arange(samples) % 4
    chance = np.full((samples, 4, 2, 8, 8), 0.05)
    for sample, label in enumerate(labels):
        row, column = divmod(int(label), 2)
        chance[sample, ..., 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 0.5
    frames = (rng.random(chance.shape) < chance).astype(np.uint8)
    return FrameDataset("corners", "random:train", frames, labels, 4)


@pytest.fixture
def sets(rng):
    return corners(rng, 64), corners(rng, 40)


def trained(sets, seed=0, report=lambda line: None, epochs=30, **options):
    settings = {"epochs": epochs, "batch_size": 16, "max_shift": 0}
    network = build_network(TdBNConfig(**{**TINY, **options}), seed)
    config = recommended_settings(**settings, seed=seed)
    return network, train_network(network, *sets, config, report)


@pytest.mark.parametrize("skip", [True, False])
def test_a_network_learns_in_seconds_and_tells_an_epoch_a_line(sets, skip):
    lines = []
    network, result = trained(sets, report=lines.append, skip=skip)
    assert result.accuracy > 0.9
    assert result.history[0]["loss"] > 2 * result.history[-1]["loss"]
    assert len(lines) == len(result.history) == 30
    assert lines[0].startswith("epoch 1/30: loss ")
    predicted = network(torch.from_numpy(sets[1].frames)).sum(1).argmax(1).numpy()
    assert result.accuracy == pytest.approx((predicted == sets[1].labels).mean())
    assert result.rates == firing_rates(network, torch.from_numpy(sets[1].frames))
    assert result.silent == []


def test_every_layer_fires_at_the_start_on_sparse_and_on_dense_frames():
    """With it; without it the same weights are silent on sparse ones. No weight has moved."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(16, 6, 2, 32, 32, generator=generator)
    rates = {}
    for density in (0.02, 0.6):
        for normalization in ("tdbn", "none"):
            config = architecture("resnet", input_shape=(2, 32, 32), normalization=normalization)
            network, frames = build_network(config), noise < density
            with torch.no_grad():
                for _ in range(40):
                    network.learning_outputs(frames)
            rates[normalization, density] = firing_rates(network, frames).values()
    assert min(*rates["tdbn", 0.02], *rates["tdbn", 0.6]) > 0.02, rates
    assert max(rates["tdbn", 0.02]) < 0.4, rates
    assert max(list(rates["none", 0.02])[2:]) < 0.002, rates


@pytest.mark.long
@pytest.mark.timeout(400)
def test_digits_dvs_is_learned_in_six_epochs_and_not_without_normalization():
    train_set, test_set = load_dataset("digits-dvs", split="random", time_steps=6)
    found = {}
    for normalization in ("tdbn", "none"):
        config = architecture("resnet", input_shape=(2, 32, 32), normalization=normalization)
        settings = recommended_settings(epochs=6, max_shift=0)
        network = build_network(config)
        result = train_network(network, train_set, test_set, settings, lambda line: None)
        found[normalization] = result.accuracy
    assert found["tdbn"] >= 0.9, found
    assert found["none"] < 0.2, found


def test_an_update_is_that_of_the_mean_output_and_the_optimizer(sets):
    """Against SGD by hand; the loss is the cross entropy of the mean over the steps."""
    network, twin = (build_network(TdBNConfig(**TINY), 2) for _ in range(2))
    frames, labels = (torch.from_numpy(a[:8]) for a in (sets[0].frames, sets[0].labels))
    loss = F.cross_entropy(twin.learning_outputs(frames).mean(1), labels)
    gradients = torch.autograd.grad(loss, list(twin.parameters()))
    targets = F.one_hot(labels, 4).float()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
    own, right = learn_batch(network, optimizer, frames, targets)
    assert own == pytest.approx(float(loss.detach()), rel=1e-6)
    assert 0 <= right <= 8
    for new, old, g in zip(network.parameters(), twin.parameters(), gradients, strict=True):
        torch.testing.assert_close(new.detach(), old.detach() - 0.3 * g)


def test_a_large_gradient_is_clipped_to_its_norm(sets):
    network, twin = (build_network(TdBNConfig(**TINY), 2) for _ in range(2))
    frames = torch.from_numpy(sets[0].frames[:8])
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    learn_batch(network, optimizer, frames, torch.eye(4)[[0, 1, 2, 3] * 2], grad_clip=1e-3)
    pairs = zip(network.parameters(), twin.parameters(), strict=True)
    moved = sum(float((a - b).detach().square().sum()) for a, b in pairs) ** 0.5
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_a_seed_decides_a_run(sets):
    def history(seed):
        settings = recommended_settings(epochs=2, batch_size=16, seed=seed)
        network = build_network(TdBNConfig(**TINY), seed)
        found = train_network(network, *sets, settings, lambda line: None).history
        return [{k: v for k, v in entry.items() if k != "seconds"} for entry in found]

    assert history(1) == history(1)
    assert history(2) != history(1)


def test_silent_layers_are_named(sets):
    network, _ = trained(sets, epochs=2)
    with torch.no_grad():
        network.features[1].inner.neuron = TdBNConfig(**{**TINY, "v_threshold": 1e6}).neuron()
    settings = recommended_settings(epochs=1, batch_size=64, learning_rate=1e-9)
    result = train_network(network, *sets, settings, lambda line: None)
    assert result.silent[:1] == ["block1.inner"]
    spikes = layer_spikes(network, torch.from_numpy(sets[1].frames))
    assert float(spikes["block1.inner"].max()) == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TrainingConfig(method="ottt_a"), "method is 'ottt_a'; tdBN's statistics are over all st"),
        (TrainingConfig(method="bptt", autocast="bf16"), "neither autocast nor compiled"),
    ],
)
def test_settings_that_tdbn_has_not_got_are_refused(sets, config, message):
    with pytest.raises(ValueError, match=message):
        train_network(build_network(TdBNConfig(**TINY)), *sets, config)


def test_data_of_another_shape_are_refused(sets):
    network = build_network(TdBNConfig(**{**TINY, "time_steps": 5}))
    with pytest.raises(ValueError, match=r"training data: one sample has shape \(4, 2, 8, 8\), th"):
        train_network(network, *sets, recommended_settings())


def test_a_loss_that_is_not_finite_ends_the_run(sets):
    network = build_network(TdBNConfig(**TINY))
    frames = np.full(sets[0].frames.shape, 1e38, np.float32)
    blown = FrameDataset("bright", "random:train", frames, sets[0].labels, 4)
    settings = recommended_settings(epochs=5)
    with pytest.raises(
        FloatingPointError, match=r"running_var is not finite in epoch 1 of 5; lowe"
    ):
        train_network(network, blown, sets[1], settings, lambda line: None)


# -- the command ----------------------------------------------------------------------------------

SHORT = ["--limit", "40", "--epochs", "2", "--network-options"]
SHORT += ['{"widths": [4, 5], "blocks": [1, 1], "stem_width": 4}']


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_what_it_did(workplace, capsys):
    words = [*SHORT, "--seed", "3", "--lr", "0.02", "--out", "net.pt", "--json", "run.json"]
    assert main(words) == 0
    written = json.loads((workplace / "run.json").read_text())
    assert written["command"].startswith("python -m onchip.models.tdbn --limit 40")
    assert written["network"]["widths"] == [4, 5]
    assert written["network"]["time_steps"] == 6
    assert written["training"]["learning_rate"] == 0.02
    assert written["training"]["seed"] == 3
    assert (written["data"]["dataset"], written["data"]["split"]) == ("digits-dvs", "random")
    assert len(written["history"]) == 2
    assert written["accuracy"] == written["history"][-1]["test_accuracy"]
    assert set(written["rates"]) == {"stem", "block1.inner", "block1", "block2.inner", "block2",
                                     "fc1"}  # fmt: skip
    network, metadata = load_network_and_metadata(workplace / "net.pt")
    assert sum(p.numel() for p in network.parameters()) == written["parameters"]
    assert metadata["framing"] == {"time_steps": 6, "by": "time", "binary": True, "size": None}
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "training resnet on 40 samples, 2 epochs"
    assert printed[1].startswith("epoch 1/2: loss ")
    assert printed[-1] == f"test accuracy {written['accuracy']:.4f} after 2 epochs: net.pt"


def test_what_ends_a_run_leaves_the_last_whole_epoch(workplace, capsys, monkeypatch):
    evaluated = []

    def once(*args):
        evaluated.append(1)
        if len(evaluated) > 1:
            raise KeyboardInterrupt
        return evaluate(*args)

    monkeypatch.setattr("onchip.models.tdbn.training.evaluate", once)
    assert main([*SHORT, "--out", "net.pt"]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("interrupted; net.pt holds the network after 1 of 2 epochs")
    network, metadata = load_network_and_metadata(workplace / "net.pt")
    assert metadata["epochs"] == 1
    assert network.config.widths == (4, 5)


def test_the_module_runs_as_a_program(workplace):
    command = [sys.executable, "-m", "onchip.models.tdbn", *SHORT, "--network", "plain"]
    command += ["--normalization", "bias", "--out", "net.pt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    config = load_network(workplace / "net.pt").config
    assert (config.skip, config.normalization) == (False, "bias")


def test_a_trained_plain_network_is_exported_by_its_file(workplace, capsys):
    assert main([*SHORT, "--network", "plain", "--out", "net.pt"]) == 0
    assert onchip(["export", "net.pt", "--out", "net.h5", "--plastic", "fc1,readout"]) == 0
    spec = load_spec(workplace / "net.h5")
    assert [layer.name for layer in spec.layers][-2:] == ["fc1", "readout"]
    assert spec.plastic_names == ("fc1", "readout")
    assert (spec.metadata["dataset"], spec.metadata["split"]) == ("digits-dvs", "random")
    assert onchip(["evaluate", "net.h5", "--limit", "20"]) == 0
    capsys.readouterr()


def test_a_residual_networks_file_is_exported_as_a_graph(workplace):
    assert main([*SHORT, "--out", "net.pt"]) == 0
    assert onchip(["export", "net.pt", "--out", "net.h5"]) == 0
    spec = load_spec(workplace / "net.h5")
    assert isinstance(spec, Network)
    reads = [sum(c.target == p.name for c in spec.connections) for p in spec.populations]
    assert max(reads) > 2, "no population reads a sum"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "vgg"], "network 'vgg' is unknown; choose one of resnet, plain, resnet19"),
        (["--normalization", "layer"], "'layer' is unknown; choose one of tdbn, bias, none"),
        (["--dataset", "mnist"], "dataset 'mnist' is unknown; valid: digits-dvs"),
        (["--split", "other"], "digits-dvs: split 'other' is unknown; valid: random, contiguous"),
        (["--lr", "0"], "learning_rate is 0.0; it must lie in (0, 1000000.0]"),
        (["--optimizer", "lion"], "optimizer 'lion' is unknown; choose one of "),
        (["--seed", "-1"], "seed is -1; it must be an integer >= 0"),
        (["--json", "missing/run.json"], "folder missing does not exist; make it first"),
        (["--out", "missing/net.pt"], "folder missing does not exist; make it first"),
        (["--out", "a", "--json", "a"], "--out and --json both name a; name two files"),
        (["--network-options", '{"time_steps": 3}'], "field 'time_steps' is unknown; choose one"),
        (["--network-options", '{"v_threshold": 0}'], "v_threshold is 0; it must lie in (0,"),
        (["--network-options", '{"widths": [4]}'], "must have one entry each for every stage"),
        (["--network-options", '{"skip": 1}'], "skip is 1; it must be true or false"),
        (["--network-options", '{"decay": "slow"}'], "decay is 'slow'; it must lie in (0, 1]"),
    ],
)
def test_bad_input_costs_one_line_and_no_work(options, message, workplace, capsys):
    assert main(options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("onchip.models.tdbn: error: ")
    assert message in line
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("options", [["--network-options", "[1]"], ["--network-options", "{"],
                                     ["--epochs", "0"]])  # fmt: skip
def test_words_that_are_no_option_end_with_the_usage(options, workplace, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert "error: argument" in capsys.readouterr().err
