"""A progress bar in a notebook without widgets is a line of text, and no warning is seen."""

from __future__ import annotations

import subprocess
import sys

import pytest

KERNEL = """
import sys
import IPython
sys.modules["ipykernel.zmqshell"] = sys.modules["IPython"]  # by which tqdm knows a kernel
sys.modules["ipywidgets"] = None
"""
BARS = {
    "of data": "from onchip.models.data.bars import tqdm; tqdm([1])",
    "of an execution": "from onchip.deploy.backends.host import progress_bar as p; p('n', 3, True)",
}


def in_a_kernel(line: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", KERNEL + line]
    return subprocess.run(program, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("bar", BARS)
def test_without_widgets_nothing_is_warned_of(bar):
    done = in_a_kernel(BARS[bar])
    assert done.returncode == 0 and "0/" in done.stderr and "arning" not in done.stderr, done.stderr


def test_tqdm_itself_would_warn():
    assert "IProgress not found" in in_a_kernel("from tqdm.auto import tqdm").stderr
