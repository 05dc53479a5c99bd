"""Trained networks that are no chains, from the checkpoint on: every command on their file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onchip import Engine
from onchip.deploy import load_spec
from onchip.deploy.cli import main
from onchip.deploy.cli.data import DataChoice, take
from onchip.models import TrainingConfig, build_model
from onchip.models.tdbn.files import save_network
from onchip.models.tdbn.networks import TdBNConfig, build_network
from onchip.models.tdbn.training import learn_batch
from onchip.models.training.checkpoint import Checkpoint, save_checkpoint
from onchip.network.graph import Network

STEPS, SIZE = 4, 8
METADATA = {
    "dataset": "digits-dvs",
    "split": "random",
    "seed": 3,
    "framing": {"time_steps": STEPS, "by": "time", "binary": True, "size": SIZE},
}
DATA = ["--limit", "40"]
KINDS = ("tdbn", "vggf", "resnet34")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with a file of each kind, tdbn.pt trained a little, and a cache of its own."""
    folder = tmp_path_factory.mktemp("trained")
    shape = (2, SIZE, SIZE)
    options: dict[str, Any] = {"input_shape": shape, "classes": 10, "time_steps": STEPS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONCHIP_CACHE", str(folder / "cache"))
        config = TdBNConfig(**options, blocks=(1, 1), widths=(6, 8), stem_width=6, stem_stride=1)
        network = build_network(config, seed=1)
        frames, labels = take(stored_data()[0], 40)
        optimizer, targets = torch.optim.Adam(network.parameters(), 0.01), torch.eye(10)[labels]
        for _ in range(30):
            learn_batch(network, optimizer, torch.tensor(frames).float(), targets)
        save_network(folder / "tdbn.pt", network, METADATA)
        models = {
            "vggf": build_model("vggf", channels=(4, "P", 6), **options),
            "resnet34": build_model(
                "resnet34", blocks=(1, 1), widths=(4, 6), stem_kernel=3, stem_stride=1, **options
            ),
        }
        for name, model in models.items():
            with torch.no_grad():  # so that every layer fires
                for parameter in model.parameters():
                    parameter += 0.2 * (parameter.ndim == 1)
            save_checkpoint(folder / f"{name}.pt", checkpoint_of(model))
        for kind in KINDS:
            words = ["export", str(folder / f"{kind}.pt"), "--out", str(folder / f"{kind}.h5")]
            learning = ["--feedback", "symmetric", "--learning-rate", "0.05"]
            assert main([*words, *learning]) == 0
        yield folder


def checkpoint_of(model: Any) -> Checkpoint:
    """A checkpoint of a network before its first epoch."""
    return Checkpoint(
        architecture=model.architecture,
        architecture_config=model.config,
        training=TrainingConfig(),
        epoch=0,
        model=model.state_dict(),
        optimizer=torch.optim.Adam(model.parameters()).state_dict(),
        feedback={},
        random_state=torch.get_rng_state(),
        metadata=METADATA,
    )


def stored_data() -> tuple[Any, Any]:
    return DataChoice("digits-dvs", "random", 3, STEPS, "time", True, SIZE).load(limit=40)


def results(command: str, file: Path, *options: str, code: int = 0) -> Any:
    path = file.with_suffix(".json")
    assert main([command, str(file), *options, "--json", str(path)]) == code
    return json.loads(path.read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_export_writes_a_graph_whose_dense_layers_learn(workplace: Path, kind: str) -> None:
    spec = load_spec(workplace / f"{kind}.h5")
    assert type(spec) is Network
    assert spec.plastic_names == (("fc1", "readout") if kind == "tdbn" else ("readout",))
    assert spec.metadata["dataset"] == "digits-dvs"


@pytest.mark.parametrize("kind", KINDS)
def test_check_finds_nothing_that_is_wrong(workplace: Path, kind: str) -> None:
    found = results("check", workplace / f"{kind}.h5")
    errors = [f for f in found["findings"] if f["severity"] == "error"]
    # Symmetric feedback needs no live weights: nothing else is in the way of a chip either.
    assert errors == [] and found["passed"]


@pytest.mark.parametrize("kind", KINDS)
def test_parity_compares_every_execution_in_floats_and_integers(workplace: Path, kind: str) -> None:
    file = workplace / f"{kind}.h5"
    wanted = "torch,lava-sequenced,lava-fast-sequenced,lava-fused-sequenced"
    found = results("parity", file, "--samples", "4", "--executions", wanted, *DATA)
    assert found["passed"] and found["learned"] and found["spike_mismatches"] == 0
    whole = file.with_name(f"{kind}-fixed.h5")
    quantized = results("quantize", file, "--out", str(whole), "--samples", "40", *DATA)
    assert quantized["integer_accuracy"] >= quantized["accuracy"] - 0.1
    wanted = wanted.removeprefix("torch,")
    options = ("--samples", "4", "--precision", "fixed", "--executions", wanted)
    found = results("parity", whole, *options, *DATA)
    assert found["passed"] and found["spike_mismatches"] == 0
    assert found["max_relative_weight_error"] == 0


def test_learn_writes_what_the_engine_learns(workplace: Path) -> None:
    file, out = workplace / "tdbn.h5", workplace / "learned.h5"
    options = ("--samples", "8", "--test-samples", "4", "--out", str(out), *DATA)
    results("learn", file, "--backend", "lava-fused", *options)
    engine = Engine(load_spec(file))
    frames, labels = take(stored_data()[0], 8, np.random.default_rng(3))
    for i in range(8):
        engine.learn(frames[[i]], labels[[i]])
    before = load_spec(file)
    for ours, theirs, start in zip(
        load_spec(out).connections,
        engine.snapshot().connections,
        before.connections,
        strict=True,
    ):
        np.testing.assert_allclose(ours.transform.weight, theirs.transform.weight, atol=1e-9)
        moved = not np.array_equal(ours.transform.weight, start.transform.weight)
        assert moved == (ours.target in ("fc1", "readout"))


@pytest.mark.parametrize("kind", KINDS)
def test_fine_tuning_refuses_a_graph_in_one_line(workplace: Path, kind: str, capsys) -> None:
    file, out = workplace / f"{kind}.h5", workplace / "tuned.h5"
    words = ["quantize", str(file), "--out", str(out), "--fine-tune", "1", *DATA]
    assert main([*words, "--checkpoint", str(workplace / f"{kind}.pt")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "graph" in error and "fine-tun" in error
    assert not out.exists()
