"""Threads: sleeping while they wait, and no more of them than a network's size makes use of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training import tiny, toy_sets

import onchip.models.training.threads
from onchip.models import build_model, recommended_network, train
from onchip.models.config import TrainingConfig
from onchip.models.training.threads import SMALL, products, suitable_threads
from onchip.waiting import SETTINGS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def four_threads(monkeypatch):
    """As if torch had taken a thread for each of four processors."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(onchip.models.training.threads, "default_threads", lambda: 4)
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_products_are_counted_by_hand():
    shape = {"input_shape": (2, 8, 8), "classes": 3, "time_steps": 2}
    assert products(build_model("mlp", hidden=(5,), **shape)) == 128 * 5 + 5 * 3
    vgg = build_model("vgg", channels=(4, "P", 6), classifier="full", hidden=(7,), **shape)
    dense = 6 * 16 * 7 + 7 * 3
    assert products(vgg) == 64 * 4 * 2 * 9 + 16 * 6 * 4 * 9 + dense
    assert products(build_model("resnet34", blocks=(1,), widths=(2,), **shape)) == np.inf


def test_the_demo_s_networks_are_small_and_the_paper_s_is_not():
    shape = {"classes": 10, "time_steps": 10}
    for name in ("mlp", "convnet", "vgg"):
        model = build_model(name, input_shape=(2, 32, 32), **shape, **recommended_network(name))
        assert products(model) * 32 < SMALL
    assert products(build_model("vgg", input_shape=(2, 48, 48), **shape)) * 32 > 10 * SMALL


def threads_while_training(model, rng):
    seen = []
    train_set, test_set = toy_sets(rng)
    config = TrainingConfig(epochs=1, batch_size=8)
    train(model, train_set, test_set, config, report=lambda _: seen.append(torch.get_num_threads()))
    return seen


def test_a_small_network_trains_on_one_thread_and_gives_the_others_back(four_threads, rng):
    assert threads_while_training(tiny(), rng) == [1]
    assert torch.get_num_threads() == 4


def test_a_large_network_keeps_the_threads(four_threads, monkeypatch, rng):
    monkeypatch.setattr(onchip.models.training.threads, "SMALL", 10)
    assert threads_while_training(tiny(), rng) == [4]


def test_the_user_s_own_number_of_threads_wins(four_threads, monkeypatch, rng):
    torch.set_num_threads(3)
    assert threads_while_training(tiny(), rng) == [3]
    torch.set_num_threads(4)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert threads_while_training(tiny(), rng) == [4]


def test_the_threads_are_given_back_after_an_error(four_threads):
    with pytest.raises(RuntimeError, match="stop"), suitable_threads(tiny(), 8):
        assert torch.get_num_threads() == 1
        raise RuntimeError("stop")
    assert torch.get_num_threads() == 4


WAYS = {
    "onchip": "import sys, onchip.deploy.cli as c; c.main(['datasets']); import os; "
    "print({k: os.environ.get(k) for k in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')}, "
    "'torch' in sys.modules)",
    "onchip.models": "import sys, runpy, os; sys.argv[1:] = ['--help']\n"
    "sys.meta_path.insert(0, type('Watch', (), {'find_spec': staticmethod(lambda name, *_: "
    "print({k: os.environ.get(k) for k in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')}) "
    "if name == 'onchip.models.cli.command_line' else None)}))\n"
    "runpy.run_module('onchip.models', run_name='__main__')",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "own", [{}, {"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "1000"}], ids=str
)
def test_the_command_lines_wait_passively_before_torch_loads_unless_told_otherwise(way, own):
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS} | own
    done = subprocess.run(
        [sys.executable, "-c", WAYS[way]], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    expected = dict.fromkeys(SETTINGS) | own if own else SETTINGS
    assert str(expected) in done.stdout
    if way == "onchip":
        assert done.stdout.rstrip().endswith("False")  # torch is not there yet


@pytest.mark.parametrize("target", ["demo", "test", "notebooks", "notebooks-full"])
@pytest.mark.parametrize("own", [{}, {"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}])
def test_make_waits_passively_unless_told_otherwise(target, own, tmp_path):
    """The target's recipe is replaced by one that shows its environment."""
    kept = (ROOT / "Makefile").read_text()
    shown = f"\n{target}:\n\t@echo $${{OMP_WAIT_POLICY:-none}} $${{GOMP_SPINCOUNT:-none}}\n"
    (tmp_path / "Makefile").write_text(kept + shown)
    (tmp_path / ".venv").mkdir()
    of_make = ("MAKEFLAGS", "MAKEOVERRIDES", "PYTHON_VERSION")  # these tests may run inside make
    left_out = (*SETTINGS, *of_make)
    environment = {k: v for k, v in os.environ.items() if k not in left_out} | own
    command = ["make", "--no-print-directory", "-o", ".venv/.installed", target]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    expected = [own.get(name, "none") for name in SETTINGS] if own else list(SETTINGS.values())
    assert done.stdout.split() == expected, done.stderr
