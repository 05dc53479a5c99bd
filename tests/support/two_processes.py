"""What two processes do for the tests of distributed training, and how they are started.

`python two_processes.py FOLDER`, twice, works through the scenarios and leaves in FOLDER what each
process found. Networks, data and runs are the same for a test that does them on one process.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

import onchip.models
from onchip.models.architectures.table import build_model
from onchip.models.config import TrainingConfig
from onchip.models.training.distributed import ALONE, LostProcessError, SharedError, joined
from onchip.models.training.evaluation import evaluate
from onchip.models.training.feedback import make_feedback
from onchip.models.training.training import train
from onchip.models.training.updates import UPDATES, Learner

ROOT = Path(onchip.models.__file__).parents[1]
SECONDS = 240
BATCHES = [7] * 18 + [1, 4]
"""Batch sizes of a trajectory: parts of 3 and 4, of 0 and 1, of 2 and 2."""

CASES = {
    "ottt_a-mlp": ("ottt_a", "mlp", {}),
    "ottt_o-mlp": ("ottt_o", "mlp", {}),
    "ottt_a-convnet": ("ottt_a", "convnet", {}),
    "ottt_o-convnet": ("ottt_o", "convnet", {}),
    "late-mlp": ("ottt_o", "mlp", {"update_delay": 1}),
    "clipped-mlp": ("ottt_a", "mlp", {"grad_clip": 0.05}),
    "bptt-mlp": ("bptt", "mlp", {}),
}
RUN = TrainingConfig(
    method="ottt_o",
    feedback="direct",
    epochs=3,
    batch_size=9,
    learning_rate=3e-3,
    grad_clip=0.5,
    label_smoothing=0.1,
    max_shift=1,
    max_rotation=5.0,
    flip=True,
    event_drop=0.3,
)


def network(name):
    """A small double-precision network that spikes."""
    shape = {"input_shape": (2, 12, 12), "classes": 5, "time_steps": 3}
    if name == "mlp":
        model = build_model("mlp", hidden=(12, 9), weight_gain=2.0, **shape)
    else:
        small = {"channels": (4, 6, 3), "kernels": (3, 3, 3), "strides": (1, 1, 2)}
        model = build_model("convnet", **small, hidden=(7,), **shape)
        with torch.no_grad():
            for layer in model.layers[:-1]:
                layer.connection.gain.mul_(2)
    return model.double()


def data(samples, seed):
    rng = np.random.default_rng(seed)
    frames = (rng.random((samples, 3, 2, 12, 12)) < 0.4).astype(np.uint8)
    return SimpleNamespace(frames=frames, labels=rng.integers(0, 5, samples), classes=5)


class Recorder(torch.optim.SGD):
    """SGD that keeps the gradients of its first update."""

    gradients = None

    def step(self, closure=None):
        if self.gradients is None:
            groups = self.param_groups
            self.gradients = [p.grad.clone() for g in groups for p in g["params"]]
        return super().step(closure)


def trajectory(case, processes):
    """(gradients of the first update, weights after every batch) [batches, parameters]."""
    method, name, options = CASES[case]
    model = network(name)
    optimizer = Recorder(model.parameters(), lr=0.05, momentum=0.9)
    feedback = make_feedback(model, "exact")
    learner = Learner(model, optimizer, feedback, processes=processes, **options)
    weights, samples = [], data(sum(BATCHES), 3)
    targets = torch.eye(5, dtype=torch.float64)[samples.labels]
    for start, size in zip(np.cumsum([0, *BATCHES]), BATCHES, strict=False):
        part = processes.part(size)
        learner.share = (part.stop - part.start) / size
        own = slice(part.start, max(part.stop, part.start + 1))
        batch = slice(start, start + size)
        x = torch.from_numpy(samples.frames[batch])[own]
        UPDATES[method](learner, x, targets[batch][own])
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    return torch.cat([g.flatten() for g in optimizer.gradients]), torch.stack(weights)


def whole_run(processes=ALONE, **options):
    """(weights, history) of the run `RUN` on 40 samples, measured on 11."""
    model = network("mlp")
    result = train(model, data(40, 1), data(11, 2), RUN, processes=processes, **options)
    history = [{k: v for k, v in e.items() if k != "seconds"} for e in result.history]
    return torch.cat([p.detach().flatten() for p in model.parameters()]), history


def work(folder, processes):
    """All scenarios -> results by name; the last one ends process 1."""
    results = {case: trajectory(case, processes) for case in CASES}
    results["calls"] = {m: all_reduces(m, processes) for m in ("ottt_a", "ottt_o", "bptt")}
    out = folder / "run.pt"

    def keep_first(line):
        if line.startswith("epoch 1/"):
            shutil.copy(out, folder / "first.pt")

    results["run"] = whole_run(processes, out=out, log=folder / "log.csv", report=keep_first)
    resumed = whole_run(processes, out=out, resume=folder / "first.pt")
    results["resumed"] = resumed
    results["accuracy"] = evaluate(network("mlp"), data(11, 2), processes=processes)
    results["errors"] = errors(folder, processes)
    return results


def all_reduces(method, processes):
    """How often gradients travel while one batch is learned from."""
    original, calls = torch.distributed.all_reduce, []
    torch.distributed.all_reduce = lambda tensor: (calls.append(0), original(tensor))[1]
    model = network("mlp")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    learner = Learner(model, optimizer, make_feedback(model, "exact"), processes=processes)
    learner.share = 0.5
    samples = data(2, 0)
    UPDATES[method](learner, torch.from_numpy(samples.frames), torch.eye(5).double()[[0, 1]])
    torch.distributed.all_reduce = original
    return len(calls)


def errors(folder, processes):
    """The messages of scenarios in which process 1 differs."""
    second = processes.rank == 1
    short = data(39, 1) if second else data(40, 1)
    nan = dataclasses.replace(RUN, learning_rate=1e6, optimizer="sgd", mse_weight=1.0, grad_clip=0)

    def fail():
        if second:
            raise FileNotFoundError("folder x does not exist")

    scenarios = {
        "data": lambda: train(network("mlp"), short, data(11, 2), RUN, processes=processes),
        "one fails": lambda: processes.together(fail),
        "all fail": lambda: processes.together(lambda: TrainingConfig(method="x")),
        "diverges": lambda: train(
            network("mlp"), data(40, 1), data(11, 2), nan, processes=processes
        ),
        "a folder": lambda: whole_run(processes, out=folder if second else folder / "a.pt"),
    }
    return {name: message_of(scenario) for name, scenario in scenarios.items()}


def message_of(scenario):
    try:
        scenario()
    except SharedError as error:
        return str(error)
    return "nothing was raised"


def process_main(folder):
    with joined("cpu", timeout=timedelta(seconds=SECONDS)) as processes:
        torch.save(work(folder, processes), folder / f"rank{processes.rank}.pt")
        if processes.rank == 1:
            os._exit(3)
        try:
            processes.total(1.0)
        except LostProcessError as error:
            (folder / "lost.json").write_text(json.dumps(str(error)))


def start_two(arguments, folder):
    """Both processes, as torchrun would start them -> [(exit code, stdout, stderr)]."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, *arguments],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        outputs = [process.communicate(timeout=SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(p.returncode, *output) for p, output in zip(started, outputs, strict=True)]


if __name__ == "__main__":
    process_main(Path(sys.argv[1]))
