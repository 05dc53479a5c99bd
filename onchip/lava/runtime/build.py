"""Builds the process models of a compiled Lava network in this OS process, and connects them."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, cast

import numpy as np
from lava.magma.compiler.builders.channel_builder import ChannelBuilderMp
from lava.magma.compiler.executable import Executable
from lava.magma.core.model.py.model import AbstractPyProcessModel, PyLoihiProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, create_port_id
from lava.magma.core.process.process import AbstractProcess, ProcessParameters
from scipy.sparse import csr_matrix

from onchip.lava.runtime.channels import Channel, ReceiveEnd, SendEnd
from onchip.lava.runtime.pipes import (
    Doorbell,
    HostReceiveEnd,
    HostSendEnd,
    PipeReceiveEnd,
    PipeSendEnd,
)
from onchip.lava.runtime.ports import shorten
from onchip.lava.runtime.scheduler import Scheduler
from onchip.lava.runtime.variables import Answers, Requests

INSTEAD = "run it in OS processes of its own: runtime='processes'"


class Built(NamedTuple):
    """The models by process, in Lava's order, and the channels whose other end is the host's."""

    models: dict[AbstractProcess, Any]
    pipes: set[Channel]


def refuse(process: AbstractProcess, model: type) -> None:
    """Raise ValueError for a model that cannot run in the caller's OS process, by name."""
    if issubclass(model, AbstractSubProcessModel):
        return  # Lava puts the processes that it makes in its place
    name = f"process {process.name!r}: its model {model.__name__}"
    if not issubclass(model, AbstractPyProcessModel):
        raise ValueError(f"{name} is not in Python; choose a Python model of it, or {INSTEAD}")
    if not issubclass(model, PyLoihiProcessModel):
        raise ValueError(
            f"{name} follows the AsyncProtocol, in which nothing says when it gives way to others; "
            f"choose one of the LoihiProtocol, or {INSTEAD}"
        )
    for method in ("run", "start"):
        if getattr(model, method) is not getattr(PyLoihiProcessModel, method):
            raise ValueError(
                f"{name} has a {method}() of its own, which would not return; {INSTEAD}"
            )


def build(executable: Executable, scheduler: Scheduler, bell: Doorbell) -> Built:
    """Make the models of all processes and their channels.

    Raises ValueError for a model or a network that this runtime does not run, and what a model's
    constructor raises.
    """
    for process in executable.process_list:
        refuse(process, process.model_class)
    if len(executable.sync_domains) > 1:
        names = ", ".join(domain.name for domain in executable.sync_domains)
        raise ValueError(f"network: it has several sync domains ({names}); {INSTEAD}")
    for channel_builder in executable.channel_builders:
        _connect(executable, channel_builder, scheduler)
    pipes: set[Channel] = set()
    models = {}
    for process, builder in executable.proc_builders.items():
        pipes |= _open_pipes(process, builder, scheduler, bell)
        models[process] = _model(builder)
    return Built(models, pipes)


def _connect(executable: Executable, builder: ChannelBuilderMp, scheduler: Scheduler) -> None:
    source, target = builder.src_port_initializer, builder.dst_port_initializer
    channel = Channel(
        (builder.src_process, source.name),
        (builder.dst_process, target.name),
        source.shape,
        source.d_type,
        source.size,
    )
    sender = executable.proc_builders[builder.src_process]
    receiver = executable.proc_builders[builder.dst_process]
    start = SendEnd(source.name, channel, scheduler.wait, scheduler.wake)
    end = ReceiveEnd(target.name, channel, scheduler.wait, scheduler.wake)
    start.idle = end.idle = scheduler.let_others
    sender.set_csp_ports([start])
    receiver.set_csp_ports([end])
    receiver.add_csp_port_mapping(create_port_id(builder.src_process.id, source.name), end)


def _open_pipes(
    process: AbstractProcess, builder: Any, scheduler: Scheduler, bell: Doorbell
) -> set[Channel]:
    """Channels to and from the host for the ports that are flagged for it."""
    pipes = set()
    for name, initializer in builder.py_ports.items():
        port = getattr(process, name)
        if not port.external_pipe_flag:
            continue
        own, host = (process, name), (None, "")
        sender, receiver = (host, own) if isinstance(port, InPort) else (own, host)
        size = port.external_pipe_buffer_size
        pipe = Channel(sender, receiver, initializer.shape, initializer.d_type, size)
        pipes.add(pipe)
        if isinstance(port, InPort):
            end = PipeReceiveEnd(name, pipe, scheduler.wait, scheduler.wake, bell)
            builder.set_csp_ports([end])
            port.external_pipe_csp_send_port = HostSendEnd(pipe, bell)
        else:
            end = PipeSendEnd(name, pipe, scheduler.wait, scheduler.wake, bell)
            builder.set_csp_ports([end])
            port.external_pipe_csp_recv_port = HostReceiveEnd(pipe, bell)
    return pipes


def _model(builder: Any) -> Any:
    """The built model, alone with its parameters and sparse Vars as a forked process would be."""
    builder.proc_params = _own_parameters(builder.proc_params)
    model = builder.build()
    for name, value in vars(model).items():
        if isinstance(value, csr_matrix):
            vars(model)[name] = value.copy()
    model.service_to_process, model.process_to_service = Requests(), Answers()
    for port in model.py_ports:
        shorten(port)
    if type(model).__setattr__ is AbstractPyProcessModel.__setattr__:
        object.__setattr__(model, "__class__", _with_plain_attributes(cast(Hashable, type(model))))
    return model


def _own_parameters(parameters: Any) -> Any:
    """Copies of what a process gives its model, as a fork would make.

    What two parameters share is shared by their copies. What cannot be copied stays the process's,
    and so do arrays in memory that is shared on purpose, a memory map for one.
    """
    own, memo = {}, dict[int, Any]()
    for name, value in parameters._parameters.items():
        own[name] = value
        if not _is_shared(value):
            with contextlib.suppress(Exception):
                own[name] = copy.deepcopy(value, memo)
    return ProcessParameters(own)


def _is_shared(value: Any) -> bool:
    """Whether an array lies in memory that belongs to no array."""
    while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
        value = value.base
    return isinstance(value, np.ndarray) and value.base is not None


def _quietly(delete: Callable[[Any], None]) -> Callable[[Any], None]:
    def quiet(model: Any) -> None:
        with contextlib.suppress(Exception):
            delete(model)

    return quiet


@functools.lru_cache(maxsize=512)
def _with_plain_attributes(kind: Hashable) -> Any:
    """The class of a built model with Python's own `__setattr__`.

    Lava's looks at every value that is assigned, to keep a list of ports; a built model has it. A
    `__del__` (that of Lava's Injector always fails) says nothing into the caller's program.
    """
    base: Any = kind
    plain: dict[str, Any] = {"__setattr__": object.__setattr__}
    if hasattr(base, "__del__"):
        plain["__del__"] = _quietly(base.__del__)
    names = {"__module__": base.__module__, "__qualname__": base.__qualname__}
    return type(base.__name__, (base,), {**plain, **names})
