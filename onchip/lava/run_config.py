"""The run configuration that picks the fast process models for Lava's own processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense, LearningDense

from onchip.checks import require_choice
from onchip.lava.fast.rules import fast_rule
from onchip.lava.processes.fast_dense import FastDenseModelFixed, FastDenseModelFloat
from onchip.lava.processes.fast_learning_dense import (
    FastLearningDenseModelFixed,
    FastLearningDenseModelFloat,
)

FAST_MODELS: dict[type, dict[str, type]] = {
    Dense: {"floating_pt": FastDenseModelFloat, "fixed_pt": FastDenseModelFixed},
    LearningDense: {
        "floating_pt": FastLearningDenseModelFloat,
        "fixed_pt": FastLearningDenseModelFixed,
    },
}
"""Process -> tag -> model. Lava looks for models beside a process only, so not here.

Those of `Conv` are in `fast_models`."""

CONVOLUTIONS = "lava.proc.conv.process"
"""Lava's module of `Conv`: half of what Lava takes to import, for SciPy's signal processing."""

TAGS = ("floating_pt", "fixed_pt")


class FastSimCfg(Loihi2SimCfg):
    """`Loihi2SimCfg` with the fast models of `fast_models`; all other processes as there.

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
        fast = fast_models(kind).get(self.select_tag)
        if fast is None or kind in self.exception_proc_model_map:
            chosen: type = super().select(process, proc_models)
            return chosen
        _check(process, floating=self.select_tag == "floating_pt")
        return fast


def fast_models(kind: type) -> Mapping[str, type]:
    """Return the fast models of a class of processes by tag, none where there are none."""
    if not _convolves(kind):
        return FAST_MODELS.get(kind, {})
    from onchip.lava.processes.fast_conv import FastConvModelFixed, FastConvModelFloat

    return {"floating_pt": FastConvModelFloat, "fixed_pt": FastConvModelFixed}


def _convolves(kind: type) -> bool:
    """Whether it is Lava's `Conv`, asked without importing it."""
    return kind.__module__ == CONVOLUTIONS and kind.__name__ == "Conv"


def _check(process: AbstractProcess, floating: bool) -> None:
    """Refuse a rule or an option here, before any OS process is started."""
    try:
        if type(process) is LearningDense:
            fast_rule(process.proc_params, floating)
        elif _convolves(type(process)):
            from onchip.lava.fast.convolution import stock_geometry

            stock_geometry(process.proc_params)
    except ValueError as error:
        raise ValueError(f"process {process.name!r}: {error}") from None
