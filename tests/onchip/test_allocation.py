"""What a program frees stays with it, unless the user has decided otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from onchip.allocation import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    for _ in range(50):
        left = [np.ones(200_000) for _ in range(4)]
        del left
work()
before = faults()
work()
print(faults() - before)
"""


def faults(word: str, **environment: str) -> int:
    """Pages that the system gave a program that uses 6.4 MB again and again, 1560 at a time."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, word], env={**own, **environment}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout)


def test_arrays_come_from_memory_that_was_freed() -> None:
    assert faults("keep") < 5000


@pytest.mark.parametrize("name", ["MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_a_setting_of_the_users_own_wins(name) -> None:
    least = "4096" if name.startswith("MALLOC") else "glibc.malloc.mmap_threshold=4096"
    assert faults("keep", **{name: least}) > 50_000
