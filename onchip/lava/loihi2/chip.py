"""An integer network on Loihi 2, or a refusal that names what has no model for the chip.

Never run on a chip (see `onchip.lava.loihi2.hardware`). With its extension Lava brings chip models
of `Dense` and `LearningDense`. The neurons are different: `LIFLayer` and `Readout` reset softly,
hold their factor and fire in phases, and need neuron microcode of their own, which nobody has
written in public. Lava would put their Python models in its place without a word, so the models it
chose are checked here, and with today's extension a network of this project is refused with the
names of its neurons. Whoever adds chip models beside the processes (`onchip/lava/processes`) needs
no change here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core import run_configs
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2HwCfg
from lava.magma.runtime.runtime import Runtime

from onchip.execution import PROCESSES
from onchip.lava.loihi2.hardware import (
    EXTENSION,
    NEVER_RUN,
    SIMULATOR,
    HardwareUnavailableError,
    require_integers,
    require_loihi,
)
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.source import SpikeSource
from onchip.program.graphs import AnyNetwork

HOST_PROCESSES = (SpikeSource,)
"""What runs on the host by design: the stream of samples and labels.

The readout is not among them, though its error could be computed by an embedded CPU: its membrane
belongs on a neuro core, and both are one process. A model in C for the embedded CPU counts as on
the chip.
"""


class ChipRunConfig(Loihi2HwCfg):
    """Chooses chip models and remembers in `models` what it chose for each process.

    A model for a neuro core comes before one for the embedded CPU, whatever their tags: Lava drops
    a chip model without the tag fixed_pt in favour of the Python one that has it. Raises
    HardwareUnavailableError where Lava could not import its extension.
    """

    def __init__(self) -> None:
        if not hasattr(run_configs, "CLoihiProcessModel"):  # Lava would raise a NameError for it
            raise HardwareUnavailableError(
                f"backend loihi2: Lava could not import its chip extension; reinstall {EXTENSION} "
                f"for this lava-nc, or {SIMULATOR}"
            )
        super().__init__(select_tag="fixed_pt")
        self.models: dict[AbstractProcess, type] = {}

    def select(self, process: AbstractProcess, proc_models: list[Any]) -> type:
        """The model of `process`: one for the chip if there is any, else Python in integers."""
        order = self._order_according_to_resources(proc_models)
        on_chip = [proc_models[i] for i in order if not _is_python(proc_models[i])]
        model: type = on_chip[0] if on_chip else super().select(process, proc_models)
        self.models[process] = model
        return model


def chosen_models(runtime: Runtime) -> dict[AbstractProcess, type]:
    """The process model of each process of a compiled network."""
    return {process: process.model_class for process in runtime._executable.process_list}


def python_processes(models: Mapping[AbstractProcess, type]) -> tuple[str, ...]:
    """The processes, as "name (type)", that belong on the chip and have a Python model."""
    return tuple(
        f"{process.name} ({type(process).__name__})"
        for process, model in models.items()
        if _is_python(model) and not isinstance(process, HOST_PROCESSES)
    )


def require_chip_models(models: Mapping[AbstractProcess, type]) -> None:
    """Raise HardwareUnavailableError, naming them, if processes fell back to Python models."""
    fallen = python_processes(models)
    if fallen:
        raise HardwareUnavailableError(
            f"backend loihi2: there is no chip model of {', '.join(fallen)}, Lava chose Python on "
            f"the CPU ({NEVER_RUN}: its neurons need microcode that is not public); {SIMULATOR}"
        )


def loihi2_network(
    spec: AnyNetwork, schedule: str = "sequenced", *, record: bool = False
) -> LavaNetwork:
    """The network on the chip: as `LavaNetwork`, with every process but the source's there.

    Raises ValueError for a network in floating point and HardwareUnavailableError where there is no
    chip or a process has no model for it; nothing keeps running then.
    """
    require_integers(spec)
    require_loihi()
    config = ChipRunConfig()
    try:
        network = LavaNetwork(spec, schedule, record=record, run_config=config, runtime=PROCESSES)
    except Exception:
        require_chip_models(config.models)  # says more than what the compiler met because of it
        raise
    try:
        require_chip_models(chosen_models(network.supervisor.require_runtime()))
    except HardwareUnavailableError:
        network.close()
        raise
    return network


def _is_python(model: type) -> bool:
    return issubclass(model, AbstractPyProcessModel)
