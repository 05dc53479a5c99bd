"""`onchip quantize`, end to end on a tiny network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onchip.deploy.cli import main
from onchip.deploy.files.hdf5 import load_bundle, load_spec, save_spec
from onchip.deploy.quantization.network import Quantization, quantize

DATA = ["--limit", "20"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with checkpoint.pt, other.pt, network.h5 and a dataset cache of its own."""
    folder = tmp_path_factory.mktemp("quantize")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        for name, seed in (("checkpoint.pt", "3"), ("other.pt", "4")):
            model = ["--model", "mlp", "--hidden", "12", "--size", "8", "--time-steps", "4"]
            options = ["--epochs", "1", "--seed", seed, "--out", str(folder / name)]
            assert main(["train", *model, *options, *DATA]) == 0
        network = ["--out", str(folder / "network.h5")]
        assert main(["export", str(folder / "checkpoint.pt"), *network]) == 0
        yield folder


def run(folder: Path, *options: str, file: str = "network.h5") -> dict[str, Any]:
    """Quantize to quantized.h5; the results."""
    results = folder / "results.json"
    out = ["--out", str(folder / "quantized.h5"), "--json", str(results)]
    assert main(["quantize", str(folder / file), *out, *options]) == 0
    values: dict[str, Any] = json.loads(results.read_text())
    return values


def complaint(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> str:
    """The one line with which the command refuses."""
    out = folder / "refused.h5"
    capsys.readouterr()
    assert main(["quantize", str(folder / "network.h5"), "--out", str(out), *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert not out.exists()
    found = [line for line in lines if line.startswith("onchip: error: ")]
    assert len(found) == 1
    return found[0]


def test_the_file_gets_the_integers_of_its_network(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = run(workplace, "--samples", "6", "--headroom", "2", "--seed", "5", *DATA)
    spec = load_spec(workplace / "network.h5")
    bundle = load_bundle(workplace / "quantized.h5")
    assert bundle.spec == replace(spec, metadata=bundle.spec.metadata)
    expected = quantize(spec, Quantization(headroom=2, seed=5))
    assert bundle.fixed == replace(expected, metadata=bundle.spec.metadata)
    assert values["precision"] == "integers" and values["schedule"] == "sequenced"
    assert values["samples"] == 6 and values["dataset"] == "digits-dvs"
    assert values["seed"] == 5 and values["split_seed"] == 3 and values["headroom"] == 2
    assert 0 < values["fc1.weight_error"] < 0.05 and "before.accuracy" not in values
    printed = capsys.readouterr().out
    assert "| readout |" in printed and "of 6 predictions agree" in printed


def test_the_schedule_is_that_of_the_integers_learning(workplace: Path) -> None:
    export = ["export", str(workplace / "checkpoint.pt"), "--out", str(workplace / "last.h5")]
    assert main([*export, "--plastic", "readout", "--update-delay", "1"]) == 0
    assert run(workplace, "--schedule", "pipelined", *DATA, file="last.h5")["samples"] == 20
    fixed = load_bundle(workplace / "quantized.h5").fixed
    assert fixed is not None and fixed.learning is not None
    assert fixed.learning.schedule == "pipelined"


def test_fine_tuning_moves_the_weights_on_the_first_quantizations_grid(workplace: Path) -> None:
    checkpoint = ["--checkpoint", str(workplace / "checkpoint.pt"), "--learning-rate", "0.01"]
    values = run(workplace, "--fine-tune", "2", *checkpoint, *DATA)
    spec = load_spec(workplace / "network.h5")
    bundle, first = load_bundle(workplace / "quantized.h5"), quantize(spec)
    assert bundle.fixed is not None
    assert bundle.spec.learning == spec.learning and bundle.fixed.metadata == bundle.spec.metadata
    *before, last = bundle.spec.metadata["history"]
    command, options, versions = last.values()
    assert options["fine-tune"] == "2"
    assert len(before) == len(spec.metadata.get("history", []))
    assert command.startswith("onchip quantize ") and "numpy" in versions
    kept = {k: v for k, v in bundle.spec.metadata.items() if k != "history"}
    assert kept == {k: v for k, v in spec.metadata.items() if k != "history"}
    assert bundle.spec.plastic_names == spec.plastic_names
    for float_layer, layer, earlier in zip(
        bundle.spec.layers, bundle.fixed.layers, first.layers, strict=True
    ):
        assert layer.weight_step == earlier.weight_step and np.any(layer.weight != earlier.weight)
        np.testing.assert_allclose(float_layer.weight / layer.weight_step, layer.weight, atol=1e-3)
    assert values["fine_tuned_epochs"] == 2
    assert {"before.accuracy", "before.integer_accuracy"} <= values.keys()
    assert values["accuracy"] == values["integer_accuracy"]


def test_a_network_without_a_dataset_has_its_weights_compared(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = replace(load_spec(workplace / "network.h5"), metadata={})
    save_spec(workplace / "bare.h5", spec)
    capsys.readouterr()
    values = run(workplace, file="bare.h5")
    assert values["samples"] == 0 and values["accuracy"] is None and values["dataset"] is None
    assert "only its weights are compared" in capsys.readouterr().err


def test_what_does_not_fit_is_refused_in_one_line(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(workplace / "other.pt")
    lines = [
        complaint(capsys, workplace, *options, *DATA)
        for options in (
            ["--fine-tune", "1"],
            ["--checkpoint", other],
            ["--fine-tune", "1", "--checkpoint", other],
            ["--schedule", "round"],
            ["--headroom", "0.1"],
        )
    ]
    assert "--fine-tune needs --checkpoint" in lines[0] and "network.h5" in lines[0]
    assert "are for --fine-tune" in lines[1]
    assert "layer 'fc1'" in lines[2] and "other.pt" in lines[2]
    assert "schedule" in lines[3] and "pipelined" in lines[3]
    assert "headroom" in lines[4]
