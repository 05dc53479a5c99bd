"""Fine-tuning of graphs: a checkpoint's chain, exported with convolutions that learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from onchip.deploy import load_spec, quantize
from onchip.deploy.cli import main
from onchip.deploy.files.hdf5 import load_bundle
from onchip.network.graph import Network

DATA = ["--limit", "30"]
OPTIONS = '{"channels": [4, 6, 5], "hidden": [16]}'


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A checkpoint of a small convolutional network and its export as a graph."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        train = [
            "train",
            "--model",
            "convnet",
            "--model-options",
            OPTIONS,
            "--epochs",
            "2",
            "--scaled-start",
            *DATA,
        ]
        for name, seed in (("one", "1"), ("other", "2")):
            assert main([*train, "--seed", seed, "--out", str(folder / f"{name}.pt")]) == 0
        export = ["export", str(folder / "one.pt"), "--out", str(folder / "graph.h5")]
        export += ["--plastic", "conv3,fc1,readout", "--feedback", "symmetric"]
        assert main(export) == 0
        yield folder


def test_fine_tuning_moves_a_graphs_weights_on_its_first_grid(workplace: Path) -> None:
    spec = load_spec(workplace / "graph.h5")
    assert isinstance(spec, Network)
    out, results = workplace / "tuned.h5", workplace / "results.json"
    words = ["quantize", str(workplace / "graph.h5"), "--out", str(out), "--json", str(results)]
    words += ["--fine-tune", "1", "--checkpoint", str(workplace / "one.pt")]
    assert main([*words, "--learning-rate", "0.01", *DATA]) == 0
    bundle, first = load_bundle(out), quantize(spec)
    assert bundle.fixed is not None and bundle.spec.learning == spec.learning
    moved = 0
    for ours, now, before in zip(
        bundle.spec.connections, spec.connections, spec.connections, strict=True
    ):
        assert (ours.rule, ours.source, ours.target) == (now.rule, before.source, before.target)
    for chip, earlier in zip(bundle.fixed.connections, first.connections, strict=True):
        population = bundle.fixed.population(chip.target)
        assert population.membrane_unit == first.population(chip.target).membrane_unit
        assert chip.exponent == earlier.exponent and chip.plasticity == earlier.plasticity
        moved += np.any(chip.transform.weight != earlier.transform.weight)
        if chip.source == "always_on":
            continue
        step = chip.weight_step(population.membrane_unit)
        (floats,) = (
            c for c in bundle.spec.connections if (c.source, c.target) == (chip.source, chip.target)
        )
        np.testing.assert_allclose(floats.transform.weight / step, chip.transform.weight, atol=1e-3)
    assert moved == 5
    values = json.loads(results.read_text())
    assert values["fine_tuned_epochs"] == 1 and "before.integer_accuracy" in values
    assert values["headroom"] == 0.6


def test_another_checkpoint_is_refused_in_one_line(workplace: Path, capsys) -> None:
    out = workplace / "refused.h5"
    words = ["quantize", str(workplace / "graph.h5"), "--out", str(out), "--fine-tune", "1", *DATA]
    assert main([*words, "--checkpoint", str(workplace / "other.pt")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "connection 'conv1.synapses': its weights in" in error and "other.pt" in error
    assert not out.exists()
