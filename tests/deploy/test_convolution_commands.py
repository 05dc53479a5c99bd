"""Convolutions by the command line: learning ones in Lava, frozen ones there, unrolled ones."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onchip.deploy import load_spec
from onchip.deploy.backends.table import BACKENDS, build, in_lava
from onchip.deploy.cli import main
from onchip.models import TrainingConfig, build_model, train
from onchip.network.local import LocalConvolution

STEPS, SIZE, CLASSES = 3, 16, 10
DATA = ["--limit", "40"]
LAYERED = ("lava", "lava-fast")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small network of convolutions, trained a little on the sensor's digits."""
    folder = tmp_path_factory.mktemp("convolutions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        model = build_model(
            "convnet", input_shape=(2, SIZE, SIZE), classes=CLASSES, time_steps=STEPS, seed=0
        )
        with torch.no_grad():  # so that every layer fires
            for parameter in model.parameters():
                parameter += 0.3 * (parameter.ndim == 1)
        images = np.random.default_rng(0).random((20, STEPS, 2, SIZE, SIZE)) < 0.3
        labels = np.arange(20) % CLASSES
        framing = {"time_steps": STEPS, "by": "time", "binary": True, "size": SIZE}
        data = SimpleNamespace(frames=images.astype(np.uint8), labels=labels, classes=CLASSES)
        config = TrainingConfig(epochs=1)
        metadata = {"dataset": "digits-dvs", "split": "random", "seed": 3, "framing": framing}
        train(model, data, data, config, out=folder / "model.pt", metadata=metadata, progress=False)
        yield folder / "model.pt"


@pytest.fixture(scope="module")
def learning(checkpoint):
    """The network file whose convolutions learn."""
    out = checkpoint.parent / "network.h5"
    words = ["export", str(checkpoint), "--out", str(out), "--learning-rate", "0.02"]
    assert main([*words, "--plastic", "conv1,conv2,fc1,readout", "--feedback", "symmetric"]) == 0
    return out


def weights(path):
    return [c.transform.weight for c in load_spec(path).connections]


def command(*words) -> int:
    return main([str(word) for word in words])


def test_learn_takes_convolutions_that_learn_in_lava_as_in_numpy(learning, tmp_path, capsys):
    found = []
    for backend in ("numpy", *LAYERED):
        out = tmp_path / f"{backend}.h5"
        options = ("--backend", backend, "--samples", 3, "--test-samples", 4, *DATA)
        assert command("learn", learning, "--out", out, *options) == 0
        found.append(weights(out))
    assert max(np.abs(a - b).max() for a, b in zip(found[0], weights(learning), strict=True)) > 0
    note = "copies of each weight on a chip: conv1 64, conv2 16"
    assert capsys.readouterr().err.count(note) == 3
    for learned in found[1:]:
        for ours, expected in zip(learned, found[0], strict=True):
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)


def test_parity_passes_with_convolutions_that_learn(learning, tmp_path):
    executions = "torch,lava-sequenced,lava-fast-sequenced,lava-fused-sequenced"
    words = ("parity", learning, "--samples", 2, "--executions", executions, *DATA)
    assert command(*words, "--json", tmp_path / "parity.json") == 0
    results = json.loads((tmp_path / "parity.json").read_text())
    assert results["passed"] and results["lava-sequenced.weights_changed"] > 0


def test_the_check_names_the_copies_of_each_convolution_that_learns(learning, tmp_path, capsys):
    command("check", learning, "--json", tmp_path / "check.json")
    shown = capsys.readouterr().out
    assert "copies of a weight" in shown and "onchip unroll" in shown
    findings = json.loads((tmp_path / "check.json").read_text())["findings"]
    copies = [f["value"] for f in findings if f["quantity"] == "copies of a weight"]
    maps = [load_spec(learning).population(name).shape for name in ("conv1", "conv2")]
    assert copies == [height * width for _, height, width in maps]


def test_frozen_convolutions_run_in_lava_on_request(checkpoint, tmp_path):
    network = tmp_path / "network.h5"
    assert command("export", checkpoint, "--out", network, "--plastic", "readout") == 0
    outputs = {}
    for place in ("host", "lava"):
        out = tmp_path / f"{place}.npz"
        options = ("--backend", "lava-fast", "--convolutions", place, "--samples", 2)
        assert command("run", network, *options, "--record", "--out", out, *DATA) == 0
        outputs[place] = np.load(out)
    for name in outputs["host"].files:
        np.testing.assert_allclose(
            outputs["lava"][name], outputs["host"][name], rtol=0, atol=1e-9, err_msg=name
        )
    assert outputs["host"]["spikes/conv1"].any()
    words = ("parity", network, "--samples", 2, "--convolutions", "lava", *DATA)
    assert command(*words, "--executions", "lava-sequenced,lava-fast-sequenced,torch") == 0
    out = tmp_path / "learned.h5"
    options = ("--backend", "lava-fast", "--convolutions", "lava", "--samples", 2)
    assert command("learn", network, *options, "--test-samples", 2, "--out", out, *DATA) == 0


def test_parity_of_integers_leaves_out_what_rounds_otherwise(checkpoint, tmp_path):
    network, chip = tmp_path / "network.h5", tmp_path / "chip.h5"
    words = ("export", checkpoint, "--out", network, "--plastic", "fc1,readout")
    assert command(*words, "--feedback", "symmetric") == 0
    assert command("quantize", network, "--out", chip, "--samples", 4, *DATA) == 0
    words = ("parity", chip, "--precision", "fixed", "--samples", 2, *DATA)
    executions = ("--executions", "lava-fast-sequenced,lava-sequenced")
    results = tmp_path / "parity.json"
    assert command(*words, *executions, "--convolutions", "lava", "--json", results) == 0
    assert json.loads(results.read_text())["lava-sequenced.weights_changed"] > 0
    alone = ("--executions", "lava-fused-sequenced", "--convolutions", "lava")
    assert command(*words, *alone) == 2


@pytest.mark.parametrize("words", [["--convolutions", "nowhere"], ["--convolutions", "lava"]])
def test_a_place_that_a_backend_has_not_is_bad_input_in_one_line(learning, capsys, words):
    assert command("run", learning, "--backend", "torch", "--samples", 1, *words, *DATA) == 2
    error = capsys.readouterr().err
    assert "convolutions" in error and error.count("\n") == 1


def test_the_backends_with_a_choice_are_those_with_processes_and_their_reference():
    assert {name for name, row in BACKENDS.items() if row.convolutions} == {"numpy", *LAYERED}
    assert not in_lava("lava", None) and in_lava("lava", "lava") and not in_lava("lava", "host")
    with pytest.raises(
        ValueError, match=r"lava-fused has one place for them.*use backend numpy or"
    ):
        in_lava("lava-fused", "lava")


def test_unrolled_convolutions_learn_by_the_commands(learning, tmp_path, capsys):
    out, learned = tmp_path / "unrolled.h5", tmp_path / "learned.h5"
    assert command("unroll", learning, "--out", out, "--json", tmp_path / "unrolled.json") == 0
    assert "each copy learns alone" in capsys.readouterr().out
    spec, results = load_spec(out), json.loads((tmp_path / "unrolled.json").read_text())
    local = {c.target for c in spec.connections if isinstance(c.transform, LocalConvolution)}
    assert local == {"conv1", "conv2"} <= set(results["layers"])
    assert results["weights_after"]["conv2"] > results["weights_before"]["conv2"]
    options = ("--backend", "lava-fast", "--samples", 2, "--test-samples", 2, *DATA)
    assert command("learn", out, *options, "--out", learned) == 0
    frames = (np.random.default_rng(1).random((2, STEPS, 2, SIZE, SIZE)) < 0.3).astype(np.uint8)
    with build(load_spec(learning)) as shared, build(spec) as copies:
        np.testing.assert_allclose(
            copies.run(frames).outputs, shared.run(frames).outputs, rtol=0, atol=1e-9
        )
    assert command("unroll", learning, "--out", out, "--layers", "readout") == 2
    assert command("unroll", learning, "--out", learning) == 2
