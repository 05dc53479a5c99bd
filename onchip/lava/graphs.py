"""Lava networks of one's own processes, run in the caller's OS process.

    run(process, RunSteps(100), Loihi2SimCfg(select_tag="floating_pt"))
    u = process.u.get()
    process.stop()

`run` is Lava's `process.run` with another runtime behind it: everything else of a process (its
Vars, `wait`, `pause`, `stop`, the run conditions) is as in Lava, and so are the results.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import AbstractRunCondition, RunSteps
from lava.magma.core.run_configs import RunConfig

from onchip.lava.runtime.one_process import OneProcessRuntime
from onchip.lava.runtime.supervisor import Supervisor


def run(
    process: AbstractProcess,
    condition: AbstractRunCondition,
    run_config: RunConfig | None = None,
    runtime: str | None = None,
) -> None:
    """Run all processes connected to `process` as the condition says.

    They are compiled at the first run, for which `run_config` chooses their models, and again,
    from their initial values, at the first one after `process.stop()` or a failure. `runtime` is a
    name of `onchip.execution.RUNTIMES`. Raises LavaExecutionError when a model fails (the
    network is closed then), ValueError without a run configuration where one is needed and for
    models that the runtime does not run.
    """
    supervisor = _supervisor(process)
    if supervisor is None:
        if run_config is None:
            raise ValueError(
                f"process {process.name!r}: it is not compiled; name a run configuration, "
                "Loihi2SimCfg(select_tag='floating_pt') for example"
            )
        supervisor = _start(process, run_config, runtime)
    present = supervisor.require_runtime()
    if isinstance(present, OneProcessRuntime):
        present.start(condition)
    elif isinstance(condition, RunSteps) and condition.blocking:
        supervisor.run(condition.num_steps)
    else:
        process.run(condition)


@contextlib.contextmanager
def running(
    process: AbstractProcess, run_config: RunConfig, runtime: str | None = None
) -> Iterator[Supervisor]:
    """All processes connected to `process`, compiled and ready; they end with the context.

    Yields what runs them: `supervisor.run(steps)`. `run` and `process.run` go on with the same
    network inside.
    """
    supervisor = _start(process, run_config, runtime)
    try:
        yield supervisor
    finally:
        supervisor.close()


def _start(process: AbstractProcess, run_config: RunConfig, runtime: str | None) -> Supervisor:
    supervisor = Supervisor(process, run_config, runtime)
    supervisor.start()
    supervisor.require_runtime().supervisor = supervisor
    return supervisor


def _supervisor(process: AbstractProcess) -> Supervisor | None:
    """What runs a process already; None where nothing does, or no longer."""
    runtime = process.runtime
    if isinstance(runtime, OneProcessRuntime) and not runtime._is_started:
        runtime.wait()  # which tells a failure that nobody has heard of
    supervisor: Supervisor | None = getattr(runtime, "supervisor", None)
    if supervisor is None or not runtime._is_started:
        return None
    return supervisor
