"""Two processes learn what one process learns from the joint batches.

`two_processes.py` (in tests/support) holds the scenarios that both go through.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
import two_processes
from two_processes import ALONE, CASES, ROOT, RUN, SECONDS, data, network, start_two, trajectory

from onchip.models.cli import command_line
from onchip.models.cli.command_line import main
from onchip.models.training import distributed
from onchip.models.training.checkpoint import load_checkpoint
from onchip.models.training.distributed import Processes, choose_device
from onchip.models.training.evaluation import evaluate

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the two processes left."""
    folder = tmp_path_factory.mktemp("two")
    first, second = start_two([two_processes.__file__, str(folder)], folder)
    assert first[0] == 0, first[2]
    assert second[0] == 3, second[2]
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("case", CASES)
def test_gradients_and_weights_are_those_of_the_joint_batch(results, case):
    gradients, weights = trajectory(case, ALONE)
    assert len(weights) == 20 and float(gradients.abs().max()) > 1e-3
    assert float((weights[-1] - weights[0]).abs().max()) > 1e-2
    for found_gradients, found_weights in (rank[case] for rank in results):
        torch.testing.assert_close(found_gradients, gradients, rtol=0, atol=1e-10)
        torch.testing.assert_close(found_weights, weights, rtol=0, atol=1e-9)
    assert torch.equal(results[0][case][1], results[1][case][1])


def test_gradients_travel_once_a_batch_for_ottt_a_and_at_each_step_for_ottt_o(results):
    for rank in results:
        assert rank["calls"] == {"ottt_a": 1, "ottt_o": 3, "bptt": 1}


def test_a_run_with_augmentation_gives_the_weights_and_figures_of_one_process(results):
    weights, history = two_processes.whole_run()
    for found, found_history in (rank["run"] for rank in results):
        torch.testing.assert_close(found, weights, rtol=0, atol=1e-8)
        for ours, theirs in zip(found_history, history, strict=True):
            assert ours["silent"] == theirs["silent"]
            for name in ours.keys() - {"silent"}:
                assert ours[name] == pytest.approx(theirs[name], abs=1e-9)
            assert ours.keys() == theirs.keys()
    assert torch.equal(results[0]["run"][0], results[1]["run"][0])


def test_a_resumed_run_on_two_processes_is_identical(results):
    for rank in results:
        assert torch.equal(rank["resumed"][0], rank["run"][0])
        assert rank["resumed"][1] == rank["run"][1]


def test_one_process_writes_whole_files(folder, results):
    assert sorted(p.name for p in folder.glob("*.pt")) == [
        "first.pt",
        "rank0.pt",
        "rank1.pt",
        "run.best.pt",
        "run.pt",
    ]
    checkpoint = load_checkpoint(folder / "run.pt")
    stored = torch.cat([checkpoint.model[name].flatten() for name in parameter_names()])
    assert torch.equal(stored, results[0]["run"][0])
    assert len((folder / "log.csv").read_text().splitlines()) == 1 + RUN.epochs


def parameter_names():
    return [name for name, _ in network("mlp").named_parameters()]


def test_evaluation_is_split_and_summed(results):
    expected = evaluate(network("mlp"), data(11, 2))
    assert [rank["accuracy"] for rank in results] == [expected, expected]


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("data", r"training data: process 1 has \(\(39, .*same data"),
        ("one fails", r"^process 1 of 2: folder x does not exist$"),
        ("all fail", r"^training: method 'x' is unknown; choose one of"),
        ("diverges", r"is NaN or infinite in epoch \d; lower the learning rate"),
        ("a folder", r"^process 1 of 2: .* is a folder; name a file"),
    ],
)
def test_an_error_on_one_process_is_raised_by_all(results, scenario, message):
    first, second = (rank["errors"][scenario] for rank in results)
    assert first == second
    assert re.search(message, first)


def test_a_process_that_ends_ends_the_others(folder):
    message = json.loads((folder / "lost.json").read_text())
    assert "process 0 of 2 lost touch with another one" in message


OPTIONS = ["--model", "mlp", "--hidden", "8", "--limit", "20", "--time-steps", "2", "--size", "8"]


def test_torchrun_trains_the_network_of_one_process(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = [*OPTIONS, "--dataset", "digits-dvs", "--method", "ottt_a", "--epochs", "2"]
    assert main([*short, "--out", "one.pt"]) == 0
    assert "1 process (cpu)" in capsys.readouterr().out
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", "-m", "onchip.models", *short, "--out", "two.pt"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2/2") == 1 and "2 processes (cpu)" in done.stdout
    one, two = load_checkpoint("one.pt"), load_checkpoint("two.pt")
    for name, tensor in one.model.items():
        torch.testing.assert_close(two.model[name], tensor, rtol=0, atol=1e-5)
    assert {**two.metadata, "history": []} == {**one.metadata, "history": []}


def test_one_of_several_processes_ends_at_once_with_what_it_said(monkeypatch):
    """gloo's threads abort, now and then, a process whose interpreter is ending."""
    done = []
    monkeypatch.setattr(command_line.os, "_exit", done.append)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "flush", lambda name=name: done.append(name))
    monkeypatch.setenv("WORLD_SIZE", "2")
    command_line.leave(3)
    assert done == ["stdout", "stderr", 3]
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(SystemExit) as ended:
        command_line.leave(3)
    assert ended.value.code == 3 and len(done) == 3


@pytest.mark.parametrize("rank", [0, 1])
def test_only_rank_0_tells_of_an_error_of_all(tmp_path, monkeypatch, capsys, rank):
    @contextmanager
    def pretend(device):
        yield Processes(rank, 2)

    # every other process says what this one says
    monkeypatch.setattr(Processes, "gather", lambda self, value: [value] * self.size)
    monkeypatch.setattr(Processes, "share_weights", lambda self, model: None)
    monkeypatch.setattr(distributed, "joined", pretend)
    out = str(tmp_path / "c.pt")
    for options, message in BAD_OPTIONS.items():
        assert main([*OPTIONS, "--out", out, *options.split()]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == (1 if rank == 0 else 0)
        assert rank == 1 or said.startswith(f"onchip.models: error: {message}")
    assert list(tmp_path.iterdir()) == []


BAD_OPTIONS = {
    "--optimizer adamm": "training: optimizer 'adamm' is unknown; choose one of",
    "--dataset cifar": "dataset 'cifar' is unknown; valid: digits-dvs",
    "--resume none.pt": "checkpoint none.pt: there is no such file",
    "--augment flip": "training: flip does not suit digits-dvs: a mirrored digit is none",
}


def test_parts_cover_the_batch_in_order_and_differ_by_one_at_most():
    for size in (1, 2, 3, 8):
        for samples in range(20):
            parts = [Processes(rank, size).part(samples) for rank in range(size)]
            covered = [i for part in parts for i in range(samples)[part]]
            assert covered == list(range(samples))
            lengths = [part.stop - part.start for part in parts]
            assert max(lengths) - min(lengths) <= 1


def test_processes_get_a_gpu_each_or_the_cpu():
    assert choose_device("auto", 1, 2, 2) == torch.device("cuda", 1)
    assert choose_device("auto", 1, 2, 1) == torch.device("cpu")
    assert choose_device("cpu", 0, 1, 4) == torch.device("cpu")
    with pytest.raises(ValueError, match="2 processes need a GPU each, this machine has 1"):
        choose_device("cuda", 0, 2, 1)
    with pytest.raises(ValueError, match="device 'tpu' is unknown; choose one of auto, cpu, cuda"):
        choose_device("tpu", 0, 1, 0)
