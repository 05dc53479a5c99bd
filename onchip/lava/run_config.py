"""The run configuration that picks the fast process models for Lava's own processes."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense, LearningDense

from onchip.checks import require_choice
from onchip.lava.fast.convolution import stock_geometry
from onchip.lava.fast.rules import fast_rule
from onchip.lava.processes.fast_conv import FastConvModelFixed, FastConvModelFloat
from onchip.lava.processes.fast_dense import FastDenseModelFixed, FastDenseModelFloat
from onchip.lava.processes.fast_learning_dense import (
    FastLearningDenseModelFixed,
    FastLearningDenseModelFloat,
)

FAST_MODELS: dict[type, dict[str, type]] = {
    Conv: {"floating_pt": FastConvModelFloat, "fixed_pt": FastConvModelFixed},
    Dense: {"floating_pt": FastDenseModelFloat, "fixed_pt": FastDenseModelFixed},
    LearningDense: {
        "floating_pt": FastLearningDenseModelFloat,
        "fixed_pt": FastLearningDenseModelFixed,
    },
}
"""Process -> tag -> model. Lava looks for models beside a process only, so not here."""

TAGS = ("floating_pt", "fixed_pt")


class FastSimCfg(Loihi2SimCfg):
    """`Loihi2SimCfg` with the fast models of `FAST_MODELS`; all other processes as there.

    `select_tag` is "floating_pt" or "fixed_pt"; `options` are those of Loihi2SimCfg, and what its
    `exception_proc_model_map` says goes first. Compiling raises ValueError for a learning rule or
    an option that the fast models do not compute exactly.
    """

    def __init__(self, select_tag: str = "floating_pt", **options: Any) -> None:
        require_choice("FastSimCfg: select_tag", select_tag, TAGS)
        super().__init__(select_tag=select_tag, **options)

    def select(self, process: AbstractProcess, proc_models: list[type]) -> type:
        """The model of a process, from those that Lava found."""
        kind = type(process)
        fast = FAST_MODELS.get(kind, {}).get(self.select_tag)
        if fast is None or kind in self.exception_proc_model_map:
            chosen: type = super().select(process, proc_models)
            return chosen
        _check(process, floating=self.select_tag == "floating_pt")
        return fast


def _check(process: AbstractProcess, floating: bool) -> None:
    """Refuse a rule or an option here, before any OS process is started."""
    try:
        if type(process) is LearningDense:
            fast_rule(process.proc_params, floating)
        elif type(process) is Conv:
            stock_geometry(process.proc_params)
    except ValueError as error:
        raise ValueError(f"process {process.name!r}: {error}") from None
