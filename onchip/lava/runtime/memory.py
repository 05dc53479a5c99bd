"""Whole arrays of a running process: `read_var` and `write_var`, between runs.

Where the models run in the caller's OS process they are attributes. Between OS processes Lava's
`Var.get` and `Var.set` send one element per message, tens of microseconds each; there a process
with a `Mailbox` answers the same requests by copying the whole Var through memory that it shares
with the host. Every Python process model can do it, stock ones too: `MailboxConfig` gives each a
mailbox as it is chosen, and `onchip.lava.runtime.processes` uses it.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from lava.magma.core.model.py.connection import AbstractLearningConnection
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_to_np

from onchip.lava.runtime.compilation import choosing, selection
from onchip.lava.runtime.one_process import OneProcessRuntime
from onchip.lava.runtime.variables import SYNAPTIC_STATE

PARAMETER = "mailbox"
"""The process parameter that holds a process's `Mailbox`."""

HEADER = np.dtype([("in_use", np.int64), ("answers", np.int64), ("dtype", "S8")])
PLAIN = (np.ndarray, int, float, np.number)
"""Types of Vars that go through a mailbox."""

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

    @property
    def answers(self) -> int:
        """Requests that were answered through here so far."""
        return int(self._header["answers"][0])

    def count_answer(self) -> None:
        """One more request was answered."""
        self._header["answers"] += 1

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

    A base class that `MailboxConfig` puts before a process model of any kind. A Var that is
    text or a sparse matrix is not answered: the host asks for it as usual.
    """

    def _get_var(self) -> None:
        mailbox = self.proc_params.get(PARAMETER)
        if mailbox is None or not mailbox.in_use:
            super()._get_var()
            return
        name = self._requested_name()
        self.collect_vars()
        value = getattr(self, name)
        if isinstance(value, PLAIN):
            mailbox.put(np.asarray(value))
            mailbox.count_answer()
        self.process_to_service.send(enum_to_np(1))  # the number of elements that follow
        self.process_to_service.send(enum_to_np(0, np.float64))

    def _set_var(self) -> None:
        mailbox = self.proc_params.get(PARAMETER)
        if mailbox is None or not mailbox.in_use:
            super()._set_var()
            return
        name = self._requested_name()
        self.collect_vars()
        var = getattr(self, name)
        for _ in range(int(self.service_to_process.recv()[0].item())):
            self.service_to_process.recv()
        taken = isinstance(var, PLAIN)
        if taken:
            setattr(self, name, _like(var, mailbox))
            mailbox.count_answer()
        self.process_to_service.send(MGMT_RESPONSE.SET_COMPLETE)
        if taken and not (isinstance(self, AbstractLearningConnection) and name in SYNAPTIC_STATE):
            self.on_var_update()

    def collect_vars(self) -> None:
        """Called before a Var is read; a model that keeps its state elsewhere copies it here."""
        collect = getattr(super(), "collect_vars", None)
        if collect is not None:
            collect()

    def _requested_name(self) -> str:
        number = int(self.service_to_process.recv()[0].item())
        return str(self.var_id_to_var_map[number])


def _like(var: Any, mailbox: Mailbox) -> Any:
    """What was put, a new array (as a reference port would leave it) or number of `var`'s type."""
    if isinstance(var, np.ndarray):
        return mailbox.take(var.shape).astype(var.dtype)
    return type(var)(mailbox.take((1,)).item())


class MailboxConfig:
    """A run configuration that gives each process with a Python model a mailbox.

    `run_config` decides the models as before; pass `selecting` to Lava.
    """

    def __init__(self, run_config: RunConfig) -> None:
        self._select = selection(run_config)
        self._processes: list[AbstractProcess] = []
        self.selecting: Any = choosing(run_config, self.select)

    def select(self, process: AbstractProcess, models: list[Any]) -> type:
        """The model of a process, with a mailbox for the largest Var if it is one in Python."""
        model = self._select(process, models)
        if not issubclass(model, AbstractPyProcessModel):
            return model
        elements = max((int(np.prod(var.shape)) for var in process.vars), default=0)
        process.proc_params.overwrite(PARAMETER, Mailbox(elements))
        self._processes.append(process)
        return type(model.__name__, (MailboxModel, model), {"__module__": model.__module__})

    def release(self) -> None:
        """Let go of the mailboxes: Lava keeps every process of an interpreter for ever."""
        for process in self._processes:
            process.proc_params.overwrite(PARAMETER, None)
        self._processes.clear()


def read_var(var: Var) -> np.ndarray:
    """The Var of a running process between runs, in the type of its model.

    Element by element where its model is not in Python or holds text or a sparse matrix.
    RuntimeError when it does not run, and while steps are being run: Lava would not answer.
    """
    runtime, mailbox = _runtime(var), var.process.proc_params.get(PARAMETER)
    if isinstance(runtime, OneProcessRuntime):
        return runtime.read(var)
    if mailbox is not None:
        before = mailbox.answers
        with mailbox:
            runtime.get_var(var.id)
        if mailbox.answers > before:
            taken: np.ndarray = mailbox.take(var.shape)
            return taken
    return np.array(var.get())


def write_var(var: Var, values: np.ndarray) -> None:
    """Set the Var of a running process between runs; as `read_var`.

    Raises ValueError for values of another shape.
    """
    values, runtime = np.asarray(values), _runtime(var)
    if values.shape != tuple(var.shape):
        raise ValueError(
            f"{var.process.name}.{var.name}: values of shape {values.shape} do not fit the Var's "
            f"{tuple(var.shape)}"
        )
    if isinstance(runtime, OneProcessRuntime) and runtime.write(var, values):
        return
    mailbox = var.process.proc_params.get(PARAMETER)
    if mailbox is not None:
        before = mailbox.answers
        with mailbox:
            mailbox.put(values)
            runtime.set_var(var.id, np.zeros(1))
        if mailbox.answers > before:
            return
    var.set(values)


def _runtime(var: Var) -> Any:
    runtime = var.process.runtime
    if runtime is None or not runtime._is_started:
        raise RuntimeError(f"{var.process.name}.{var.name}: its process is not running")
    if runtime._is_running:
        raise RuntimeError(
            f"{var.process.name}.{var.name}: steps are being run; ask between two runs or streams"
        )
    return runtime
