"""What one process model does in each phase of a Lava time step, as calls without arguments.

Lava sends every model a command for every phase and reads its answer. Here a model whose handlers
are Lava's own is called directly (`_direct`), and takes part in the phases of learning and
management only if it has a guard for one: the handlers of all others do nothing there. A model with
handlers of its own gets the command through them (`_by_handlers`). The guards are asked as often,
and in the same order, as Lava asks them: they may have effects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND

from onchip.lava.runtime.errors import LavaExecutionError, description

PRE, LEARN, POST, PAUSE, STOP = 1, 2, 4, 8, 16
"""What a model asks for at the end of a phase, as bits."""

Phase = PyLoihiProcessModel.Phase
Response = PyLoihiProcessModel.Response

ASKED = {
    int(response[0]): bit
    for response, bit in (
        (Response.REQ_PRE_LRN_MGMT, PRE),
        (Response.REQ_LEARNING, LEARN),
        (Response.REQ_POST_LRN_MGMT, POST),
        (Response.REQ_PAUSE, PAUSE),
        (Response.REQ_STOP, STOP),
    )
}
HANDLERS = ("_spike", "_pre_mgmt", "_lrn", "_post_mgmt", "_host", "_handle_pause_or_stop_req")
SENDING, RECEIVING = "run_spk_sending", "run_spk_receiving"
"""Methods that together are the `run_spk` of a model that sends before it receives anything."""
GUARDS = ("pre_guard", "lrn_guard", "post_guard")

Call = Callable[[], None]
Ask = Callable[[int], None]
"""ask(bits): what a model asks for."""


class Member:
    """A model of a running network with its process, and its tasks.

    `spike`, `pre`, `learn`, `post` and `host` are its parts in the phases; the middle three are
    None for a model that has none. Where `early` is not None, it comes before the `spike` of any
    member: the first half of the spiking phase of a model that sends before it receives
    (`SENDING`), so that nobody has to wait for it.
    """

    def __init__(self, process: AbstractProcess, model: Any, ask: Ask) -> None:
        self.process, self.model = process, model
        self.name = f"process {process.name!r} ({type(process).__name__})"
        self.early: Call | None = None
        self.pre: Call | None = None
        self.learn: Call | None = None
        self.post: Call | None = None
        if _has_lavas_handlers(model):
            self._call_directly(model, ask)
        else:
            self._call_handlers(model, ask)

    def _call_directly(self, model: Any, ask: Ask) -> None:
        if _sends_first(model):
            self.early = self._told("run_spk", _begin(model))
            self.spike = _spike(self.name, model, getattr(model, RECEIVING), ask, begins=False)
        else:
            self.spike = _spike(self.name, model, None, ask, begins=True)
        if _is_guarded(model):
            self.pre = self._told("run_pre_mgmt", lambda: _manage_before(model, ask))
            self.learn = self._told("run_lrn", lambda: _learn(model, ask))
            self.post = self._told("run_post_mgmt", lambda: _manage_after(model, ask))
        self.host: Call = self._told("the host phase", lambda: _host(model))

    def _call_handlers(self, model: Any, ask: Ask) -> None:
        def handled(phase: Any) -> Call:
            name = f"phase {_PHASE_NAMES[int(phase[0])]}"
            return self._told(name, lambda: _handle(model, phase, ask))

        self.spike, self.pre = handled(Phase.SPK), handled(Phase.PRE_MGMT)
        self.learn, self.post = handled(Phase.LRN), handled(Phase.POST_MGMT)
        self.host = handled(Phase.HOST)

    def pause(self) -> None:
        """Lava's command to pause."""
        self.model._cmd_handlers[MGMT_COMMAND.PAUSE[0]]()

    def stop(self) -> None:
        """Lava's command to end."""
        self.model._cmd_handlers[MGMT_COMMAND.STOP[0]]()

    def _told(self, where: str, call: Call) -> Call:
        """The call, its exceptions told with the process's name."""
        name = self.name

        def told() -> None:
            try:
                call()
            except Exception as error:
                raise LavaExecutionError(f"{name}, {where}: {description(error)}") from error

        return told


_PHASE_NAMES = {
    int(getattr(Phase, name)[0]): name for name in ("SPK", "PRE_MGMT", "LRN", "POST_MGMT", "HOST")
}


def _has_lavas_handlers(model: Any) -> bool:
    kind, handlers = type(model), model._cmd_handlers
    if any(getattr(kind, name) is not getattr(PyLoihiProcessModel, name) for name in HANDLERS):
        return False
    pairs = zip(_PHASE_NAMES, HANDLERS, strict=False)
    return all(
        getattr(handlers[number], "__func__", None) is getattr(PyLoihiProcessModel, HANDLERS[index])
        for index, (number, _) in enumerate(pairs)
    )


def _sends_first(model: Any) -> bool:
    """Whether run_spk is the two halves that the class has, and not a later one's own."""
    for kind in type(model).__mro__:
        if "run_spk" in vars(kind):
            return SENDING in vars(kind) and "run_spk" not in vars(model)
    return False


def _is_guarded(model: Any) -> bool:
    """Whether a model may ask for a phase."""
    return any(
        getattr(type(model), guard) is not getattr(PyLoihiProcessModel, guard)
        or guard in vars(model)
        for guard in GUARDS
    )


def _advances_ports(model: Any) -> bool:
    """Whether the end of a step must be told to output ports: not to those in memory."""
    lavas = PyLoihiProcessModel.advance_to_time_step
    if type(model).advance_to_time_step is not lavas:
        return True
    kinds = {type(port) for port in model.py_ports if isinstance(port, PyOutPort)}
    return any(kind.advance_to_time_step is not PyOutPort.advance_to_time_step for kind in kinds)


def _begin(model: Any) -> Call:
    """The first half of `PyLoihiProcessModel._spike`, of a model that sends first."""
    send = getattr(model, SENDING)

    def begin() -> None:
        model.time_step += 1
        model.phase = Phase.SPK
        send()

    return begin


def _spike(name: str, model: Any, receive: Call | None, ask: Ask, begins: bool) -> Call:
    """`PyLoihiProcessModel._spike`, or its second half with `receive` and without `begins`.

    It is called at every step of every model, so it is one function and not several.
    """
    advances, guarded = _advances_ports(model), _is_guarded(model)

    def spike() -> None:
        try:
            if begins:
                model.time_step += 1
                model.phase = Phase.SPK
            (receive or model.run_spk)()
            if advances:
                model.advance_to_time_step(model.time_step + 1)
            if model._req_pause or model._req_stop:
                _pause_or_stop(model, ask)
            elif guarded:
                if model.lrn_guard() and model.pre_guard():
                    ask(PRE)
                elif model.lrn_guard():
                    ask(LEARN)
                elif model.post_guard():
                    ask(POST)
        except Exception as error:
            raise LavaExecutionError(f"{name}, run_spk: {description(error)}") from error

    return spike


def _manage_before(model: Any, ask: Ask) -> None:
    """`PyLoihiProcessModel._pre_mgmt`."""
    model.phase = Phase.PRE_MGMT
    if model.pre_guard():
        model.run_pre_mgmt()
    if model._req_pause or model._req_stop:
        _pause_or_stop(model, ask)
    else:
        ask(LEARN)


def _learn(model: Any, ask: Ask) -> None:
    """`PyLoihiProcessModel._lrn`."""
    model.phase = Phase.LRN
    if model.lrn_guard():
        model.run_lrn()
    if model._req_pause or model._req_stop:
        _pause_or_stop(model, ask)
    elif model.post_guard():
        ask(POST)


def _manage_after(model: Any, ask: Ask) -> None:
    """`PyLoihiProcessModel._post_mgmt`."""
    model.phase = Phase.POST_MGMT
    if model.post_guard():
        model.run_post_mgmt()
    if model._req_pause or model._req_stop:
        _pause_or_stop(model, ask)


def _host(model: Any) -> None:
    """`PyLoihiProcessModel._host`."""
    model.phase = Phase.HOST


def _pause_or_stop(model: Any, ask: Ask) -> None:
    """`PyLoihiProcessModel._handle_pause_or_stop_req`."""
    if model._req_pause:
        model._req_pause = False
        ask(PAUSE)
    elif model._req_stop:
        model._req_stop = False
        ask(STOP)


def _handle(model: Any, phase: Any, ask: Ask) -> None:
    """A command through the model's own handler; what it answered is asked for."""
    answers = model.process_to_service
    answers.last = None
    model._cmd_handlers[phase[0]]()
    if answers.last is not None:
        ask(ASKED.get(int(answers.last[0]), 0))
