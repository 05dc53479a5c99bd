"""What this machine can compile."""

from __future__ import annotations

import shutil


def compiles_cpp() -> bool:
    """Whether there is a C++ compiler, which `torch.compile` needs on a CPU."""
    return any(map(shutil.which, ("c++", "g++", "clang++")))
