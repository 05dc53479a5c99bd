"""The GPU measurement, tried out on the CPU, and what it says where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from compilers import compiles_cpp

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "bench_training_gpu.py"
TRIAL = "--device cpu --batch 2 --channels small --steps 2 --repeats 1 --warm-up 0".split()


def run(*options):
    """Run the script where no GPU can be seen."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


@pytest.mark.timeout(600)
def test_every_case_is_measured_on_the_cpu_with_the_same_updates_as_the_baseline(tmp_path):
    done = run(*TRIAL, "--layouts", "channels_last", "--out", str(tmp_path / "gpu.json"))
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["card"] == "cpu"
    cases = [(m["method"], m["precision"]) for m in content["measured"]]
    assert len(set(cases)) == len(content["rows"]) == 4
    assert 0 < max(content["update_differences"].values()) < 1e-4
    for row, measured in zip(content["rows"], content["measured"], strict=True):
        assert measured["samples_per_second"] == pytest.approx(2 / row["seconds"])
        assert row["ratio"] == pytest.approx(row["baseline_seconds"] / row["seconds"])
        assert 0 < measured["peak_bytes"] and 0 < measured["baseline_peak_bytes"]


@pytest.mark.timeout(600)
def test_compiled_neurons_are_measured_beside_the_others(tmp_path):
    options = ["--methods", "ottt_a", "--precisions", "fp16", "--layouts", "channels_last"]
    done = run(*TRIAL, *options, "--compile", "--out", str(tmp_path / "gpu.json"))
    if not compiles_cpp():
        assert done.returncode != 0 and "install a C++ compiler" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert [measured["compiled"] for measured in content["measured"]] == [False, True]
    assert content["rows"][1]["name"].endswith("fp16, channels_last, compiled")


def test_without_a_gpu_it_says_so_in_one_line_and_exits_with_2(tmp_path):
    done = run("--out", str(tmp_path / "gpu.json"))
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stdout.count("\n") == 1 and "no CUDA device here" in done.stdout
