"""Whole arrays of a running process through shared memory.

Lava's `Var.get` and `Var.set` send one element per message, 20 microseconds each. A process with a
`Mailbox` answers the same requests by copying the whole Var through memory that it shares with the
host: `read_var` and `write_var`, between runs, as Lava's own. Every Python process model can do it,
stock ones too, once the run configuration went through `with_mailboxes`.
"""

from __future__ import annotations

import copy
import mmap
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_to_np

PARAMETER = "mailbox"
"""The process parameter that holds a process's `Mailbox`."""

HEADER = np.dtype([("in_use", np.int64), ("dtype", "S8")])
WIDEST = 8
"""Bytes of one element of the widest type."""


class Mailbox:
    """Memory for one array of up to `elements`, shared with the processes forked after it was made.

    The operating system frees it with its last holder.
    """

    def __init__(self, elements: int) -> None:
        memory = mmap.mmap(-1, HEADER.itemsize + elements * WIDEST)
        self._header = np.frombuffer(memory, HEADER, count=1)
        self._body = np.frombuffer(memory, np.uint8, offset=HEADER.itemsize)

    @property
    def in_use(self) -> bool:
        """Whether the next request for a Var goes through here; else it goes element by element."""
        return bool(self._header["in_use"][0])

    def __enter__(self) -> Mailbox:
        self._header["in_use"] = 1
        return self

    def __exit__(self, *exception: object) -> None:
        self._header["in_use"] = 0

    def put(self, values: np.ndarray) -> None:
        """Copy an array into the memory."""
        self._header["dtype"] = values.dtype.str.encode()
        self._view(values.dtype, values.shape)[...] = values

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """A copy of what was put there, an array of this shape."""
        return self._view(np.dtype(self._header["dtype"][0].decode()), shape).copy()

    def _view(self, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        count = int(np.prod(shape))
        return self._body[: count * dtype.itemsize].view(dtype).reshape(shape)


class MailboxModel(AbstractPyProcessModel):
    """Answers requests for Vars through the process's mailbox while that is in use.

    A base class that `with_mailboxes` puts before a process model of any kind.
    """

    def _get_var(self) -> None:
        mailbox = self.proc_params.get(PARAMETER)
        if mailbox is None or not mailbox.in_use:
            super()._get_var()
            return
        name = self._requested_name()
        self.collect_vars()
        mailbox.put(getattr(self, name))
        self.process_to_service.send(enum_to_np(1))  # the number of elements that follow
        self.process_to_service.send(enum_to_np(0, np.float64))

    def _set_var(self) -> None:
        mailbox = self.proc_params.get(PARAMETER)
        if mailbox is None or not mailbox.in_use:
            super()._set_var()
            return
        var = getattr(self, self._requested_name())
        for _ in range(int(self.service_to_process.recv()[0].item())):
            self.service_to_process.recv()
        var[...] = mailbox.take(var.shape)
        self.process_to_service.send(MGMT_RESPONSE.SET_COMPLETE)
        self.on_var_update()

    def collect_vars(self) -> None:
        """Called before a Var is read; a model that keeps its state elsewhere copies it here."""
        collect = getattr(super(), "collect_vars", None)
        if collect is not None:
            collect()

    def _requested_name(self) -> str:
        number = int(self.service_to_process.recv()[0].item())
        return str(self.var_id_to_var_map[number])


def with_mailboxes(run_config: RunConfig) -> RunConfig:
    """The run configuration with every Python model that it chooses answering through mailboxes."""

    def select(process: AbstractProcess, models: list[Any]) -> type:
        model: type = run_config.select(process, models)
        if not issubclass(model, AbstractPyProcessModel):
            return model
        return type(model.__name__, (MailboxModel, model), {"__module__": model.__module__})

    changed: Any = copy.copy(run_config)
    changed.select = select
    return changed


def add_mailbox(process: AbstractProcess) -> None:
    """Give a process that is not compiled yet a mailbox that holds its largest Var."""
    elements = max((int(np.prod(var.shape)) for var in process.vars), default=0)
    process.proc_params.overwrite(PARAMETER, Mailbox(elements))


def remove_mailbox(process: AbstractProcess) -> None:
    """Let go of a process's mailbox: Lava keeps every process of an interpreter for ever."""
    process.proc_params.overwrite(PARAMETER, None)


def read_var(var: Var) -> np.ndarray:
    """The Var of a running process between runs, in the type of its model; RuntimeError else."""
    runtime = _runtime(var)
    with _mailbox(var) as mailbox:
        runtime.get_var(var.id)
        return mailbox.take(var.shape)


def write_var(var: Var, values: np.ndarray) -> None:
    """Set the Var of a running process between runs.

    Raises ValueError for another shape and RuntimeError when the process does not run.
    """
    values, runtime = np.asarray(values), _runtime(var)
    if values.shape != tuple(var.shape):
        raise ValueError(
            f"{var.process.name}.{var.name}: values of shape {values.shape} do not fit the Var's "
            f"{tuple(var.shape)}"
        )
    with _mailbox(var) as mailbox:
        mailbox.put(values)
        runtime.set_var(var.id, np.zeros(1))


def _runtime(var: Var) -> Any:
    runtime = var.process.runtime
    if runtime is None or not runtime._is_started:
        raise RuntimeError(f"{var.process.name}.{var.name}: its process is not running")
    return runtime


def _mailbox(var: Var) -> Mailbox:
    mailbox: Mailbox | None = var.process.proc_params.get(PARAMETER)
    if mailbox is None:
        raise RuntimeError(
            f"{var.process.name}: it has no mailbox; call add_mailbox before it is compiled"
        )
    return mailbox
