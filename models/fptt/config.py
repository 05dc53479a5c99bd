"""What a training run is asked for, checked before the work."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch

from onchip.checks import require_between, require_choice
from onchip.models.fptt.cells import CELLS
from onchip.models.fptt.learners import WEIGHTINGS, require_parts
from onchip.models.fptt.optimizer import FPTTConfig
from onchip.models.fptt.tasks import DIGIT_STEPS, AddTask

TASKS = ("add", "digits")
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

    `cell` one of `onchip.models.fptt.cells.CELLS`, `hidden` cells, `method` one of `METHODS`;
    `steps` T of the add task (digits have 64). `updates` batches of `batch` sequences, each making
    `parts` updates of the weights by FPTT and one by BPTT; of digits `updates` are whole epochs.
    `optimizer` one of `OPTIMIZERS` at `learning_rate`, which by `schedule` falls to zero along half
    a cosine or stays. `target` final, or running (the add task, FPTT); `weighting` of parts one of
    `onchip.models.fptt.learners.WEIGHTINGS`; `oracle` adds the former prediction (digits, FPTT).
    `fptt` holds alpha, beta, rho and the clip. Raises ValueError for what does not fit together.
    """

    task: str = "add"
    cell: str = "ltc"
    method: str = "fptt"
    hidden: int = 64
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
    seed: int = 0
    fptt: FPTTConfig = field(default_factory=FPTTConfig)

    def __post_init__(self) -> None:
        for name, choices in (("task", TASKS), ("cell", CELLS), ("method", METHODS),
                              ("target", TARGETS), ("weighting", WEIGHTINGS),
                              ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):  # fmt: skip
            require_choice(f"run: {name}", getattr(self, name), choices)
        for name in ("hidden", "steps", "parts", "batch", "updates"):
            require_between(f"run: {name}", getattr(self, name), 1, LARGEST)
        require_between("run: learning_rate", self.learning_rate, 0, 10, open_low=True)
        require_between("run: seed", self.seed, 0, 2**63 - 1)
        self._require_fitting()

    def _require_fitting(self) -> None:
        """The task and the method go with each other's options."""
        if self.task == "add":
            AddTask(self.steps)
            if self.oracle:
                raise ValueError("run: the oracle is a distribution over classes; add has none")
        elif self.steps != DIGIT_STEPS:
            raise ValueError(f"run: digits have {DIGIT_STEPS} steps, not {self.steps}")
        elif self.target == "running":
            raise ValueError("run: digits have no running target; use final")
        if self.method == "fptt":
            require_parts(self.steps, self.parts)
        elif self.target == "running" or self.oracle:
            raise ValueError("run: running targets and the oracle are FPTT's; bptt has neither")
