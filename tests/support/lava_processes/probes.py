"""Lava processes for tests of the runtimes; nothing else may live in this folder."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF


class Writer(AbstractProcess):
    """Every `period` steps writes the number of the step to a Var, then reads it back in `seen`."""

    def __init__(self, *, shape: tuple[int, ...], period: int = 3) -> None:
        super().__init__(period=period)
        self.target = RefPort(shape=shape)
        self.seen = Var(shape=shape, init=0)


@implements(proc=Writer, protocol=LoihiProtocol)
@requires(CPU)
class WriterModel(PyLoihiProcessModel):
    target: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    seen: np.ndarray = LavaPyType(np.ndarray, float)

    def post_guard(self) -> bool:
        return self.time_step % self.proc_params["period"] == 0

    def run_post_mgmt(self) -> None:
        self.target.write(np.full(self.seen.shape, self.time_step / 7))
        self.target.wait()
        self.seen = self.target.read()


class SparseSender(AbstractProcess):
    """Sends the values that are not 0 of step t, and where they stand, through a sparse port."""

    def __init__(self, *, data: np.ndarray) -> None:
        super().__init__()
        self.data = Var(shape=data.shape, init=data)
        self.out = OutPort(shape=data.shape[:1])


@implements(proc=SparseSender, protocol=LoihiProtocol)
@requires(CPU)
class SparseSenderModel(PyLoihiProcessModel):
    out: PyOutPort = LavaPyType(PyOutPort.VEC_SPARSE, np.int32)
    data: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def run_spk(self) -> None:
        values = self.data[:, (self.time_step - 1) % self.data.shape[1]]
        indices = np.nonzero(values)[0]
        self.out.send(values[indices], indices)


class SparseReceiver(AbstractProcess):
    """Adds up what comes through a sparse port."""

    def __init__(self, *, shape: tuple[int]) -> None:
        super().__init__()
        self.inp = InPort(shape=shape)
        self.total = Var(shape=shape, init=0)


@implements(proc=SparseReceiver, protocol=LoihiProtocol)
@requires(CPU)
class SparseReceiverModel(PyLoihiProcessModel):
    inp: PyInPort = LavaPyType(PyInPort.VEC_SPARSE, np.int32)
    total: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def run_spk(self) -> None:
        values, indices = self.inp.recv()
        np.add.at(self.total, indices, values)


class Column(AbstractProcess):
    """Hierarchical: synapses and neurons as one process; `v` stands for the neurons'."""

    def __init__(self, *, weights: np.ndarray) -> None:
        super().__init__(weights=weights)
        self.s_in = InPort(shape=weights.shape[1:])
        self.s_out = OutPort(shape=weights.shape[:1])
        self.v = Var(shape=weights.shape[:1], init=0)


@implements(proc=Column, protocol=LoihiProtocol)
class ColumnModel(AbstractSubProcessModel):
    def __init__(self, proc: AbstractProcess) -> None:
        weights = proc.proc_params["weights"]
        self.dense = Dense(weights=weights)
        self.lif = LIF(shape=weights.shape[:1], du=0.2, dv=0.1, vth=1.5)
        proc.s_in.connect(self.dense.s_in)
        self.dense.a_out.connect(self.lif.a_in)
        self.lif.s_out.connect(proc.s_out)
        proc.v.alias(self.lif.v)


class Scripted(AbstractProcess):
    """Calls functions that it is given, with its model; has ports in and out, and Vars.

    `calls`: method name ("run_spk", "run_lrn", ...) -> function(model).
    """

    def __init__(self, *, calls: dict, name: str | None = None) -> None:
        super().__init__(calls=calls, name=name)
        self.inp = InPort(shape=(2,))
        self.out = OutPort(shape=(2,))
        self.ref = RefPort(shape=(2,))
        self.count = Var(shape=(2,), init=0)
        self.number = Var(shape=(1,), init=5)
        self.text = Var(shape=(5,), init="abcde")


@implements(proc=Scripted, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ScriptedModel(PyLoihiProcessModel):
    inp: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    count: np.ndarray = LavaPyType(np.ndarray, float)
    number: int = LavaPyType(int, int)
    text: str = LavaPyType(str, str)

    def __init__(self, proc_params: dict) -> None:
        super().__init__(proc_params)
        self.calls = proc_params["calls"]
        self._call("constructor")

    def _call(self, name: str, default: object = None) -> object:
        return self.calls[name](self) if name in self.calls else default

    def run_spk(self) -> None:
        self._call("run_spk")

    def pre_guard(self) -> object:
        return self._call("pre_guard", "run_pre_mgmt" in self.calls)

    def run_pre_mgmt(self) -> None:
        self._call("run_pre_mgmt")

    def lrn_guard(self) -> object:
        return self._call("lrn_guard", "run_lrn" in self.calls)

    def run_lrn(self) -> None:
        self._call("run_lrn")

    def post_guard(self) -> object:
        return self._call("post_guard", "run_post_mgmt" in self.calls)

    def run_post_mgmt(self) -> None:
        self._call("run_post_mgmt")

    def on_var_update(self) -> None:
        self._call("on_var_update")


class OwnHandlers(AbstractProcess):
    """Its model overrides Lava's handlers and answers requests for its Var itself."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Var(shape=(4,), init=0)


@implements(proc=OwnHandlers, protocol=LoihiProtocol)
@requires(CPU)
class OwnHandlersModel(PyLoihiProcessModel):
    log: np.ndarray = LavaPyType(np.ndarray, float)

    def _spike(self) -> None:
        self.log[0] += 1
        super()._spike()

    def lrn_guard(self) -> bool:
        return self.time_step % 2 == 0

    def _lrn(self) -> None:
        self.log[1] += self.time_step
        super()._lrn()

    def _host(self) -> None:
        self.log[2] += 1
        super()._host()

    def _get_var(self) -> None:
        self.log[3] += 1
        super()._get_var()


class Asynchronous(AbstractProcess):
    """Has a model of the AsyncProtocol only."""


@implements(proc=Asynchronous, protocol=AsyncProtocol)
@requires(CPU)
class AsynchronousModel(PyAsyncProcessModel):
    def run_async(self) -> None:
        pass
