"""What a training run is asked for, checked before the work."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch

from onchip.checks import require_between, require_choice
from onchip.models.fptt.cells import CELLS
from onchip.models.fptt.labelled import LABELLED
from onchip.models.fptt.learners import WEIGHTINGS, require_parts
from onchip.models.fptt.optimizer import FPTTConfig
from onchip.models.fptt.tasks import AddTask

TASKS = ("add", *LABELLED)
METHODS = ("fptt", "bptt")
TARGETS = ("final", "running")
SCHEDULES = ("cosine", "constant")
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}
"""By name; of small networks Adam's own kernel takes half the time of its loop over tensors."""
LARGEST = 10**9


@dataclass(frozen=True)
class RunConfig:
    """A run of one of `TASKS`.

    `cell` one of `onchip.models.fptt.cells.CELLS`, `hidden` cells, or those of several layers,
    `method` one of `METHODS`; `steps` T of a sequence (digits have 64). `updates` batches of
    `batch` sequences, each making `parts` updates of the weights by FPTT and one by BPTT; of
    labelled sequences `updates` are whole epochs. `data_root` holds the folder of a recorded data
    set, of which at most `limit` samples of each part are taken (None: all).
    `slowest` spreads the time constants of the start up to so many steps
    (`onchip.models.fptt.cells.spread_time_constants`; None: all about eight steps).
    `optimizer` one of `OPTIMIZERS` at `learning_rate`, which by `schedule` falls to zero along half
    a cosine or stays. `target` final, or running (the add task, FPTT); `weighting` of parts one of
    `onchip.models.fptt.learners.WEIGHTINGS`; `oracle` adds the former prediction (classes, FPTT).
    `fptt` holds alpha, beta, rho and the clip. Raises ValueError for what does not fit together.
    """

    task: str = "add"
    cell: str = "ltc"
    method: str = "fptt"
    hidden: int | tuple[int, ...] = 64
    steps: int = 200
    parts: int = 10
    batch: int = 64
    updates: int = 1000
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    schedule: str = "cosine"
    target: str = "final"
    weighting: str = "correct"
    oracle: bool = False
    slowest: int | None = None
    seed: int = 0
    data_root: str | None = None
    limit: int | None = None
    fptt: FPTTConfig = field(default_factory=FPTTConfig)

    def __post_init__(self) -> None:
        for name, choices in (("task", TASKS), ("cell", CELLS), ("method", METHODS),
                              ("target", TARGETS), ("weighting", WEIGHTINGS),
                              ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):  # fmt: skip
            require_choice(f"run: {name}", getattr(self, name), choices)
        for size in self.sizes:
            require_between("run: hidden", size, 1, LARGEST)
        for name in ("steps", "parts", "batch", "updates"):
            require_between(f"run: {name}", getattr(self, name), 1, LARGEST)
        require_between("run: learning_rate", self.learning_rate, 0, 10, open_low=True)
        require_between("run: seed", self.seed, 0, 2**63 - 1)
        self._require_fitting()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cells of each layer."""
        return (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)

    def _require_fitting(self) -> None:
        """The task and the method go with each other's options."""
        if self.task == "add":
            AddTask(self.steps)
            if self.oracle:
                raise ValueError("run: the oracle is a distribution over classes; add has none")
        else:
            self._require_labelled()
        self._require_data()
        if self.method == "fptt":
            require_parts(self.steps, self.parts)
        elif self.target == "running" or self.oracle:
            raise ValueError("run: running targets and the oracle are FPTT's; bptt has neither")

    def _require_labelled(self) -> None:
        fixed = LABELLED[self.task].steps
        if fixed is not None and self.steps != fixed:
            raise ValueError(f"run: {self.task} have {fixed} steps, not {self.steps}")
        if self.target == "running":
            raise ValueError(f"run: {self.task} have no running target; use final")

    def _require_data(self) -> None:
        recorded = self.task in LABELLED and LABELLED[self.task].recorded
        if recorded and self.data_root is None:
            raise ValueError(f"run: {self.task} is read from a folder; name it in data_root")
        if not recorded and (self.data_root is not None or self.limit is not None):
            raise ValueError(f"run: {self.task} reads no folder; leave data_root and limit out")
        if self.slowest is not None:
            require_between("run: slowest", self.slowest, 1, LARGEST)
        if self.limit is not None:
            require_between("run: limit", self.limit, 1, LARGEST)
