"""What every test shares: one BLAS thread (Lava forks), no display, a seeded generator.

`pytest --backend=loihi2` runs the integer Lava networks of the parity tests on a chip, for whoever
has one (nobody has done it yet); without one it ends at once and says what is missing.
`pytest --runtime=processes` runs Lava networks on Lava's own runtime wherever a test names none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

# Read once, when numpy, torch and matplotlib are first imported, so set before any of them.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

import onchip.lava  # noqa: E402, F401  before any test imports lava

if TYPE_CHECKING:
    from onchip.lava.network import LavaNetwork


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=("lava", "loihi2"),
        default="lava",
        help="what executes the integer Lava networks: the simulator (lava) or a chip (loihi2)",
    )
    parser.addoption(
        "--runtime",
        choices=("one-process", "processes"),
        default="one-process",
        help="what runs Lava networks: this OS process, or one for each Lava process",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Without a chip end before the first test: skipped ones would look like passed ones."""
    if config.getoption("--runtime") != "one-process":
        from onchip.lava.runtime import supervisor

        supervisor.DEFAULT = config.getoption("--runtime")
    if config.getoption("--backend") != "loihi2":
        return
    from onchip.lava.loihi2.hardware import loihi_status

    status = loihi_status()
    if not status.ready:
        raise pytest.UsageError(f"{status.summary}; leave --backend out to test in the simulator")


@pytest.fixture
def fixed_network(request: pytest.FixtureRequest) -> Callable[..., LavaNetwork]:
    """Builds an integer Lava network on the backend of `--backend`: (spec, schedule, record=...).

    With --backend=lava it is the class `LavaNetwork` itself.
    """
    if request.config.getoption("--backend") == "loihi2":
        from onchip.lava.loihi2.chip import loihi2_network

        return loihi2_network
    from onchip.lava.network import LavaNetwork

    return LavaNetwork


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives the same numbers in every run."""
    return np.random.default_rng(20220)
