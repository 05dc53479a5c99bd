"""Damaged checkpoints: each is refused in one line, or is the same checkpoint; none does harm.

Two thousand of them, of which `make test` makes and loads a part; the others are long.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import load_damaged
import numpy as np
import pytest
import torch
from checkpoint_mutations import FIELDS, MUTATIONS, edited, mutate, unsealed
from toy_training import tiny, toy_sets

from onchip.files.seal import seal
from onchip.models.config import TrainingConfig
from onchip.models.training.checkpoint import load_checkpoint
from onchip.models.training.training import train

BATCHES = [range(200), range(200, 400)]
BATCHES += [
    pytest.param(range(first, first + 200), marks=pytest.mark.long)
    for first in range(400, 2000, 200)
]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.pt"
    sets, config = toy_sets(np.random.default_rng(0)), TrainingConfig(epochs=2, feedback="random")
    train(tiny(), *sets, config, out=path, best=False, progress=False)
    return path


def run_script(*arguments: Path) -> subprocess.CompletedProcess[str]:
    """Load files in a process of their own, with limits, so that a crash is noticed and named."""
    script = [sys.executable, load_damaged.__file__, *map(str, arguments)]
    return subprocess.run(script, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize("seeds", BATCHES)
def test_damaged_checkpoints_do_no_harm(good: Path, tmp_path: Path, seeds: range) -> None:
    damaged = [mutate(good, tmp_path, seed) for seed in seeds]
    done = run_script(good, *damaged)
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith("FAULT")]
    assert done.returncode == 0, f"{lines[-1:]}: code {done.returncode}; {done.stderr[-500:]}"
    assert len(lines) == len(seeds)


def test_the_damage_is_real(good: Path, tmp_path: Path) -> None:
    """Guards the above: of every kind of damage some or all is refused."""
    refused = [0] * len(MUTATIONS)
    for seed in range(4 * len(MUTATIONS)):
        try:
            load_checkpoint(mutate(good, tmp_path, seed))
        except ValueError:
            refused[seed % len(MUTATIONS)] += 1
    assert min(refused) > 0, refused


def test_the_guard_notices_another_checkpoint(good: Path, tmp_path: Path) -> None:
    content = torch.load(good, weights_only=True)
    content["model"] = {name: value + 1 for name, value in content["model"].items()}
    from checkpoint_mutations import torch_bytes

    (tmp_path / "other.pt").write_bytes(seal(torch_bytes(content)))
    done = run_script(good, tmp_path / "other.pt")
    assert done.returncode == 1 and "loads to another" in done.stdout


def test_every_flipped_bit_is_noticed(good: Path, tmp_path: Path, rng) -> None:
    """A file with a digest is never believed where a bit of it differs."""
    data, path = good.read_bytes(), tmp_path / "x.pt"
    for _ in range(1000):
        damaged = bytearray(data)
        damaged[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"^checkpoint {path}: "):
            load_checkpoint(path)


def test_a_file_of_version_1_is_read_and_its_own_checksums_are_compared(good, tmp_path) -> None:
    from checkpoint_mutations import as_version_1, comparable

    old = as_version_1(good.read_bytes())
    path = tmp_path / "old.pt"
    path.write_bytes(old)
    assert comparable(load_checkpoint(path)) == comparable(load_checkpoint(good))
    weights = load_checkpoint(good).model["layers.0.connection.weight"].numpy().tobytes()
    damaged = bytearray(old)
    damaged[old.index(weights) + 3] ^= 0x40
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="or it was damaged"):
        load_checkpoint(path)


def test_a_checkpoint_without_its_digest_is_not_believed(good: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(unsealed(good.read_bytes()))
    with pytest.raises(ValueError, match="its digest is missing, so it was edited; take another"):
        load_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("edit", FIELDS, ids=lambda edit: edit.__name__)
def test_fields_that_are_not_right_are_named_even_where_the_digest_is(good, tmp_path, edit) -> None:
    path = tmp_path / "x.pt"
    for seed in range(9):
        data = edited(good.read_bytes(), np.random.default_rng([seed, 0]), edit)
        path.write_bytes(data if b"onchip-sha256:" in data[-100:] else seal(data))
        with pytest.raises(ValueError, match=rf"^checkpoint {path}: .*; [^\n]*$"):
            load_checkpoint(path)


def test_the_file_and_the_layer_are_named_where_the_weights_do_not_fit(good, tmp_path) -> None:
    from checkpoint_mutations import torch_bytes

    content = torch.load(good, weights_only=True)
    name = "layers.0.connection.weight"
    for change, message in (
        ({name: torch.zeros(2, 3)}, r"layer 'fc1': weight has shape \(2, 3\), the network needs"),
        ({"layers.0.connection.more": torch.zeros(1)}, "layer 'fc1': more is not of this network"),
        ({name: None}, "layer 'fc1': weight is missing"),
    ):
        changed = {k: v for k, v in {**content["model"], **change}.items() if v is not None}
        path = tmp_path / "x.pt"
        path.write_bytes(seal(torch_bytes({**content, "model": changed})))
        with pytest.raises(ValueError, match=f"^checkpoint {path}: {message}") as caught:
            load_checkpoint(path).build()
        assert "\n" not in str(caught.value)


def test_a_foreign_state_dict_is_named_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pt"
    torch.save({"conv1.weight": torch.zeros(3), "conv1.bias": torch.zeros(1)}, path)
    with pytest.raises(
        ValueError, match=r"another one of torch's \(a state_dict of 2 entries, 'co"
    ):
        load_checkpoint(path)
    with pytest.raises(
        ValueError, match=r"load its weights into a network of onchip\.models\.build_model"
    ):
        load_checkpoint(path)
