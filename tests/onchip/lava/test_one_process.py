"""Lava networks in the caller's OS process: phases, failures, run conditions, Vars, threads."""

from __future__ import annotations

import contextlib
import itertools
import logging
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
from lava.magma.compiler.channels.pypychannel import CspSelector
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.injector import Injector, PyLoihiInjectorModel
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava_processes.probes import Asynchronous, OwnHandlers, Scripted, Writer
from parity_cases import random_events, two_hidden_layers

from onchip.execution import ONE_PROCESS, PROCESSES
from onchip.lava.component import NetworkComponent
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.graphs import run, running
from onchip.lava.runtime import supervisor
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.lava.runtime.memory import read_var, write_var
from onchip.lava.runtime.supervisor import Supervisor

SUPPORT = Path(__file__).parents[2] / "support"
both_runtimes = pytest.mark.parametrize("runtime", [ONE_PROCESS, PROCESSES])


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """What these tests are about, whatever pytest's --runtime says."""
    monkeypatch.setattr(supervisor, "DEFAULT", ONE_PROCESS)


@pytest.fixture(autouse=True)
def interruptible():
    """A background job inherits Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def config() -> Loihi2SimCfg:
    return Loihi2SimCfg(select_tag="floating_pt")


def works() -> None:
    """A network built now runs."""
    neurons = LIF(shape=(2,), bias_mant=1, vth=100)
    run(neurons, RunSteps(3), config())
    assert neurons.v.get().tolist() == [3, 3]
    neurons.stop()


def noting(digit: int):
    """Writes a digit behind the ones in `count[0]`, the number of the time step into `count[1]`."""

    def note(model) -> None:
        model.count[0] = model.count[0] * 10 + digit
        model.count[1] = model.time_step

    return note


@both_runtimes
def test_the_phases_come_in_lavas_order(runtime):
    """SPK, PRE_MGMT, LRN, POST_MGMT for a model that asks for all; every other step here."""
    calls = {
        name: noting(digit)
        for digit, name in enumerate(("run_spk", "run_pre_mgmt", "run_lrn", "run_post_mgmt"), 1)
    }
    calls["lrn_guard"] = lambda model: model.time_step % 2 == 0
    process = Scripted(calls=calls)
    with running(process, config(), runtime) as network:
        network.run(3)
        # step 1: no learning asked for, but the guard of POST_MGMT is true; 2: all; 3: as 1
        assert read_var(process.count).tolist() == [14_1234_14, 3]


def fails(model) -> None:
    raise KeyError("no such synapse")


@pytest.mark.parametrize("where", ["run_spk", "run_pre_mgmt", "run_lrn", "run_post_mgmt"])
def test_an_exception_is_the_callers_with_the_models_traceback(where):
    calls = {"run_pre_mgmt": lambda model: None, "run_lrn": lambda model: None}
    process = Scripted(calls={**calls, where: fails}, name="probe")
    with pytest.raises(LavaExecutionError) as caught, running(process, config()) as network:
        network.run(5)
    assert "process 'probe' (Scripted)" in str(caught.value) and where in str(caught.value)
    assert "KeyError: 'no such synapse'" in str(caught.value)
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    assert [f.name for f in traceback.extract_tb(cause.__traceback__)][-3:] == [
        where,
        "_call",
        "fails",
    ]
    with pytest.raises(RuntimeError, match="closed"):
        process.count.get()
    works()


def test_an_exception_of_a_constructor_is_the_callers():
    with pytest.raises(KeyError, match="no such synapse"):
        run(Scripted(calls={"constructor": fails}), RunSteps(1), config())
    works()


def test_a_failure_of_a_model_that_was_waited_for_ends_the_others():
    """The receiver is in the middle of its step then, on a stack of its own or the caller's."""
    left = []

    def receives(model) -> None:
        model.out.send(np.ones(2))
        try:
            model.inp.recv()
        finally:
            left.append("receiver")

    def fails_later(model) -> None:
        model.inp.recv()
        fails(model)

    receiver = Scripted(calls={"run_spk": receives})
    sender = Scripted(calls={"run_spk": fails_later})
    sender.out.connect(receiver.inp)
    receiver.out.connect(sender.inp)
    with pytest.raises(LavaExecutionError, match="no such synapse"):
        run(sender, RunSteps(1), config())
    assert left == ["receiver"]
    works()


def test_a_deadlock_is_told_with_the_names_of_those_who_wait():
    def receives(model) -> None:
        model.inp.recv()

    pair = [Scripted(calls={"run_spk": receives}, name=name) for name in ("left", "right")]
    pair[0].out.connect(pair[1].inp)
    pair[1].out.connect(pair[0].inp)
    with pytest.raises(LavaExecutionError) as caught:
        run(pair[0], RunSteps(1), config())
    assert "deadlock" in str(caught.value)
    for waits, sends in (("left", "right"), ("right", "left")):
        assert f"{waits}.inp waits for {sends}.out" in str(caught.value)
    works()


def test_messages_that_nobody_takes_fill_the_channel_as_in_lava():
    sender = Scripted(calls={"run_spk": lambda model: model.out.send(np.ones(2))}, name="sender")
    receiver = Scripted(calls={}, name="receiver")
    sender.out.connect(receiver.inp)
    run(sender, RunSteps(64), config())
    with pytest.raises(LavaExecutionError, match=r"sender.out waits to send to receiver.inp.*64"):
        run(sender, RunSteps(1))


def test_a_message_of_another_shape_is_refused_with_the_names():
    sender = Scripted(calls={"run_spk": lambda model: model.out.send(np.ones(3))}, name="sender")
    receiver = Scripted(calls={"run_spk": lambda model: model.inp.recv()}, name="receiver")
    sender.out.connect(receiver.inp)
    with pytest.raises(LavaExecutionError, match=r"sender.out -> receiver.inp: .*\(3,\).*\(2,\)"):
        run(sender, RunSteps(1), config())


def test_what_is_sent_is_a_copy():
    kept = np.zeros(2)

    def sends(model) -> None:
        model.out.send(kept)
        kept[:] += 1

    def receives(model) -> None:
        message = model.inp.recv()
        model.count += message
        message[:] = 99

    sender, receiver = Scripted(calls={"run_spk": sends}), Scripted(calls={"run_spk": receives})
    sender.out.connect(receiver.inp)
    run(receiver, RunSteps(4), config())
    assert receiver.count.get().tolist() == [6, 6]  # 0 + 1 + 2 + 3
    receiver.stop()


@both_runtimes
def test_models_do_not_share_what_their_processes_were_given(runtime):
    """As if each were forked: lists, dicts and the process's own parameters stay what they are."""
    shared = {"run_spk": lambda model: model.proc_params["calls"].setdefault("seen", []).append(1)}
    processes = [Scripted(calls=shared) for _ in range(2)]
    processes[0].out.connect(processes[1].inp)
    with running(processes[0], config(), runtime) as network:
        network.run(2)
    assert "seen" not in shared


@both_runtimes
def test_a_model_may_ask_for_a_pause(runtime):
    def asks(model) -> None:
        model.count[0] = model.time_step
        model._req_pause = model.time_step == 3

    process = Scripted(calls={"run_spk": asks})
    run(process, RunSteps(10), config(), runtime)
    assert process.count.get().tolist() == [3, 0]
    run(process, RunSteps(2))
    assert process.count.get().tolist() == [5, 0]
    process.stop()


def test_a_model_may_ask_for_the_end():
    def asks(model) -> None:
        model._req_stop = model.time_step == 3

    process = Scripted(calls={"run_spk": asks})
    run(process, RunSteps(10), config())
    with pytest.raises(RuntimeError, match="closed"):
        process.count.get()
    works()


@both_runtimes
def test_a_model_with_handlers_of_its_own_is_asked_through_them(runtime):
    process = OwnHandlers()
    with running(process, config(), runtime) as network:
        network.run(4)
        network.run(3)
        # 7 steps; learning at 2, 4 and 6; two runs; this is the first request for a Var
        assert process.log.get().tolist() == [7, 12, 2, 1]


def test_a_model_that_cannot_run_here_is_refused_by_name():
    with pytest.raises(
        ValueError, match=r"process 'odd': .*AsynchronousModel.*runtime='processes'"
    ):
        process = Asynchronous()
        process.name = "odd"
        run(process, RunSteps(1), config())
    with pytest.raises(ValueError, match=r"runtime.*'one-process', 'processes'|one-process"):
        run(LIF(shape=(1,)), RunSteps(1), config(), runtime="threads")
    with pytest.raises(ValueError, match="name a run configuration"):
        run(LIF(shape=(1,)), RunSteps(1))


# Run conditions


def counting(seconds: float = 0.0) -> Scripted:
    def counts(model) -> None:
        model.count += 1
        time.sleep(seconds)

    return Scripted(calls={"run_spk": counts})


def test_a_run_that_does_not_block_is_waited_for():
    process = counting(0.005)
    run(process, RunSteps(20, blocking=False), config())
    with pytest.raises(RuntimeError, match="steps are being run"):
        process.count.get()
    with pytest.raises(RuntimeError, match="being run"):
        process.run(RunSteps(1))
    process.wait()
    assert process.count.get().tolist() == [20, 20]
    process.stop()


def test_a_continuous_run_goes_on_until_it_is_paused():
    process = counting()
    run(process, RunContinuous(), config())
    time.sleep(0.05)
    process.pause()
    count = process.count.get()[0]
    assert count > 5
    time.sleep(0.02)
    assert process.count.get()[0] == count
    run(process, RunSteps(1))
    assert process.count.get()[0] == count + 1
    process.run(RunContinuous())
    process.stop()
    assert threading.active_count() == 1 or all(
        thread.name != "onchip-lava" for thread in threading.enumerate()
    )


def test_a_failure_of_a_run_that_does_not_block_is_raised_by_wait():
    process = Scripted(calls={"run_spk": fails})
    run(process, RunSteps(3, blocking=False), config())
    with pytest.raises(LavaExecutionError, match="no such synapse"):
        process.wait()


def test_a_stopped_network_starts_anew_from_its_initial_values():
    process = counting()
    for _ in range(3):
        run(process, RunSteps(4), config())
        assert process.count.get().tolist() == [4, 4]
        process.stop()
        process.stop()


def test_data_is_sent_to_a_running_network_from_outside():
    injector, sink = Injector(shape=(2,)), Sink(shape=(2,), buffer=6)
    injector.out_port.connect(sink.a_in)
    choice = {Injector: PyLoihiInjectorModel}
    chosen = Loihi2SimCfg(select_tag="floating_pt", exception_proc_model_map=choice)
    run(sink, RunSteps(6, blocking=False), chosen)
    for number in range(6):
        time.sleep(0.01)
        injector.send(np.full(2, number))
    sink.wait()
    assert sink.data.get()[0].tolist() == [0, 1, 2, 3, 4, 5]
    sink.stop()


def test_a_pipe_that_nobody_fills_is_told():
    command = [sys.executable, "-c", UNFED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "deadlock" in done.stdout and "in_port waits for the host" in done.stdout


UNFED = """
from onchip.lava.graphs import run
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.injector import Injector, PyLoihiInjectorModel
from lava.proc.io.sink import RingBuffer as Sink
choice = {Injector: PyLoihiInjectorModel}
config = Loihi2SimCfg(select_tag="floating_pt", exception_proc_model_map=choice)
injector, sink = Injector(shape=(2,)), Sink(shape=(2,), buffer=6)
injector.out_port.connect(sink.a_in)
try:
    run(sink, RunSteps(1), config)
except RuntimeError as error:
    print(error)
"""


def test_a_run_of_no_steps_that_does_not_block_ends():
    process = counting()
    run(process, RunSteps(0, blocking=False), config())
    process.wait()
    assert process.count.get().tolist() == [0, 0]
    process.stop()


def test_a_failure_of_a_run_that_does_not_block_is_told_by_whatever_comes_next():
    for ask in ("get", "stop", "run"):
        process = Scripted(calls={"run_spk": fails})
        run(process, RunSteps(3, blocking=False), config())
        process.runtime._thread.join()
        if ask == "get":
            with pytest.raises(RuntimeError, match=r"closed.*no such synapse") as caught:
                process.count.get()
            assert isinstance(caught.value.__cause__, LavaExecutionError)
        with pytest.raises(LavaExecutionError, match="no such synapse"):
            process.stop() if ask != "run" else run(process, RunSteps(1), config())


def test_a_network_is_compiled_again_after_a_refusal_a_failed_constructor_or_a_stop():
    calls = {"constructor": fails}
    process = Scripted(calls=calls)
    with pytest.raises(KeyError):
        run(process, RunSteps(1), config())
    calls.clear()
    run(process, RunSteps(1), config())
    process.stop()
    process = Scripted(calls={"run_spk": noting(3)})
    for runtime in (PROCESSES, ONE_PROCESS, PROCESSES):
        with running(process, config(), runtime) as network:
            network.run(2)
            assert read_var(process.count).tolist() == [33, 2]


def test_a_model_that_polls_gives_way_to_the_one_it_polls_for():
    def polls(model) -> None:
        while not model.inp.probe():
            pass
        model.count += model.inp.recv()

    for first, second in ((polls, None), (None, polls)):
        made = [Scripted(calls={"run_spk": f} if f else {}) for f in (first, second)]
        receiver, sender = made if first else made[::-1]
        sender.proc_params["calls"]["run_spk"] = lambda model: model.out.send(np.ones(2))
        sender.out.connect(receiver.inp)
        run(receiver, RunSteps(3), config())
        assert receiver.count.get().tolist() == [3, 3]
        receiver.stop()


def test_a_model_that_waits_for_several_ports_at_once_is_told_what_to_use():
    def selects(model) -> None:
        CspSelector().select((model.inp.csp_ports[0], lambda: None))

    receiver, sender = Scripted(calls={"run_spk": selects}), Scripted(calls={})
    sender.out.connect(receiver.inp)
    with pytest.raises(LavaExecutionError, match=r"CspSelector.*runtime='processes'"):
        run(receiver, RunSteps(1), config())


def test_a_port_that_is_received_from_outside_of_a_step_is_told():
    def receives(model) -> None:
        model.inp.recv()

    receiver, sender = Scripted(calls={"on_var_update": receives}), Scripted(calls={})
    sender.out.connect(receiver.inp)
    run(receiver, RunSteps(1), config())
    with pytest.raises(LavaExecutionError, match=r"outside of a time step .*\.inp waits for"):
        receiver.count.set(np.zeros(2))
    receiver.stop()


@both_runtimes
def test_numpys_error_state_is_the_callers_in_every_model(runtime):
    """Also in one that goes on while another one waits."""

    def divides(model) -> None:
        with contextlib.suppress(FloatingPointError):
            np.ones(2) / np.zeros(2)
            model.count[0] += 1
        model.out.send(np.ones(2))
        model.inp.recv()

    ring = [Scripted(calls={"run_spk": divides}) for _ in range(3)]
    for left, right in zip(ring, ring[1:] + ring[:1], strict=True):
        left.out.connect(right.inp)
    with np.errstate(divide="raise"), running(ring[0], config(), runtime) as network:
        network.run(2)
        assert [read_var(process.count)[0] for process in ring] == [0, 0, 0]


@both_runtimes
def test_what_two_parameters_share_their_copies_share(runtime):
    def writes(model) -> None:
        model.proc_params["calls"]["left"].append(1)
        model.count[0] = len(model.proc_params["calls"]["right"])

    shared: list[int] = []
    process = Scripted(calls={"run_spk": writes, "left": shared, "right": shared})
    process.proc_params["more"] = shared
    with running(process, config(), runtime) as network:
        network.run(3)
        assert read_var(process.count)[0] == 3
    assert shared == []


@both_runtimes
def test_memory_that_is_shared_on_purpose_is_not_copied(runtime):
    board = np.frombuffer(mmap.mmap(-1, 16), np.float64)

    def writes(model) -> None:
        model.proc_params["board"][0] += model.time_step

    process = Scripted(calls={"run_spk": writes})
    process.proc_params["board"] = board
    with running(process, config(), runtime) as network:
        network.run(3)
    assert board[0] == 6


# Vars


@both_runtimes
def test_vars_are_got_and_set_as_in_lava(runtime):
    process = counting()
    with running(process, config(), runtime) as network:
        network.run(2)
        process.count.set(np.array([7.5, -3]))
        assert process.count.get().tolist() == [7.5, -3]
        assert process.count.get().dtype == np.float64
        write_var(process.count, np.array([1, 2]))
        network.run(1)
        assert read_var(process.count).tolist() == [2, 3]


def test_numbers_and_texts_are_got_and_set():
    process = counting()
    with running(process, config()):
        assert process.number.get().tolist() == [5]
        process.number.set(np.array([9]))
        assert process.number.get().tolist() == [9]
        process.text.set("vwxyz")
        assert process.text.get() == "vwxyz"


def test_values_that_do_not_fit_a_var_are_refused():
    process = counting()
    with running(process, config()):
        with pytest.raises(ValueError, match=r"\.count: 3 values were given and it holds 2"):
            process.count.set(np.zeros(3))
        with pytest.raises(ValueError, match="idx cannot be set"):
            process.count.set(np.zeros(2), np.array([1]))
        assert process.count.get().tolist() == [0, 0]


def test_numbers_and_texts_that_do_not_fit_are_refused():
    process = counting()
    with running(process, config()):
        with pytest.raises(ValueError, match=r"number: it holds whole numbers, and 2.5 was given"):
            process.number.set(np.array([2.5]))
        with pytest.raises(ValueError, match=r"text: 6 values were given and it holds 5"):
            process.text.set("abcdef")
        assert (process.number.get().tolist(), process.text.get()) == ([5], "abcde")


@both_runtimes
def test_membranes_of_a_fused_network_cannot_be_set_and_its_state_can(rng, runtime):
    spec = two_hidden_layers(rng, (2, 3, 3))
    frames, _ = random_events(rng, 2, (2, 3, 3))
    with FusedLavaNetwork(spec, runtime=runtime) as network:
        network.run(frames[:1])
        before, state = network.snapshot(), network.state()
        if runtime == ONE_PROCESS:
            with pytest.raises(ValueError, match="u and spikes can be read only"):
                network.process.u.set(np.zeros(network.process.u.shape))
        assert network.snapshot() == before
        network.run(frames[1:])
        network.restore(state)
        assert all(np.array_equal(v, state[name]) for name, v in network.state().items())


# Interruptions and debuggers


def test_ctrl_c_stops_between_models_and_the_next_network_works(rng):
    """At 50 random moments of a run."""
    torn = []

    def whole(model) -> None:
        torn.append(True)
        sum(range(500))
        torn.pop()

    for moment in rng.uniform(0, 0.02, 50):
        processes = [Scripted(calls={"run_spk": whole}) for _ in range(4)]
        for left, right in itertools.pairwise(processes):
            left.out.connect(right.inp)
        with pytest.raises(KeyboardInterrupt), running(processes[0], config()) as network:
            timer = threading.Timer(moment, os.kill, (os.getpid(), signal.SIGINT))
            began = time.monotonic()
            timer.start()
            while True:
                network.run(50)
        timer.join()
        assert time.monotonic() - began < 1 and torn == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    works()


def test_a_second_ctrl_c_ends_a_model_that_does_not_return():
    def forever(model) -> None:
        while True:
            pass

    timers = [threading.Timer(t, os.kill, (os.getpid(), signal.SIGINT)) for t in (0.1, 0.3)]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(Scripted(calls={"run_spk": forever}), RunSteps(1), config())
    works()


def test_a_handler_of_the_programs_own_is_called_between_models(monkeypatch):
    heard = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        process = Scripted(calls={"run_spk": lambda m: os.kill(os.getpid(), signal.SIGINT)})
        run(process, RunSteps(3), config())
        process.stop()
    finally:
        signal.signal(signal.SIGINT, previous)
    assert heard == 3 * [signal.SIGINT]


def test_a_breakpoint_in_a_model_stops_in_the_callers_debugger(monkeypatch):
    stops = []

    def hook() -> None:
        frame = sys._getframe(1)
        stops.append((os.getpid(), frame.f_code.co_name, frame.f_locals["model"].time_step))

    monkeypatch.setattr(sys, "breakpointhook", hook)

    def run_spk(model) -> None:
        breakpoint()

    run(Scripted(calls={"run_spk": run_spk}), RunSteps(2), config())
    assert stops == [(os.getpid(), "run_spk", 1), (os.getpid(), "run_spk", 2)]


# Threads, processes and the life of a program


def test_two_networks_run_in_turn_and_in_threads():
    processes = [counting(0.0005) for _ in range(4)]
    for process in processes:
        run(process, RunSteps(2), config())
    threads = [threading.Thread(target=run, args=(p, RunSteps(30))) for p in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        assert process.count.get().tolist() == [32, 32]
        process.stop()


def test_networks_are_built_in_several_threads_at_once():
    """References to Vars are ports that Lava adds to the models' classes."""
    before, failures = list(warnings.filters), []

    def build() -> None:
        try:
            for _ in range(8):
                neurons, writer = LIF(shape=(2,), vth=50), Writer(shape=(2,), period=1)
                writer.target.connect_var(neurons.v)
                run(writer, RunSteps(3), config())
                assert neurons.v.get().tolist() == [3 / 7, 3 / 7]
                writer.stop()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and list(warnings.filters) == before


BLAS_THREADS = """
import time
from onchip.lava.graphs import run
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava_processes.probes import Scripted
from threadpoolctl import threadpool_info

def threads():
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

config = Loihi2SimCfg(select_tag="floating_pt")
before, seen = threads(), []
slow = Scripted(calls={"run_spk": lambda model: (time.sleep(0.02), seen.append(threads()))})
run(slow, RunSteps(10, blocking=False), config)
run(Scripted(calls={}), RunSteps(1), config)
slow.wait()
print(before, set(seen), threads())
"""


def test_one_blas_thread_for_as_long_as_any_network_runs():
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, "2"), "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, "-c", BLAS_THREADS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "2 {1} 2\n", done.stderr


def test_a_network_is_built_and_run_in_a_thread():
    outcome = []

    def work() -> None:
        works()
        outcome.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcome == ["worked"]


def test_two_threads_on_one_network_are_refused_in_one_line():
    process = counting(0.05)
    run(process, RunSteps(1), config())
    thread = threading.Thread(target=run, args=(process, RunSteps(4)))
    thread.start()
    time.sleep(0.05)
    for use in (lambda: run(process, RunSteps(1)), process.count.get):
        with pytest.raises(RuntimeError, match="steps are being run"):
            use()
    thread.join()
    assert process.count.get().tolist() == [5, 5]
    process.stop()


IN_OTHER_PROCESSES = """
import multiprocessing, os
from onchip.lava.graphs import run
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.lif.process import LIF

def value(_=None):
    neurons = LIF(shape=(2,), bias_mant=1, vth=100)
    run(neurons, RunSteps(3), Loihi2SimCfg(select_tag="floating_pt"))
    return neurons.v.get().tolist()

def tell():
    print(value(), flush=True)

if __name__ == "__main__":
    tell()
    fork = multiprocessing.get_context("fork")
    daemon = fork.Process(target=tell, daemon=True)
    daemon.start()
    daemon.join()
    with fork.Pool(2) as pool:
        print(*pool.map(value, range(2)), flush=True)
    child = os.fork()
    if child == 0:
        tell()
        os._exit(0)
    os.waitpid(child, 0)
    multiprocessing.set_start_method("spawn", force=True)
    tell()
    spawned = multiprocessing.Process(target=tell)
    spawned.start()
    spawned.join()
"""


def test_daemons_pool_workers_forks_and_spawned_processes_run_networks(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(IN_OTHER_PROCESSES)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == "" and done.returncode == 0
    assert done.stdout.split("\n") == ["[3.0, 3.0]"] * 2 + ["[3.0, 3.0] [3.0, 3.0]"] + [
        "[3.0, 3.0]"
    ] * 3 + [""]


def test_a_suite_with_warnings_as_errors_builds_networks():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        works()


ABANDONS = """
import gc, os, sys, threading, time
import numpy as np
from parity_cases import random_events, two_hidden_layers
from onchip.deploy.backends.table import build
from onchip.network.learning import with_learning
rng = np.random.default_rng(0)
spec = with_learning(two_hidden_layers(rng, (2, 3, 3)), learning_rate=0.1)
frames, labels = random_events(rng, 1, (2, 3, 3))

def held():
    gc.collect()
    status = open("/proc/self/status").read()
    resident = int(status.split("VmRSS:")[1].split()[0])
    maps = len(open("/proc/self/maps").readlines())
    return np.array([len(os.listdir("/proc/self/fd")), threading.active_count(), maps, resident])

def abandon(count):
    for number in range(count):
        backend = ("lava", "lava-fast", "lava-fused")[number % 3]
        build(spec, backend).learn(frames, labels)  # never closed
        if number % 25 == 0:
            gc.collect()

abandon(60)
before = held()
abandon(int(sys.argv[1]))
print(*(held() - before), flush=True)
print(time.time(), flush=True)
"""


@pytest.mark.parametrize(
    "count", [50, pytest.param(2000, marks=(pytest.mark.long, pytest.mark.timeout(900)))]
)
def test_abandoned_networks_leave_nothing_and_python_ends_at_once(count):
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    command = [sys.executable, "-c", ABANDONS, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    ended = time.time()
    files, threads, maps, resident = map(int, done.stdout.split("\n")[0].split())
    assert (files, threads) == (0, 0) and maps < 40
    assert resident < 2000  # KiB, whatever the count: a network holds 100
    assert ended - float(done.stdout.split("\n")[1]) < 5


def test_processes_leave_at_most_one_handler_in_the_programs_log(rng):
    """Each of Lava's adds one to the root log, and every message would be printed as often."""
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        NetworkComponent(two_hidden_layers(rng, (2, 3, 3)), form="layered")
        NetworkComponent(two_hidden_layers(rng, (2, 3, 3)))
        assert root.handlers == before
        for _ in range(3):
            works()
        assert len(root.handlers) <= len(before) + 1
    finally:
        root.handlers[:] = before


def test_a_closed_supervisor_cannot_run(rng):
    supervisor = Supervisor(LIF(shape=(1,)), config())
    supervisor.start()
    supervisor.close()
    supervisor.close()
    with pytest.raises(RuntimeError, match="closed"):
        supervisor.run(1)


@both_runtimes
def test_negative_zeros_become_zeros_in_a_port_as_in_lava(runtime):
    """Lava adds what comes to zeros."""
    source = Source(data=np.array([[-0.0, 3.0], [2.0, -0.0]]))

    def receives(model) -> None:
        model.count = model.count * 4 + np.copysign(1, model.inp.recv())

    receiver = Scripted(calls={"run_spk": receives})
    source.s_out.connect(receiver.inp)
    with running(source, config(), runtime) as network:
        network.run(2)
        assert read_var(receiver.count).tolist() == [5, 5]
