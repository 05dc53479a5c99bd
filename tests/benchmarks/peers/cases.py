"""The networks that are measured, and by whom."""

from __future__ import annotations

from typing import NamedTuple

from contenders import PEERS, TOOLKIT_BASELINE
from task import CLASSES

WIDTHS, DEPTHS, ACTIVITIES = (64, 256, 1024, 4096), (1, 4, 6), (0.05, 0.2)
SOME = (
    "compiled, float32",
    "engine (NumPy), float64",
    "JAX, jit by hand, float32",
    "PyTorch, plain loop, float32",
)
"""Who is measured on every network."""


class Case(NamedTuple):
    """Sizes of the layers, the share of steps in which inputs and hidden neurons spike, and T."""

    sizes: tuple[int, ...]
    activity: float
    steps: int

    @property
    def name(self) -> str:
        """As it is called in the table."""
        shape = "-".join(map(str, self.sizes))
        return f"{shape}, {self.activity:.0%}, T = {self.steps}"


MIDDLE = (784, 256, CLASSES)
FIRST = Case(MIDDLE, 0.05, 10)


def plan() -> list[tuple[Case, tuple[str, ...]]]:
    """Every process that is started: a case, and the peers that are measured in it."""
    fast = tuple(n for n, p in PEERS.items() if not p.alone and n != TOOLKIT_BASELINE)
    runs = [(FIRST, fast), (FIRST._replace(activity=0.2), fast), (FIRST._replace(steps=200), fast)]
    runs += [(FIRST, (name,)) for name, peer in PEERS.items() if peer.alone]
    networks = [(width, width, CLASSES) for width in WIDTHS]
    networks += [(256,) * depth + (CLASSES,) for depth in DEPTHS]
    cases = [Case(MIDDLE, 0.2, 200)]
    cases += [Case(sizes, activity, 10) for sizes in networks for activity in ACTIVITIES]
    return runs + [(case, SOME) for case in cases]
