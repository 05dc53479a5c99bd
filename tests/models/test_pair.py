"""A training on two processes that were one is the training on one, up to rounding."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onchip.deploy.cli.training_pair import as_pair
from onchip.models import build_model, train
from onchip.models.config import TrainingConfig
from onchip.models.training.distributed import ALONE, LostProcessError, Processes
from onchip.models.training.pair import ROOM

RUN = TrainingConfig(method="ottt_a", epochs=3, batch_size=7, learning_rate=3e-3, max_shift=1)


def digits(seed: int, samples: int) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    frames = (rng.random((samples, 4, 1, 6, 6)) < 0.4).astype(np.uint8)
    return SimpleNamespace(frames=frames, labels=np.arange(samples) % 3, classes=3)


def trained(processes: Processes, out: Path | None = None):
    """A network after a run that starts with the same weights on rank 0 alone."""
    options = {"input_shape": (1, 6, 6), "classes": 3, "time_steps": 4, "hidden": (9,)}
    model = build_model("mlp", seed=processes.rank, **options)
    sets = digits(1, 24), digits(2, 10)
    result = train(model, *sets, RUN, processes=processes, out=out, progress=False)
    return result, {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    found = {}

    def work(processes: Processes) -> None:
        result, weights = trained(processes, tmp_path / f"{processes.rank}.pt")
        np.savez(tmp_path / f"{processes.rank}.npz", **weights)
        found[processes.rank] = result

    as_pair(work)
    result, weights = trained(ALONE)
    ours, theirs = (np.load(tmp_path / f"{rank}.npz") for rank in (0, 1))
    start = build_model("mlp", seed=0, input_shape=(1, 6, 6), classes=3, time_steps=4, hidden=(9,))
    for name, expected in weights.items():
        assert np.array_equal(ours[name], theirs[name])
        np.testing.assert_allclose(ours[name], expected, atol=1e-5)
    moved = start.state_dict()["layers.0.connection.weight"].numpy()
    assert np.abs(weights["layers.0.connection.weight"] - moved).max() > 1e-3
    assert found[0].accuracy == result.accuracy and found[0].epochs == 3
    assert (tmp_path / "0.pt").exists() and not (tmp_path / "1.pt").exists()  # rank 0 writes


def test_what_one_of_them_raises_is_raised() -> None:
    def work(processes: Processes) -> None:
        if processes.rank == 1:
            raise MemoryError("no room for the second half")
        processes.gather(0)

    with pytest.raises(MemoryError, match="no room for the second half"):
        as_pair(work)


def test_numbers_are_summed_and_large_values_fit_through_the_pipe() -> None:
    def work(processes: Processes) -> None:
        assert processes.total(1.5, processes.rank) == [3.0, 1.0]
        for size in (500_000, 3, ROOM // 4 + 1, 500_000):  # through shared memory and the pipe
            parameter = torch.nn.Parameter(torch.zeros(size))
            parameter.grad = torch.full((size,), float(processes.rank + 1)) + torch.arange(size)
            processes.add_gradients([parameter], 0.5)
            assert torch.equal(parameter.grad, 1.5 + torch.arange(size))
        assert processes.gather(os.getpid())[processes.rank] == os.getpid()

    as_pair(work)


def test_a_process_that_is_gone_is_told_of() -> None:
    def work(processes: Processes) -> None:
        if processes.rank == 1:
            return
        processes.gather(0)

    with pytest.raises(LostProcessError, match="has lost the other"):
        as_pair(work)
